"""How long a text is as it is spoken: what each character takes to say, in Latin letters. Knows no languages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sovits_cli.text.languages import scripts
from sovits_cli.text.scripts import UnicodeScript

_HEAVY = dict.fromkeys("0123456789", 4) | dict.fromkeys("%$£€¥@&#=+/×÷°½¼¾￥℃‰", 5)


def weights(stretch: str) -> Iterator[int]:
    """What each character costs; of several blanks in a row only the first counts, and none at the beginning."""
    ranges = _ranges(scripts())
    lightest = ranges[0][0]
    blank = True
    for character in stretch:
        if character.isspace():
            yield 0 if blank else 1
            blank = True
        else:
            yield _HEAVY.get(character) or (1 if character < lightest else _weight(character, ranges))
            blank = False


def _weight(character: str, ranges: tuple[tuple[str, str, int], ...]) -> int:
    """What a letter costs, by its script."""
    return next((weight for first, last, weight in ranges if first <= character <= last), 1)


@lru_cache(maxsize=32)
def _ranges(of: tuple[UnicodeScript, ...]) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted(found for script in of for found in script.weights))
