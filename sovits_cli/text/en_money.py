"""English sums of money in words."""

from __future__ import annotations

import re

from sovits_cli.text import en_numbers as numbers
from sovits_cli.text.wordlists import pairs

_MAGNITUDES = pairs(
    "k=thousand K=thousand m=million M=million mn=million b=billion B=billion bn=billion T=trillion tn=trillion "
    "hundred=hundred thousand=thousand million=million billion=billion trillion=trillion"
)
_MAGNITUDE = "|".join(sorted(_MAGNITUDES, key=len, reverse=True))
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "¢": ("cent", "cents", "", ""),
    "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
}
_DOLLARS = {"US": "U S ", "A": "Australian ", "C": "Canadian ", "NZ": "New Zealand ", "HK": "Hong Kong "}
_SIGN = r"[$£€¥₹₩₽]"
_BEFORE = re.compile(
    rf"(-?)(?:\b({'|'.join(_DOLLARS)}))?({_SIGN})\s?(-?)({numbers.WRITTEN})"
    rf"(?:\s?[-–]\s?{_SIGN}?({numbers.WRITTEN}))?(?:[\s-]?({_MAGNITUDE})\b)?"
)
_AFTER = re.compile(rf"(?<![\d.,])({numbers.WRITTEN})(?:\s?({_MAGNITUDE}))?\s?({_SIGN}|¢|(?:USD|EUR|GBP)\b)")


def spoken(text: str) -> str:
    """`text` with its sums of money in words, the sign before or after the number."""
    text = _BEFORE.sub(_sign_first, text)
    return _AFTER.sub(lambda sum_: _sum(sum_[1], _MAGNITUDES.get(sum_[2] or "", ""), _CURRENCIES[sum_[3]]), text)


def _sign_first(found: re.Match[str]) -> str:
    one, many, part, parts = _CURRENCIES[found[3]]
    prefix = _DOLLARS.get(found[2] or "", "")
    said = _sum(found[5], _MAGNITUDES.get(found[7] or "", ""), (prefix + one, prefix + many, part, parts), found[6])
    return f"negative {said}" if found[1] or found[4] else said


def _sum(amount: str, magnitude: str, names: tuple[str, str, str, str], upper: str | None = None) -> str:
    one, many, part, parts = names
    if upper:
        return " ".join(filter(None, [numbers.written(amount), "to", numbers.written(upper), magnitude, many]))
    whole, _, fraction = amount.replace(",", "").partition(".")
    if magnitude or not part or len(fraction) not in {0, 1, 2}:
        return " ".join(
            filter(None, [numbers.written(amount), magnitude, one if amount == "1" and not magnitude else many])
        )
    units, rest = int(whole or "0") if len(whole) <= numbers.MAX_DIGITS else 0, int(fraction.ljust(2, "0"))
    said = [f"{numbers.written(whole)} {one if units == 1 else many}"] if units or not rest else []
    said += [f"{numbers.cardinal(rest)} {part if rest == 1 else parts}"] if rest else []
    return " and ".join(said)
