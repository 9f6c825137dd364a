"""How a word that no table knows is said. For now: letter by letter; the model follows."""

from __future__ import annotations

from sovits_cli.text import en_letters


def guess(word: str) -> list[str]:
    """Phones of an unknown word in lower case."""
    return en_letters.spell(word)
