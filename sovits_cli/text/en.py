"""English: the two steps of its front end, ours or the official program's."""

from __future__ import annotations

from sovits_cli.text import en_abbreviations, en_clean, en_normal, en_official, en_words
from sovits_cli.versions import SymbolTable


class English:
    """The English front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is a letter or a digit that English can read."""
        return any(character.isalnum() for character in en_clean.clean(text))

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: not before a small letter, nor in "Dr."."""
        if after[:1].islower():
            return False
        return before[-1:] != "." or en_abbreviations.dot_ends_sentence(before, after)

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""
        return en_official.normalise(text) if compat else en_normal.normalise(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - English is the same in all of them
        *,
        compat: bool,
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return en_official.phones(norm) if compat else en_words.phones(norm), None
