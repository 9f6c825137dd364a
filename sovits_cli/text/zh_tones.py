"""Tones that change beside others ("sandhi"): 不, 一, third tones, syllables without a tone, and the r of 儿.

Tones change within words, so that first words are joined between which they do (`merge_for_sandhi`), then the tones of
each are changed (`apply_sandhi`, `apply_erhua`).

The rules are facts of GPT-SoVITS `text/tone_sandhi.py` (`ToneSandhi.pre_merge_for_modify`, `modified_tone`) and
`text/chinese2.py` (`_merge_erhua`). A rime is a final with its tone digit at the end ("iou3"); rimes are changed in
copies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sovits_cli.text import resources
from sovits_cli.text.resources import once
from sovits_cli.text.zh_words import Word, split_word

# The rules; digits are tones, 5 is none:
#
#   rule                            by itself    spoken    example
#   不 before a fourth tone           4 4         2 4      不去
#   不 between two                    3 4 3       3 5 3    好不好
#   一 before a fourth tone           1 4         2 4      一样
#   一 before another                 1 1         4 1      一天
#   一 between the same two           4 1 4       4 5 4    看一看
#   一 in 第一                         4 1         4 1      第一
#   two third tones                  3 3         2 3      你好
#   three, a word of two before      3 3 3       2 2 3    展览|馆
#   three, a word of two behind      3 3 3       3 2 3    纸|老虎
#   four, in pairs                   3 3 3 3     2 3 2 3  岂有此理 (its second half: 3 3 -> 2 3)
#   the second of two alike          1 1         1 5      妈妈
#   particles, suffixes              2 3 ...     2 5 ...  回来, 桌上, 三个, 朋友 (`tables/zh_neutral.txt`)
#   儿 takes the tone before it       4 5         4 4      小院儿

_TONED = resources.word_set(
    "人人 以下 佼佼 冉冉 分子 卵子 原子 吵吵 哈哈 女子 娃哈哈 学子 家家户户 局地 干嘛 幺幺 恳恳 想想 打打 攘攘 "
    "数数 整整 死死 熙熙 瓜子 电子 男子 留得 石子 算子 考考 耕地 花花草草 莘莘 莲子 落地 虎虎 袅袅 量子 青青"
)
"""Words that keep their tones although a rule says otherwise."""

_PARTICLES = frozenset("吧呢哈啊呐噻嘛吖嗨呐哦哒额滴哩哟喽啰耶喔诶")
_CLOSING_MARKS = frozenset("：，；。？！“”‘’':,;.?!")
_DIRECTIONS = frozenset("上下进出回过起开")
_COUNTED = frozenset("几有两半多各整每做是")

_WITH_ERHUA = resources.word_set("小院儿 胡同儿 范儿 老汉儿 撒欢儿 寻老礼儿 妥妥儿 媳妇儿")
_WITHOUT_ERHUA = resources.word_set(
    "虐儿 为儿 护儿 瞒儿 救儿 替儿 有儿 一儿 我儿 俺儿 妻儿 拐儿 聋儿 乞儿 患儿 幼儿 孤儿 婴儿 婴幼儿 连体儿 "
    "脑瘫儿 流浪儿 体弱儿 混血儿 蜜雪儿 舫儿 祖儿 美儿 应采儿 可儿 侄儿 孙儿 侄孙儿 女儿 男儿 红孩儿 花儿 虫儿 "
    "马儿 鸟儿 猪儿 猫儿 狗儿 少儿"
)


#   不|去 -> 不去       看|一|看 -> 看一看       想|想 -> 想想       我|很|好 -> 我很好       媳妇|儿 -> 媳妇儿
def merge_for_sandhi(found: Sequence[Word], rimes_of: Callable[[str], Sequence[str]]) -> list[Word]:
    """Words joined where tones change between them.

    Args:
        found: words of a sentence, in order.
        rimes_of: gives the rimes of a word by itself.
    """
    items = _with_repeats(_with_one(_with_not(found)))
    for test in (_all_third, _meeting_third):
        items = _with_third(items, rimes_of, test)
    return _with_er(items)


def apply_sandhi(word: Word, rimes: Sequence[str], *, compat: bool) -> list[str]:
    """The rimes of a word as they are spoken; `compat`: as the official program speaks them."""
    changed = list(rimes)
    if len(changed) != len(word.text):
        return changed
    _change_not(word.text, changed)
    _change_one(word.text, changed)
    _drop_tones(word, changed, compat=compat)
    _change_third(word.text, changed)
    return changed


def apply_erhua(word: Word, rimes: Sequence[str]) -> list[str]:
    """The rimes with the tone of 儿 at the end, which follows the syllable before it."""
    changed = list(rimes)
    if word.text.endswith("儿") and len(changed) == len(word.text):
        if changed[-1] == "er1":
            changed[-1] = "er2"
        plain = word.text in _WITHOUT_ERHUA or word.kind in {"a", "j", "nr"}
        if word.text not in _WITH_ERHUA and plain:
            return changed
        if len(changed) > 1 and changed[-1] in {"er2", "er5"} and word.text[-2:] not in _WITHOUT_ERHUA:
            changed[-1] = f"er{changed[-2][-1:]}"
    return changed


def _with_not(found: Sequence[Word]) -> list[Word]:
    """不 with the word after it."""
    items: list[Word] = []
    waiting = False
    for word in found:
        joined_word = Word("不" + word.text, word.kind) if waiting else word
        waiting = joined_word.text == "不"
        if not waiting:
            items.append(joined_word)
    return [*items, Word("不", "d")] if waiting else items


def _with_one(found: Sequence[Word]) -> list[Word]:
    """看 一 看 as one word, then 一 with the word after it."""
    items: list[Word] = []
    skip = False
    for position, word in enumerate(found):
        after = found[position + 1] if position + 1 < len(found) else None
        if skip:
            skip = False
        elif word.text == "一" and items and after and items[-1] == after and after.kind == "v":
            items[-1] = Word(f"{after.text}一{after.text}", "v")
            skip = True
        else:
            items.append(word)
    return _joined(items, lambda before, _: before.text == "一")


def _with_repeats(found: Sequence[Word]) -> list[Word]:
    return _joined(found, lambda before, word: before.text == word.text)


def _with_er(found: Sequence[Word]) -> list[Word]:
    return _joined(found, lambda before, word: word.text == "儿" and before.text != "#")


def _joined(found: Sequence[Word], belongs: Callable[[Word, Word], bool]) -> list[Word]:
    """Words joined_word to what is built so far where `belongs` says so."""
    items: list[Word] = []
    for word in found:
        if items and belongs(items[-1], word):
            items[-1] = Word(items[-1].text + word.text, items[-1].kind)
        else:
            items.append(word)
    return items


def _with_third(
    found: Sequence[Word],
    rimes_of: Callable[[str], Sequence[str]],
    test: Callable[[Sequence[str], Sequence[str]], bool],
) -> list[Word]:
    """Short words whose third tones meet, two at a time: of three in a row only the first two (official).

    A word like 想想 joins nothing behind it, and no joined word has more than three characters.
    """
    items: list[Word] = []
    rimes = [rimes_of(word.text) for word in found]
    was_joined = False
    for position, word in enumerate(found):
        before = found[position - 1] if position else None
        glue = (
            before is not None
            and not was_joined
            and test(rimes[position - 1], rimes[position])
            and not (len(before.text) == 2 and before.text[0] == before.text[1])
            and len(before.text) + len(word.text) <= 3
        )
        if glue:
            items[-1] = Word(items[-1].text + word.text, items[-1].kind)
        else:
            items.append(word)
        was_joined = glue
    return items


def _is_third(rimes: Sequence[str]) -> bool:
    return all(rime.endswith("3") for rime in rimes)


def _all_third(first: Sequence[str], second: Sequence[str]) -> bool:
    return _is_third(first) and _is_third(second)


def _meeting_third(first: Sequence[str], second: Sequence[str]) -> bool:
    return first[-1].endswith("3") and second[0].endswith("3")


def _change_not(text: str, rimes: list[str]) -> None:
    """The tone of 不: `ToneSandhi._bu_sandhi`."""
    if len(text) == 3 and text[1] == "不":
        _set_tone(rimes, 1, 5)
        return
    for position, character in enumerate(text[:-1]):
        if character == "不" and rimes[position + 1].endswith("4"):
            _set_tone(rimes, position, 2)


def _change_one(text: str, rimes: list[str]) -> None:
    """The tone of 一, which keeps its own in numbers (一百二十一): `ToneSandhi._yi_sandhi`."""
    if "一" not in text or all(character.isnumeric() for character in text):
        return
    if len(text) == 3 and text[1] == "一" and text[0] == text[2]:
        _set_tone(rimes, 1, 5)
    elif text.startswith("第一"):
        _set_tone(rimes, 1, 1)
    else:
        for position, character in enumerate(text[:-1]):
            if character == "一" and rimes[position + 1].endswith("4"):
                _set_tone(rimes, position, 2)
            elif character == "一" and text[position + 1] not in _CLOSING_MARKS:
                _set_tone(rimes, position, 4)


def _drop_tones(word: Word, rimes: list[str], *, compat: bool) -> None:
    """Take the tone of doubled characters, particles, suffixes and listed words: `ToneSandhi._neural_sandhi`."""
    text, kind = word.text, word.kind
    for position in range(1, len(text)):
        is_doubled = text[position] == text[position - 1] and (compat or not _meets_by_chance(text, position))
        if is_doubled and kind[:1] in {"n", "v", "a"} and text not in _TONED:
            _set_tone(rimes, position, 5)
    counter = text.find("个")
    if _ends_toneless(text, kind):
        _set_tone(rimes, -1, 5)
    elif text == "个" or (counter > 0 and (text[counter - 1].isnumeric() or text[counter - 1] in _COUNTED)):
        _set_tone(rimes, counter, 5)
    elif _is_toneless(text):
        _set_tone(rimes, -1, 5)
    first, second = split_word(text)
    if _is_toneless(first):
        _set_tone(rimes, len(first) - 1, 5)
    if _is_toneless(second):
        _set_tone(rimes, -1, 5)


def _meets_by_chance(text: str, position: int) -> bool:
    """Whether two parts of a word happen to meet in one character: 银行|行长, and not 妈妈, 星星 or 漂漂亮亮."""
    return len(text) > 3 and 1 < position < len(text) - 1


def _ends_toneless(text: str, kind: str) -> bool:
    """Whether the last character is a particle or a suffix without a tone."""
    last, before = text[-1:], text[-2:-1]
    return (
        last in _PARTICLES
        or last in {"的", "地", "得"}
        or (text in {"了", "着", "过"} and kind in {"ul", "uz", "ug"})
        or (before != "" and last in {"们", "子"} and kind in {"r", "n"} and text not in _TONED)
        or (before != "" and last in {"上", "下", "里"} and kind in {"s", "l", "f"})
        or (last in {"来", "去"} and before in _DIRECTIONS)
    )


def _change_third(text: str, rimes: list[str]) -> None:
    """Third tones before third tones: `ToneSandhi._three_sandhi`."""
    if len(text) == 2 and _is_third(rimes):
        _set_tone(rimes, 0, 2)
    elif len(text) == 3:
        _change_third_of_three(len(split_word(text)[0]), rimes)
    elif len(text) == 4:
        for start in (0, 2):
            if _is_third(rimes[start : start + 2]):
                _set_tone(rimes, start, 2)


def _change_third_of_three(cut: int, rimes: list[str]) -> None:
    """Three syllables; the first part of the word has `cut` of them: 展览|馆 2, 纸|老虎 1.

    Not all of them third: a part of two is changed by itself, and the last of the first part before the second part.
    """
    if _is_third(rimes):
        for position in range(2 - cut, 2) if cut < 3 else ():
            _set_tone(rimes, position, 2)
        return
    first, second = rimes[:cut], rimes[cut:]
    if len(first) == 2 and _is_third(first):
        _set_tone(rimes, 0, 2)
    if not second:
        return
    if len(second) == 2 and _is_third(second):
        _set_tone(rimes, cut, 2)
    elif not _is_third(second) and second[0].endswith("3") and first[-1].endswith("3"):
        _set_tone(rimes, cut - 1, 2)


def _is_toneless(text: str) -> bool:
    neutral = _neutral()
    return text in neutral or text[-2:] in neutral


def _set_tone(rimes: list[str], position: int, tone: int) -> None:
    rimes[position] = f"{rimes[position][:-1]}{tone}"


@once
def _neutral() -> frozenset[str]:
    return resources.word_set(" ".join(resources.table_lines("zh_neutral.txt")))
