"""Korean: the two steps of its front end, ours or the official program's. Phones are simple letters of Hangul."""

from __future__ import annotations

import re

from sovits_cli.text import ko_normal, ko_official
from sovits_cli.versions import SymbolTable


class Korean:
    """The Korean front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is Hangul, a Latin letter or a digit."""
        return re.search(r"\w", ko_normal.normalise(text)) is not None

    def ends_sentence(self, before: str, after: str) -> bool:  # noqa: ARG002 - small letters mean nothing here
        """Whether the mark at the end of `before` closes a sentence: not after the number of a list item."""
        return not before.strip().rstrip(".").isdigit()

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, units and signs; drop what cannot be read."""
        return ko_official.normalise(text) if compat else ko_normal.normalise(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - only the larger one can write Korean
        *,
        compat: bool,  # noqa: ARG002 - the difference is in the normalised text
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return ko_official.phones(norm), None
