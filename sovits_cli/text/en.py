"""English: the front end's two steps, put together. Stands in until the dictionary arrives: letters only."""

from __future__ import annotations

_LETTERS = {
    "a": "EY1", "b": "B IY1", "c": "S IY1", "d": "D IY1", "e": "IY1", "f": "EH1 F", "g": "JH IY1", "h": "EY1 CH", "i": "AY1",
    "j": "JH EY1", "k": "K EY1", "l": "EH1 L", "m": "EH1 M", "n": "EH1 N", "o": "OW1", "p": "P IY1", "q": "K Y UW1",
    "r": "AA1 R", "s": "EH1 S", "t": "T IY1", "u": "Y UW1", "v": "V IY1", "w": "D AH1 B AH0 L Y UW0", "x": "EH1 K S",
    "y": "W AY1", "z": "Z IY1",
}  # fmt: skip


class English:
    """The English front end."""

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""
        return text.lower() if not compat else text

    def phones(self, norm: str, *, compat: bool) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        phones: list[str] = []
        for character in norm.lower():
            if character in _LETTERS:
                phones += _LETTERS[character].split()
            elif character in "!?,.-":
                phones.append(character)
        return ([","] if len(phones) < 4 else []) + phones, None
