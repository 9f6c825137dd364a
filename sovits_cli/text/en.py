"""English: the front end, ours or the official program's, and which word gets which reading in its sentence.

The official reading: facts of GPT-SoVITS `text/en_normalization/expend.py` (`normalize`) and `text/english.py` (`g2p`,
`en_G2p`). Two things of it are not reproduced: its neural net for unknown words, and its web counts for words run
together; ours stand in for them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sovits_cli.text import en_abbreviations, en_homographs, en_lexicon, en_normal, symbols
from sovits_cli.text import en_numbers as numbers
from sovits_cli.text.en_homographs import Choice, choose_reading
from sovits_cli.text.resources import word_set
from sovits_cli.versions import SymbolTable

_WORD = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*")
_TOKEN = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*|[.,!?]")
_PLAIN = re.compile("[A-Za-z0-9]")
_MARKUP = re.compile(r"[<\[≮﹇﹤＜［]")
"""What may begin a tag or a footnote, the only places where letters and digits are not read."""

_ARTICLE = ("AH0",)
_LETTER_A = ("EY1",)
_AFTER_LETTER_A = word_set("is was and or to has are for in")
_MIN_PHONES = 4


def english_phones(norm: str) -> list[str]:
    """Phones of a text from `en_normal.normalise`; a comma in front of very short ones, as the models were trained."""
    return [phone for _, phones in _readings(norm) for phone in phones]


def word_phones(norm: str) -> list[tuple[str, int]]:
    """Words and marks of a normalised text, and how many of its phones each has."""
    return [(word, len(phones)) for word, phones in _readings(norm)]


def _readings(norm: str) -> list[tuple[str, Sequence[str]]]:
    tokens = _TOKEN.findall(norm)
    found = [(token, _token(tokens, position)) for position, token in enumerate(tokens)]
    is_short = sum(len(phones) for _, phones in found) < _MIN_PHONES
    return [(",", (",",)), *found] if is_short else found


def unknown_words(norm: str) -> list[str]:
    """Words of a normalised text that neither dictionary nor rule knows."""
    return [word for word in _WORD.findall(norm) if en_lexicon.is_guessed_word(word.lower())]


def _token(tokens: Sequence[str], position: int) -> Sequence[str]:
    token = tokens[position]
    if not token[0].isalpha():
        return (token,)
    if token == "A":
        return _ARTICLE if _is_article(tokens, position) else _LETTER_A
    if token == "a":
        return _ARTICLE
    return en_homographs.choose_reading(tokens, position) or en_lexicon.word_phones(token.lower())


def _is_article(tokens: Sequence[str], position: int) -> bool:
    """A capital A is the article before a word, at the start of a sentence or among words with capitals."""
    after = tokens[position + 1] if position + 1 < len(tokens) else ""
    before = tokens[position - 1] if position else "."
    if len(after) < 2 or after in _AFTER_LETTER_A:
        return False
    return not before[0].isalpha() or (len(before) > 1 and before[0].isupper() and after[0].isupper())


class English:
    """The English front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is a letter or a digit that English can read."""
        if _PLAIN.search(text) and not _MARKUP.search(text):
            return True
        return any(character.isalnum() for character in en_normal.clean(text))

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: not before a small letter, nor in "Dr."."""
        if after[:1].islower():
            return False
        return before[-1:] != "." or en_abbreviations.dot_ends_sentence(before, after)

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""
        return official_english(text) if compat else en_normal.normalise_english(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - English is the same in all of them
        *,
        compat: bool,
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return official_phones(norm) if compat else english_phones(norm), None


# English exactly as the official program reads it, defects included: for comparing, and for datasets made with it.

NET_READINGS = {
    "twenty-nine": "T W EH1 N T IY0 N AY2",
    "thirty-two": "TH ER0 T IY1 T OW0",
    "thirty-four": "TH ER1 T AY0 F R UH0 R",
    "thirty-six": "TH ER1 T IY0 S IH0 K S",
    "sixty-nine": "S IH0 K S T IH1 N S IY0 N",
    "eighty-six": "AY0 T IY1 K S IH0 S",
    "https": "T AE1 P T S",
    "quadrillion": "K W AA0 R D IH1 L Y AH0 N",
    "quintillion": "K W IH2 N T IH1 L Y AH0 N",
    "sextillion": "S EH1 K S T IH1 L AY1 AA1 N",
    "septillion": "S EH1 P T IH1 L Y AH0 N",
    "zeroth": "Z IH1 R AH0 TH",
}
"""Everyday items that the dictionary lacks and the official program guesses."""

_OPERAND = r"(?:-?\d+(?:\.\d+)?|\.\d+|[A-Za-z])[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*"
_ARITHMETIC = re.compile(rf"({_OPERAND})\s+([+\-×÷=])\s+(?={_OPERAND})")  # 3 + 5, x = 2: spaces are needed
_OPERATORS = {"+": "plus", "-": "minus", "×": "times", "÷": "divided by", "=": "Equals"}
_UNITS = {
    "m": ("meter", "meters"),
    "km": ("kilometer", "kilometers"),
    "ft": ("foot", "feet"),
    "L": ("liter", "liters"),
    "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "s": ("second", "seconds"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
}
_MEASURE = re.compile(rf"\b(\d+(?:\.\d+)?)({'|'.join(_UNITS)})\b")  # 5km, 3.5ft: no space
_CURRENCIES = {"£": ("pound", "pounds", "pence", "pence"), "$": ("dollar", "dollars", "cent", "cents")}
_LONG_RUN = re.compile(rf"\d{{{numbers.MAX_DIGITS + 1},}}")  # numbers too long for the names there are
_TIME = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)\b")  # 15:30
_CAPITAL = re.compile(r"(?<=\S)(?=[A-Z])")  # Open|A|I: before every capital letter
_REPEATED_MARKS = re.compile(r"([!?….,\-\s])[!?…,.\-]+")
_OFFICIAL_TOKEN = re.compile(
    r"(?<![A-Za-z.\-])[A-Za-z]+(?:[.\-][A-Za-z]+)*\.[A-Za-z]{2,13}\b"  # a web site stays whole
    r"|[A-Za-z][A-Za-z'\-]+[A-Za-z]"
    r"|[A-Za-z]+"
    r"|\S"
)


def official_english(text: str) -> str:
    """Text as the official normaliser leaves it, step by step in its order."""
    text = _LONG_RUN.sub(lambda run: " ".join(run[0]), text).replace("。", ".").replace("！", "!").replace("？", "?")
    text = re.sub(r"\b(\d+)\. ", lambda item: f"{numbers.ordinal(int(item[1]))}, ", text)
    text = _ARITHMETIC.sub(lambda term: f"{term[1]} {_OPERATORS[term[2]]} ", text)
    text = re.sub(r"(?:^|\s)-(?=\d)", "negative ", text)
    text = re.sub(r"\d[\d,]+\d", lambda number: number[0].replace(",", ""), text)
    text = _TIME.sub(_time, _LONG_RUN.sub(lambda run: " ".join(run[0]), text))
    text = _MEASURE.sub(lambda size: f"{size[1]} {_UNITS[size[2]][size[1] != '1']}", text)
    for sign in _CURRENCIES:
        text = _money(sign, text)
    text = re.sub(r"(?<!\d)(\d+)\.\s*(\d+)", lambda number: f"{number[1]} point {' '.join(number[2])}", text)
    text = re.sub(r"(?<!\d)(\d+)/(\d+)", lambda part: numbers.fraction_words(int(part[1]), int(part[2])), text)
    text = re.sub(r"(?<!\d)(\d+)(?:st|nd|rd|th)", lambda rank: numbers.ordinal(int(rank[1])), text)
    text = re.sub(r"\d+", lambda number: _number(int(number[0])), text)
    return _letters_and_marks(text)


def official_phones(norm: str, *, choice: Choice | None = None) -> list[str]:
    """Phones of a text from `normalise`. `choice` forces every homograph to one of its readings."""
    tokens = _OFFICIAL_TOKEN.findall(norm)
    found = [phone for position in range(len(tokens)) for phone in _official_token(tokens, position, choice)]
    found = ["-" if phone == "'" else phone for phone in found]
    kept = [phone for phone in found if phone in symbols.PUNCTUATION or phone in en_lexicon.PHONES]
    return [","] * (len(kept) < 4) + kept


def official_guesses(norm: str) -> list[str]:
    """Words of a text from `normalise` that the official program asks its neural net for."""
    words = (token.lower() for token in _OFFICIAL_TOKEN.findall(norm) if token[0].isalpha() and len(token) > 1)
    return [word for word in words if _known(word) is None]


def _official_token(tokens: list[str], position: int, choice: Choice | None) -> list[str]:
    token = tokens[position]
    if not token[0].isalpha():
        return [token]
    if len(token) == 1:
        return ["EY1"] if token == "A" else en_lexicon.look_up_cmu(token.lower()) or []
    return choose_reading(tokens, position, official=True, choice=choice) or _word(token.lower())


def _word(word: str) -> list[str]:
    if known := _known(word):
        return known
    if word.endswith("'s"):
        return en_lexicon.add_s(_word(word[:-2]), vowel="AH0")
    pieces = en_lexicon.split_web_word(word)
    return [phone for piece in pieces for phone in _word(piece)] if len(pieces) > 1 else en_lexicon.guess_phones(word)


def _known(word: str) -> list[str] | None:
    """Phones of a word that the dictionary has, that is spelled, or whose reading by the net is recorded."""
    if len(word) > 1 and (known := en_lexicon.look_up_cmu(word)):
        return known
    if len(word) <= 3:
        return en_lexicon.spell_word(word)
    if word.endswith("'s") and (stem := _known(word[:-2])):
        return en_lexicon.add_s(stem, vowel="AH0")
    return NET_READINGS[word].split() if word in NET_READINGS else None


def _time(clock: re.Match[str]) -> str:
    hour, minute = int(clock[1]), int(clock[2])
    spoken = [numbers.cardinal(hour - 12 if hour > 12 else hour), numbers.cardinal(minute) if minute else "o'clock"]
    return " ".join([*spoken, "a.m." if hour < 12 else "p.m."])


def _money(sign: str, text: str) -> str:
    one, many, one_part, many_parts = _CURRENCIES[sign]

    def spoken(amount: re.Match[str]) -> str:
        number = (amount[1] or amount[2]).replace(",", "")
        whole, _, part = number.partition(".")
        if "." in part:
            return f"{number} {many}"
        units, parts = int(whole or "0"), int(part.ljust(2, "0") or "0")
        counted = [f"{units} {one if units == 1 else many}"] if units or not parts else []
        counted += [f"{parts} {one_part if parts == 1 else many_parts}"] if parts else []
        return " and ".join(counted)

    run = r"(?:[.,]*+\d++)++"
    return re.sub(rf"{re.escape(sign)}({run})|(?<![\d.,])({run}){re.escape(sign)}", spoken, text)


def _number(number: int) -> str:
    if 1000 < number < 3000:
        return f"ten oh {numbers.cardinal(number - 1000)}" if number < 1010 else numbers.year_words(number)
    return numbers.cardinal(number)


def _letters_and_marks(text: str) -> str:
    text = "".join(part for part in unicodedata.normalize("NFD", text) if unicodedata.category(part) != "Mn")
    text = re.sub(r"[^ A-Za-z'.,?!\-]", "", text.replace("%", " percent"))
    text = re.sub(r"i\.e\.", "that is", text, flags=re.IGNORECASE)
    text = re.sub(r"e\.g\.", "for example", text, flags=re.IGNORECASE)
    return _REPEATED_MARKS.sub(r"\1", _CAPITAL.sub(" ", text))
