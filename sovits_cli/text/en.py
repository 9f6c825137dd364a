"""English: the two steps of its front end, ours or the official program's."""

from __future__ import annotations

from sovits_cli.text import en_normal, en_official, en_words


class English:
    """The English front end. Its models take no text features, so characters are not related to phones."""

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""
        return en_official.normalise(text) if compat else en_normal.normalise(text)

    def phones(self, norm: str, *, compat: bool) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return en_official.phones(norm) if compat else en_words.phones(norm), None
