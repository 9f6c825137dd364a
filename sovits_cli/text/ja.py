"""Japanese: the two steps of its front end, ours or the official program's. Phones carry marks of pitch."""

from __future__ import annotations

import re

from sovits_cli.text import ja_labels, ja_normal, ja_official
from sovits_cli.versions import SymbolTable

_CLOSERS = "」』）)〉》】"
_MARKS = re.compile(f"[{ja_normal.KEPT_MARKS}]+")
_PART = re.compile(rf"[^{ja_normal.KEPT_MARKS} ]+|[{ja_normal.KEPT_MARKS}]")


class Japanese:
    """The Japanese front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is kana, a kanji, a letter or a digit."""
        return re.search(r"\w", ja_normal.normalise(text)) is not None

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: not before a bracket, nor in 「…？」と."""
        if after[:1] in _CLOSERS and after:
            return False
        return not (before[-1:] in _CLOSERS and after[:1] in "とって") and not before.rstrip(".").isdigit()

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out dates, times, money and signs; drop what cannot be read."""
        return ja_official.normalise(text) if compat else ja_normal.normalise(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - what a table lacks is replaced afterwards
        *,
        compat: bool,
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return ja_official.phones(norm) if compat else _phones(norm), None


def guesses(norm: str) -> list[str]:
    """Stretches of a normalised text that Open JTalk leaves out."""
    parts = _MARKS.split(norm)  # a text of any length, of which OpenJTalk takes only so much
    found = (word for part in parts if part for word in ja_labels.unread(part))
    return [word for word in found if any(character.isalnum() for character in word)]


def _phones(norm: str) -> list[str]:
    """Phones of a text from `ja_normal.normalise`; a pause inside a telephone number is a comma."""
    found: list[str] = []
    for part in _PART.findall(norm):
        if part in ja_normal.KEPT_MARKS:
            found.append(ja_official.MARKS.get(part, part))
        else:
            found += ["," if phone == ja_labels.PAUSE else phone for phone in ja_labels.phones(part)]
    return found
