"""Where a text can be cut: at the marks, conjunctions and word ends of its languages; and the official ways of cutting.

The marks of our own languages are everybody's. Knows neither sentences nor how long they may be, see `split`.

The official ways, cut0 to cut5, are facts of GPT-SoVITS `TTS_infer_pack/text_segmentation_method.py` (`cut0` to `cut5`,
`split_big_text`) and `TextPreprocessor.py` (`pre_seg_text`, `filter_text`), defects included: cut1 forgets its last
boundary, cut3 and cut4 eat the marks they cut at, the pieces joined are not always the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from sovits_cli.errors import TextError
from sovits_cli.text import languages
from sovits_cli.text.characters import is_lost
from sovits_cli.text.frontend import SentenceRules, call_hook, load_frontend
from sovits_cli.text.language import HAN, LATIN, Language, UnicodeScript, WordBreaks
from sovits_cli.text.languages import BUILT_IN, LANGUAGES, all_scripts
from sovits_cli.text.segment import LanguageMode, find_mode

# How long a text is when spoken: what each character takes to say, in Latin letters.

_LONG_SIGNS = dict.fromkeys("0123456789", 4) | dict.fromkeys("%$£€¥@&#=+/×÷°½¼¾￥℃‰", 5)


def spoken_lengths(stretch: str) -> Iterator[int]:
    """What each character costs; of several blanks in a row only the first counts, and none at the beginning."""
    ranges = _length_ranges(all_scripts())
    lightest = ranges[0][0]
    blank = True
    for character in stretch:
        if character.isspace():
            yield 0 if blank else 1
            blank = True
        else:
            yield _LONG_SIGNS.get(character) or (1 if character < lightest else _letter_length(character, ranges))
            blank = False


def _letter_length(character: str, ranges: tuple[tuple[str, str, int], ...]) -> int:
    """What a letter costs, by its script."""
    return next((weight for first, last, weight in ranges if first <= character <= last), 1)


@lru_cache(maxsize=32)
def _length_ranges(of: tuple[UnicodeScript, ...]) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted(found for script in of for found in script.weights))


# Cut points, the strongest first: sentence, call, clause, comma, conjunction, space, word.

Cuts = Callable[[str], Iterable[int]]
"""Where a stretch can be cut: positions in it."""

CLOSERS = "\"'”’»)]}」』）】》〉"
"""What may stand between the mark of a sentence and its end."""

ELLIPSIS = "…"
_DASHES = "—–"
_QUOTE_ENDS = "[\"'”’]"


def cut_points(mode: LanguageMode) -> CutPoints:
    """Where texts in a mode can be cut."""
    return _cut_points(tuple(LANGUAGES[lang] for lang in mode.languages), languages.all_scripts())


class CutPoints:
    """Where texts in some languages can be cut; each attribute finds one kind of cut point in a window of a text.

    Args:
        own: the languages.
        scripts: every script there is.

    Attributes:
        sentence: behind marks that close a sentence and need no space; the others are for a front end to judge.
        call: behind questions and calls, also where they close no sentence.
        clause: behind semicolons and their like, before brackets and dashes.
        comma: behind commas.
        conjunction: before conjunctions.
        space: between words, but not within a number.
    """

    def __init__(self, own: tuple[Language, ...], scripts: tuple[UnicodeScript, ...]) -> None:
        self._scripts = scripts
        rows = tuple(dict.fromkeys((*BUILT_IN, *own)))
        marks = tuple(dict.fromkeys(row.marks for row in rows))
        spaced, bare = ([one for one in marks if one.spaced is wanted] for wanted in (True, False))
        after = f"{_QUOTE_ENDS}?\\s+"
        closers = f"[{re.escape(CLOSERS)}]*"
        unspaced = _letters(scripts, WordBreaks.NONE)
        no_spaces = _any(one.sentence for one in bare)
        self._marks = frozenset("".join(one.sentence for one in marks) + ELLIPSIS)
        self._after_quotation = re.compile(
            "|".join(f"(?:{row.after_quotation})" for row in rows if row.after_quotation)
        )
        self.gap = re.compile(rf"\s+|(?<=[{no_spaces}…{re.escape(CLOSERS)}])(?=[^\s{no_spaces}…{re.escape(CLOSERS)}])")
        self.unspaced = re.compile(f"[{unspaced}]")
        self.sentence = _ends(f"[{no_spaces}]{closers}")
        self.call = _ends(f"[{_any(one.sentence.replace('.', '') for one in spaced)}{ELLIPSIS}]{closers}\\s+")
        self.clause = _ends(
            rf"[{_any(one.clause for one in spaced)}{_DASHES})\]]{after}",
            rf"\s(?=[(\[{_DASHES}])",
            f"[{_any(one.clause for one in bare)}]{closers}",
            f"——|……|(?<=[{unspaced}])…",
        )
        self.comma = _ends(
            f"[{_any(one.comma for one in marks)}]{after}",
            f"[{_any(one.comma for one in bare)}]{closers}",
            f",(?=[{unspaced}{_letters(scripts, WordBreaks.SUFFIXES)}])",
        )
        words = [re.escape(word) for row in own for word in row.conjunctions]
        self.conjunction = _ends(rf"\s(?=(?:{'|'.join(words)})\s)") if words else _nowhere
        self.space = _ends(r"(?<![\d.])\s(?=\S)|\s(?=[^\s\d])")

    def is_mark(self, character: str) -> bool:
        """Whether a character may close a sentence."""
        return character in self._marks

    def continues_sentence(self, following: str) -> bool:
        """Whether what follows a quotation that has just closed is of the same sentence."""
        return self._after_quotation.match(following) is not None

    def word(self, window: str) -> Iterable[int]:
        """Where words end in a script without spaces: as the language of the script says, else anywhere."""
        if self.unspaced.search(window) is None:
            return ()
        for script in sorted(self._scripts, key=HAN.__eq__):  # Han last: another script of the text tells more
            row = languages.default_language(script)
            if row.word_ends and script.pattern.search(window):
                ends: list[int] | None = call_hook(row, row.word_ends, window)
                if ends is not None:
                    return self._within(window, ends)
        return self._within(window, range(1, len(window)))

    def _within(self, window: str, ends: Iterable[int]) -> Iterator[int]:
        return (end for end in ends if window[end - 1].isalnum() and self.unspaced.match(window, end))


@lru_cache(maxsize=32)
def _cut_points(own: tuple[Language, ...], scripts: tuple[UnicodeScript, ...]) -> CutPoints:
    return CutPoints(own, scripts)


def _any(found: Iterable[str]) -> str:
    """Characters as they stand between the brackets of a regular expression."""
    return re.escape("".join(dict.fromkeys("".join(found))))


def _letters(scripts: Iterable[UnicodeScript], breaks: WordBreaks) -> str:
    return "".join(script.letters + script.everyday for script in scripts if script.breaks is breaks)


def _ends(*patterns: str) -> Cuts:
    """Where one of several patterns ends in a window."""
    pattern = re.compile("|".join(patterns))
    return lambda window: (found.end() for found in pattern.finditer(window))


def _nowhere(window: str) -> Iterable[int]:  # noqa: ARG001 - a window like any other
    return ()


# Whether there is something to read, and which marks close a sentence.


def sentence_rules(lang: str) -> SentenceRules:
    """What knows sentences of a mode: the front end of a language with Latin letters, or one for all scripts.

    Raises:
        TextError: unknown mode, or a language whose packages are missing.
    """
    mode = find_mode(lang)
    if mode.main is not None:
        load_frontend(mode.main)
    return load_frontend(mode.latin) if mode.is_whole else _MixedRules(mode)


class _MixedRules:
    """Sentences of texts in several scripts; it reads nothing itself."""

    def __init__(self, mode: LanguageMode) -> None:
        self._mode = mode
        self._codes = tuple(dict.fromkeys([*(row.code for row in BUILT_IN), *mode.languages]))

    def readable(self, text: str) -> bool:
        """Whether there is a letter, a character or a number of a script that some front end reads."""
        return any(character.isalnum() and not is_lost(character, self._codes) for character in text)

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: by the language before it, or that of Latin."""
        row = self._before(before)
        if row is not None and row.decides_full_stops:
            return load_frontend(row.code).ends_sentence(before, after)
        return before[-1:] != "." or load_frontend(self._mode.latin).ends_sentence(before, after)

    def _before(self, text: str) -> Language | None:
        """The language of the last letter, where it is no Latin one."""
        last = next((character for character in reversed(text) if character.isalpha()), "")
        script = next((script for script in languages.all_scripts() if script.pattern.fullmatch(last)), LATIN)
        return None if script == LATIN else LANGUAGES[self._mode.owner(script)]


# The official ways of cutting.

# What the methods make of a text:
#
#   cut0   A，B。C！D？E。F。            as it is
#   cut1   A，B。C！D？E。F。            four marks a piece, but the last boundary is forgotten: none before nine marks
#   cut2   A，B。C！D？E。F。            sentences until there are more than 50 characters
#   cut3   A，B|C！D？E|F                at 。, which goes
#   cut4   A，B。C！D？E。F。            at . between no digits, which goes
#   cut5   A，|B。|C！|D？|E。|F。        after each mark

MAX_CHARS = 510
"""Characters of a piece; longer ones are cut again at marks, where they have some."""

_SPLITTERS = "，。？！,.?!~:：—…"
_PLAIN_MARKS = frozenset("!?…,.- ")
_FINE_MARKS = frozenset(",.;?!、，。？！;：…")
_REPEATED = re.compile(r"([!?…,.\-])[!?…,.\-]+")
_MIN_FIRST_CHARS = 4
_MIN_CHARS = 5
_MARKS_PER_PIECE = 4
_CHARS_PER_PIECE = 50


def collapse_marks(text: str) -> str:
    """Runs of marks as their first."""
    return _REPEATED.sub(r"\1", text)


def cut_officially(text: str, method: str) -> str:
    """Pieces with line breaks between them. `method` is a key of `METHODS`."""
    return METHODS[method](text)


def official_pieces(text: str, method: str, *, is_english: bool) -> list[str]:
    """What the official program speaks one after the other (`TextPreprocessor.pre_seg_text`).

    A text that begins with less than four characters before its first mark gets a mark before it; pieces of less than
    five characters are joined; a piece without a mark at its end gets one.

    Raises:
        TextError: nothing but white space is left.
    """
    stop = "." if is_english else "。"
    text = text.strip("\n")
    if not text:
        return []
    if text[0] not in _SPLITTERS and len(re.split(f"[{_SPLITTERS}]", text, maxsplit=1)[0].strip()) < _MIN_FIRST_CHARS:
        text = stop + text
    found = re.sub("\n+", "\n", cut_officially(text, method)).split("\n")
    kept = [piece for piece in found if piece not in {"", " "}]
    if not kept:
        raise TextError("nothing to read is left after cutting", hint="give a text with words in it")
    closed = [
        piece if piece[-1] in _SPLITTERS else piece + stop for piece in _lengthened(kept) if re.search(r"\w", piece)
    ]
    return [part for piece in closed for part in (split_long(piece) if len(piece) > MAX_CHARS else [piece])]


def split_long(text: str) -> list[str]:
    """A text at its marks, in parts of at most `MAX_CHARS` characters where they allow it."""
    parts = [""]
    for stretch in re.split(f"([{_SPLITTERS}])", text):
        if len(parts[-1]) + len(stretch) > MAX_CHARS:
            parts.append(stretch)
        else:
            parts[-1] += stretch
    return parts if parts[-1] else parts[:-1]


def _lengthened(found: Sequence[str]) -> list[str]:
    """Short pieces joined to the next; a short end to the one before."""
    if len(found) < 2:
        return list(found)
    joined: list[str] = []
    held = ""
    for piece in found:
        held += piece
        if len(held) >= _MIN_CHARS:
            joined.append(held)
            held = ""
    if held and joined:
        joined[-1] += held
    return joined or [held]


def _sentences(text: str) -> list[str]:
    """Stretches that end with a mark; one is added at the end if there is none."""
    text = text.replace("……", "。").replace("——", "，")
    if not text:
        raise TextError("nothing to cut", hint="give a text with words in it")
    closed = text if text[-1] in _SPLITTERS else text + "。"
    return re.findall(f"[^{_SPLITTERS}]*[{_SPLITTERS}]", closed)


def _lines(found: Sequence[str], silent: frozenset[str] = _PLAIN_MARKS) -> str:
    """Pieces that hold more than marks, one a line."""
    return "\n".join(piece for piece in found if not silent.issuperset(piece))


def _whole(text: str) -> str:
    return "\n" if _PLAIN_MARKS.issuperset(text) else text


def _by_four(text: str) -> str:
    text = text.strip("\n")
    found = _sentences(text)
    starts = list(range(0, len(found), _MARKS_PER_PIECE))
    if len(starts) < 2:
        return _lines([text])
    ends = [*starts[1:-1], len(found)]
    return _lines(["".join(found[start:end]) for start, end in zip(starts[:-1], ends, strict=True)])


def _by_fifty(text: str) -> str:
    text = text.strip("\n")
    found = _sentences(text)
    if len(found) < 2:
        return text
    groups = [""]
    for sentence in found:
        if len(groups[-1]) > _CHARS_PER_PIECE:
            groups.append("")
        groups[-1] += sentence
    if len(groups) > 1 and len(groups[-1]) < _CHARS_PER_PIECE:
        groups[-2:] = [groups[-2] + groups[-1]]
    return _lines(groups)


def _by_full_stop(text: str) -> str:
    return _lines(text.strip("\n").strip("。").split("。"))


def _by_latin_full_stop(text: str) -> str:
    return _lines(re.split(r"(?<!\d)\.(?!\d)", text.strip("\n").strip(".")))


def _by_mark(text: str) -> str:
    text = text.strip("\n")
    parts = re.findall(r"(?:[^,.;?!、，。？！：…]|(?<=\d)\.(?=\d))*(?:[,.;?!、，。？！：…]|$)", text)
    return _lines(parts, _FINE_MARKS)


METHODS: dict[str, Callable[[str], str]] = {
    "cut0": _whole,
    "cut1": _by_four,
    "cut2": _by_fifty,
    "cut3": _by_full_stop,
    "cut4": _by_latin_full_stop,
    "cut5": _by_mark,
}
"""Name -> what cuts."""
