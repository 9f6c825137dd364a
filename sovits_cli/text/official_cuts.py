"""The official ways of cutting a text, by name: cut0 to cut5, and what the official program does around them.

Facts of GPT-SoVITS `TTS_infer_pack/text_segmentation_method.py` (`cut0` to `cut5`, `split_big_text`) and
`TextPreprocessor.py` (`pre_seg_text`, `filter_text`), defects included: cut1 forgets its last boundary, cut3 and cut4
eat the marks they cut at, the pieces joined are not always the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sovits_cli.errors import TextError

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

_MARKS = "，。？！,.?!~:：—…"
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
    if text[0] not in _MARKS and len(re.split(f"[{_MARKS}]", text, maxsplit=1)[0].strip()) < _MIN_FIRST_CHARS:
        text = stop + text
    found = re.sub("\n+", "\n", cut_officially(text, method)).split("\n")
    kept = [piece for piece in found if piece not in {"", " "}]
    if not kept:
        raise TextError("nothing to read is left after cutting", hint="give a text with words in it")
    closed = [piece if piece[-1] in _MARKS else piece + stop for piece in _lengthened(kept) if re.search(r"\w", piece)]
    return [part for piece in closed for part in (split_long(piece) if len(piece) > MAX_CHARS else [piece])]


def split_long(text: str) -> list[str]:
    """A text at its marks, in parts of at most `MAX_CHARS` characters where they allow it."""
    parts = [""]
    for stretch in re.split(f"([{_MARKS}])", text):
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
    closed = text if text[-1] in _MARKS else text + "。"
    return re.findall(f"[^{_MARKS}]*[{_MARKS}]", closed)


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
