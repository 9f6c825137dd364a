"""What in a reading is a guess, or was left out: for people who check a text before it is spoken."""

from __future__ import annotations

from sovits_cli.text.guarded import asked
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.text.reading import Piece


def guessed(piece: Piece) -> tuple[str, ...]:
    """Words of a piece that no dictionary or rule of its language knows, each once."""
    row = LANGUAGES.get(piece.lang)
    words = dict.fromkeys(asked(row, row.guesses, piece.norm) if row and row.guesses else ())
    return tuple(word for word in words if word not in piece.given)
