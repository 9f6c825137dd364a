"""Numbers in Chinese words, as the official program says them; on digits in text, so of any length."""

from __future__ import annotations

DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_SPELLED = DIGITS | {"1": "幺"}
_UNITS = {8: "亿", 4: "万", 3: "千", 2: "百", 1: "十"}


def cardinal(digits: str) -> str:
    """一百零五 of "105"; zeros in front do not count."""
    said = "".join(_grouped(digits.lstrip("0"))) or DIGITS["0"]
    return said[1:] if said.startswith("一十") else said


def plain(digits: str) -> str:
    """Digit by digit, as in years: 二零二四."""
    return "".join(DIGITS[digit] for digit in digits)


def spelled(digits: str) -> str:
    """Digit by digit, as in telephone numbers, where 一 is 幺."""
    return "".join(_SPELLED[digit] for digit in digits)


def number(text: str) -> str:
    """A number with or without a decimal point. Of several zeros at the end one is said (official)."""
    whole, _, part = text.partition(".")
    said = cardinal(whole)
    if not part:
        return said
    kept = part.rstrip("0")
    return f"{said}点{plain(kept + '0' * (len(kept) < len(part)))}"


def _grouped(digits: str) -> list[str]:
    """Words of a group of digits: split at its largest unit, each side in the same way."""
    heard = digits.lstrip("0")
    if len(heard) <= 1:
        return [DIGITS["0"]] * (len(digits) > 1 and heard != "") + [DIGITS[digit] for digit in heard]
    power = next(power for power in _UNITS if power < len(heard))
    return [*_grouped(digits[:-power]), _UNITS[power], *_grouped(digits[-power:])]
