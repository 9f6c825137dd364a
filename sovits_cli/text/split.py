"""Long text to sentences that a model can say in one go. Interface first; the cutting rules follow."""

from __future__ import annotations

from dataclasses import dataclass

from sovits_cli.errors import TextError

MAX_CHARS = 200
"""Default limit of one sentence, in characters."""


@dataclass(frozen=True)
class Sentence:
    """A stretch of the text, white space included, and the pause to make after it.

    Args:
        text: the stretch exactly as it stands in the source: all of them joined give the source back.
        pause_s: silence after it, in seconds.
    """

    text: str
    pause_s: float


def sentences(text: str, lang: str, *, max_chars: int = MAX_CHARS) -> list[Sentence]:
    """Cut `text` into sentences of at most `max_chars` characters. Raises TextError when nothing can be read."""
    if not any(character.isalnum() for character in text):
        raise TextError(f"nothing to read in the text: expected words in {lang}", hint="check the file given with -t")
    return [Sentence(text[start : start + max_chars], 0.3) for start in range(0, len(text), max_chars)]
