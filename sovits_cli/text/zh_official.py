"""Chinese text exactly as the official program normalises it, defects included; Cantonese goes the same way.

The rules are facts of GPT-SoVITS `text/zh_normalization/text_normlization.py` (`TextNormalizer.normalize`) and
`text/chinese2.py`: each sentence goes through the steps of `_STEPS` in their order, as `normalize_sentence` has them.
The defects are kept on purpose; `zh_normal` writes out before what comes out wrong here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sovits_cli.text import resources
from sovits_cli.text.resources import once

# Defects that are kept:
#
#   5mm          五米米          "m" is replaced before "mm" ever is            (`quantifier.py`, `replace_measure`)
#   100-200      幺零零减二零零   arithmetic wins over the range                 (`num.py`, `replace_asmd`)
#   1,000        一, 零零零       a comma breaks the sentence                    (`TextNormalizer._split`)
#   8:30~12:45   …至十二点半      the second time asks the first for the half    (`chronology.py`, `replace_time`)

# Numbers in Chinese words, as the official program says them (`text/zh_normalization/num.py`); on digits in text, so
# of any length.

DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_SPELLED = DIGITS | {"1": "幺"}
_POWER_NAMES = {8: "亿", 4: "万", 3: "千", 2: "百", 1: "十"}


def cardinal(digits: str) -> str:
    """一百零五 of "105"; zeros in front do not count."""
    words = "".join(_grouped(digits.lstrip("0"))) or DIGITS["0"]
    return words[1:] if words.startswith("一十") else words


def digit_by_digit(digits: str) -> str:
    """Digit by digit, as in years: 二零二四."""
    return "".join(DIGITS[digit] for digit in digits)


def telephone_digits(digits: str) -> str:
    """Digit by digit, as in telephone numbers, where 一 is 幺."""
    return "".join(_SPELLED[digit] for digit in digits)


def number_words(text: str) -> str:
    """A number with or without a decimal point. Of several zeros at the end one is read (official)."""
    whole, _, part = text.partition(".")
    words = cardinal(whole)
    if not part:
        return words
    kept = part.rstrip("0")
    return f"{words}点{digit_by_digit(kept + '0' * (len(kept) < len(part)))}"


def _grouped(digits: str) -> list[str]:
    """Words of a group of digits: split at its largest unit, each side in the same way (`num.py`, `_get_value`).

    10 0203  ->  [10] 万 [0203]  ->  [1] 十 [0] 万 零 [2] 百 [03]  ->  一十万零二百零三     (then 十万…, see `cardinal`)
    """
    significant = digits.lstrip("0")
    if len(significant) <= 1:
        return [DIGITS["0"]] * (len(digits) > 1 and significant != "") + [DIGITS[digit] for digit in significant]
    power = next(power for power in _POWER_NAMES if power < len(significant))
    return [*_grouped(digits[:-power]), _POWER_NAMES[power], *_grouped(digits[-power:])]


Step = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_DROPPED_FIRST = dict.fromkeys(map(ord, " —《》【】<>{}()（）#&@“”^_|\\"))
_DROPPED_LAST = dict.fromkeys(map(ord, "-—《》【】<=>{}()（）#&@“”^_|\\"))
_BREAK = re.compile(r"([：、，；。？！,;?!][”’]?)")  # ends of its sentences

_WIDE = {ord(wide): ord(wide) - 0xFEE0 for wide in map(chr, range(0xFF10, 0xFF5B)) if wide.isalnum()}

_NUMBER = r"\d+(?:\.\d+)?"
_SIGNED = rf"(?:-?{_NUMBER}|\.\d+)"
# 86年8月18日, 2000年
_DATE = re.compile(
    r"(?P<year>\d{4}|\d{2})年(?:(?P<month>0?[1-9]|1[0-2])月)?(?:(?P<day>0?[1-9]|[12]\d|30|31)(?P<unit>[日号]))?"
)
# 2024-01-05, 2024.01.05
_SHORT_DATE = re.compile(r"(?P<year>\d{4})(?P<sep>[- /.])(?P<month>0[1-9]|1[012])(?P=sep)(?P<day>0[1-9]|[12]\d|3[01])")
_CLOCK = r"((?:[0-1]?\d|2[0-3])):([0-5]\d)(?::([0-5]\d))?"
_CLOCK_RANGE = re.compile(rf"{_CLOCK}[~-]{_CLOCK}")  # 8:30-12:45
_UNITS = "%|°C|℃|度|摄氏度|cm2|cm²|cm3|cm³|cm|db|ds|kg|km|m2|m²|m³|m3|ml|m|mm|s"
_MEASURE_RANGE = re.compile(rf"({_SIGNED})({_UNITS})~({_SIGNED})({_UNITS})")  # 10ml~20ml
_MEASURES = resources.parse_pairs(
    "cm2=平方厘米 cm²=平方厘米 cm3=立方厘米 cm³=立方厘米 cm=厘米 db=分贝 ds=毫秒 kg=千克 km=千米 m2=平方米 m²=平方米 "
    "m³=立方米 m3=立方米 ml=毫升 m=米 mm=毫米 s=秒"
)
"""Replaced one after the other wherever they stand, so that 5mm becomes 五米米."""

_POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ"
_OPERAND = rf"(?:-?{_NUMBER}|\.\d+|[A-Za-z])[{_POWERS}]*"
_ARITHMETIC = re.compile(rf"({_OPERAND})([+\-×÷=])({_OPERAND})")  # 3+5, x²-1, 100-200 too
_OPERATORS = {"+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等于"}
_POWER_DIGITS = str.maketrans(_POWERS, "0123456789xyn")

_MOBILE = r"(?:1[38]\d|15[0-35-9]|17[678]|19[89])\d{8}"
_LONG_MEASURES = (
    "(?:千|毫|微)克|公?分|(?:千|分|厘|毫)?米|小时|(?:亿|千万|百万|万|千|百|美)?元|(?:亿|千万|百万|万|千|百|十)?[吨块]"
)
_SHORT_MEASURES = (
    "处台架枚趟幅平方堵间床株批项例列篇栋注亩封艘把目套段人所朵匹张座回场尾条个首阙阵网炮顶丘棵只支袭辆挑担颗壳窠曲墙群腔"
    "砣客贯扎捆刀令打手罗坡山岭江溪钟队单双对出口头脚板跳枝件贴针线管名位身堂课本页家户层丝毫厘分钱两斤铢石钧锱忽寸尺丈里寻"
    "常铺程撮勺合升斗盘碗碟叠桶笼盆盒杯斛锅簋篮罐瓶壶卮盏箩箱煲啖袋钵年月日季刻时周天秒旬纪岁世更夜春夏秋冬代伏辈丸泡粒幢"
    "堆根道面片亿万千百角毛"
)
_COUNTED = re.compile(rf"(\d+)([多余几+])?((?:{_LONG_MEASURES})|[{_SHORT_MEASURES}])")  # 100个, 12+个, 3多块

_GREEK = resources.parse_pairs(
    "α=阿尔法 β=贝塔 γ=伽玛 Γ=伽玛 δ=德尔塔 Δ=德尔塔 ε=艾普西龙 ζ=捷塔 η=依塔 θ=西塔 Θ=西塔 ι=艾欧塔 κ=喀帕 λ=拉姆达 "
    "Λ=拉姆达 μ=缪 ν=拗 ξ=克西 Ξ=克西 ο=欧米克伦 π=派 Π=派 ρ=肉 ς=西格玛 Σ=西格玛 σ=西格玛 τ=套 υ=宇普西龙 "
    "φ=服艾 Φ=服艾 χ=器 ψ=普赛 Ψ=普赛 ω=欧米伽 Ω=欧米伽"
)
_CIRCLED = dict(zip("①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十", strict=True))
_SIGNS = str.maketrans({"/": "每", **_CIRCLED, **_GREEK, "+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等"})


def official_sentences(text: str) -> list[str]:
    """The sentences of a text with its numbers and signs written out, not yet its punctuation.

    A break after each of `：、，；。？！,;?!` makes sentences; a full stop of Latin script makes none.
    """
    broken = _BREAK.sub(r"\1\n", text.translate(_DROPPED_FIRST))
    return [_sentence(part.strip()) for part in broken.strip().split("\n")]


@once
def simplified_table() -> dict[int, str]:
    """Traditional to simplified characters, for `str.translate`."""
    pairs = " ".join(resources.table_lines("zh_simplified.txt")).split()
    return {ord(pair[0]): pair[1] for pair in pairs}


def _sentence(text: str) -> str:
    text = text.translate(simplified_table()).translate(_WIDE)
    for pattern, spoken in _STEPS:
        text = pattern.sub(spoken, text)
    return text.translate(_SIGNS).translate(_DROPPED_LAST)


def _date(found: re.Match[str]) -> str:
    month, day = found["month"], found["day"]
    words = f"{digit_by_digit(found['year'])}年"
    words += f"{cardinal(month)}月" if month else ""
    return words + (f"{cardinal(day)}{found['unit']}" if day else "")


def _short_date(found: re.Match[str]) -> str:
    return f"{digit_by_digit(found['year'])}年{cardinal(found['month'])}月{cardinal(found['day'])}日"


def clock_words(hour: str, minute: str, second: str | None, *, is_half: bool) -> str:
    """A time of day: 三点零五分.

    Args:
        hour: digits.
        minute: two digits; 00 is not read.
        second: two digits, where there are any; 00 is not read.
        is_half: read the minutes as 半.
    """
    words = f"{number_words(hour)}点"
    if minute.strip("0"):
        words += "半" if is_half else f"{_two_digits(minute)}分"
    return words + (f"{_two_digits(second)}秒" if second and second.strip("0") else "")


def _time(found: re.Match[str]) -> str:
    return clock_words(*found.groups(), is_half=found[2] == "30")


def _time_range(found: re.Match[str]) -> str:
    parts = found.groups()
    is_half = parts[1] == "30"  # the official program asks the first time about the second too
    return f"{clock_words(*parts[:3], is_half=is_half)}至{clock_words(*parts[3:], is_half=is_half)}"


def _two_digits(digits: str) -> str:
    return "零" * digits.startswith("0") + cardinal(digits)


def _arithmetic(text: str) -> str:
    """Operators between operands; the right one of a pair may be the left one of the next."""
    position = 0
    while found := _ARITHMETIC.search(text, position):
        position = found.start()
        text = f"{text[:position]}{found[1]}{_OPERATORS[found[2]]}{found[3]}{text[found.end() :]}"
    return text


def _telephone(found: re.Match[str]) -> str:
    return "，".join(telephone_digits(group) for group in re.findall(r"\d+", found[0]))


def _counted(found: re.Match[str]) -> str:
    words = cardinal(found[1])
    return ("两" if words == "二" else words) + (found[2] or "").replace("+", "多") + found[3]


def _minus(sign: str, word: str = "负") -> str:
    return word if sign else ""


def _measures(text: str) -> str:
    for unit, name in _MEASURES.items():
        text = text.replace(unit, name)
    return text


_WHOLE = re.compile(r".+", re.DOTALL)
_STEPS: tuple[Step, ...] = (
    (_DATE, _date),
    (_SHORT_DATE, _short_date),
    (_CLOCK_RANGE, _time_range),
    (re.compile(_CLOCK), _time),
    (_MEASURE_RANGE, lambda found: f"{found[1]}{found[2]}至{found[3]}{found[4]}"),
    (
        re.compile(rf"(-?)({_NUMBER})(?:°C|℃|度|摄氏度)"),
        lambda found: f"{_minus(found[1], '零下')}{number_words(found[2])}度",
    ),
    (_WHOLE, lambda found: _arithmetic(_measures(found[0]))),
    (re.compile(rf"[{_POWERS}]+"), lambda found: f"的{found[0].translate(_POWER_DIGITS)}次方"),
    (
        re.compile(r"(-?)(\d+)/(\d+)"),
        lambda found: f"{_minus(found[1])}{number_words(found[3])}分之{number_words(found[2])}",
    ),
    (re.compile(rf"(-?)({_NUMBER})%"), lambda found: f"{_minus(found[1])}百分之{number_words(found[2])}"),
    (re.compile(rf"(?<!\d)(?:\+?86 ?)?{_MOBILE}(?!\d)"), _telephone),
    (re.compile(r"(?<!\d)(?:0(?:10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7}(?!\d)"), _telephone),
    (re.compile(r"(?<!\d)400-?\d{3}-?\d{4}(?!\d)"), _telephone),
    (
        re.compile(rf"(?<![\d+\-×÷=])({_SIGNED})[-~]({_SIGNED})(?![\d+\-×÷=])"),
        lambda found: f"{_signed(found[1])}到{_signed(found[2])}",
    ),
    (re.compile(r"-(\d+)"), lambda found: f"负{cardinal(found[1])}"),
    (re.compile(r"\d+(?:\.\d+){2,}"), lambda found: "点".join(map(digit_by_digit, found[0].split(".")))),
    (re.compile(r"-?\d+\.\d+|\.\d+"), lambda found: _signed(found[0])),
    (_COUNTED, _counted),
    (re.compile(r"\d{3,}"), lambda found: telephone_digits(found[0])),
    (re.compile(r"-?\d+|\.\d+"), lambda found: _signed(found[0])),
)


def _signed(text: str) -> str:
    return _minus(text[:1] if text.startswith("-") else "") + number_words(text.removeprefix("-"))
