"""Where words of a Japanese text end: before Han characters and katakana that follow hiragana. Knows no dictionary."""

from __future__ import annotations

import re

_HIRAGANA = re.compile("[ぁ-ん]")
_END = re.compile("(?<=[ぁ-ん])(?=[ァ-ヺ一-鿿])")


def ends(text: str) -> list[int] | None:
    """Where words end, in order; None for a stretch without hiragana, which may be Chinese."""
    if _HIRAGANA.search(text) is None:
        return None
    return [found.end() for found in _END.finditer(text)]
