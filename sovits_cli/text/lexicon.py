"""A lexicon: words and how they are read, one `language|word|phones or respelling` a line; "#" begins a comment.

An entry holds for text of its language: whole words where the language puts spaces between them, else anywhere. Of
several that fit, the longest is taken. What it costs to look words up grows with the text, not with the entries.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sovits_cli.errors import TextError
from sovits_cli.text import pronunciation, segment
from sovits_cli.text.languages import language, scripts
from sovits_cli.text.scripts import UnicodeScript, WordBreaks

_FIELDS = 3


@dataclass(frozen=True)
class Lexicon:
    """Entries by language: word as written -> what stands for it in a text.

    Args:
        entries: of each language.
        key: digest of all entries.
    """

    entries: Mapping[str, Mapping[str, str]]
    key: str = field(init=False)
    _indices: Mapping[str, _Index] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        written = repr(sorted((lang, sorted(words.items())) for lang, words in self.entries.items()))
        digest = hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16)
        object.__setattr__(self, "key", digest.hexdigest())
        object.__setattr__(self, "_indices", {lang: _Index.of(words) for lang, words in self.entries.items()})

    def applied(self, text: str, how: segment.Mode) -> str:
        """A text whose words carry the phones of their entries, or are respelled."""
        if not self.entries:
            return text
        return "".join(self._applied(run) for run in segment.runs(text, how))

    def _applied(self, run: segment.Run) -> str:
        index = self._indices.get(run.lang)
        if index is None:
            return run.text
        parts = (index.replaced(part) if is_free else part for part, is_free in pronunciation.outside(run.text))
        return "".join(parts)


@dataclass(frozen=True)
class _Index:
    """The words of one language, found by their first letters: of "New York" and "new" it holds n -> (8, 3).

    Args:
        values: word in small letters -> what stands for it.
        lengths: first letter of a word in small letters -> how long the words are that begin so, the longest first.
    """

    values: Mapping[str, str]
    lengths: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, words: Mapping[str, str]) -> _Index:
        """Make it, in time proportional to the words."""
        lengths: dict[str, set[int]] = {}
        for word in words:
            lengths.setdefault(word[0].casefold(), set()).add(len(word))
        return cls(
            {word.casefold(): value for word, value in words.items()},
            {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()},
        )

    def replaced(self, text: str) -> str:
        """A text with what stands for its words."""
        return "".join(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[str]:
        start = place = 0
        while place < len(text):
            end = self._end(text, place)
            if end:
                yield text[start:place]
                yield self.values[text[place:end].casefold()]
                start = end
            place = end or place + 1
        yield text[start:]

    def _end(self, text: str, place: int) -> int:
        """Where the longest word ends that begins at `place`; 0 where none does."""
        lengths = self.lengths.get(text[place].casefold(), ())
        if not lengths or _goes_on(text, place):
            return 0
        ends = (place + length for length in lengths if place + length <= len(text))
        return next((end for end in ends if not _goes_on(text, end) and text[place:end].casefold() in self.values), 0)


def _goes_on(text: str, place: int) -> bool:
    """Whether `place` is within a word of a script with spaces between its words."""
    return 0 < place < len(text) and all(map(_spaced_letter(scripts()).match, text[place - 1 : place + 1]))


@lru_cache(maxsize=32)
def _spaced_letter(of: tuple[UnicodeScript, ...]) -> re.Pattern[str]:
    """A letter of a script whose words nothing follows directly."""
    others = "".join(script.letters for script in of if script.breaks is not WordBreaks.SPACES)
    return re.compile(rf"[^\W\d_{others}]")


EMPTY = Lexicon({})


def read(path: Path) -> Lexicon:
    """Read a lexicon. Raises TextError: it cannot be read, or a line is none; the message names the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8 at byte {error.start}", hint=f"save {path.name} as UTF-8") from error
    except OSError as error:
        raise TextError(
            f"cannot read the lexicon {path}: {error.strerror}", hint="--lexicon FILE, or text.lexicon in sovits.yaml"
        ) from error
    return parsed(text, str(path))


def parsed(text: str, source: str) -> Lexicon:
    """The lexicon in a text; `source` names it in messages. Raises TextError."""
    entries: dict[str, dict[str, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stated = line.partition("#")[0].strip()
        if not stated:
            continue
        fields = [field.strip() for field in stated.split("|")]
        if len(fields) != _FIELDS or not all(fields):
            raise TextError(
                f"{source} line {number} is no entry: {stated!r}",
                hint="language|word|phones or respelling, as in: en|kubectl|kube control",
            )
        code, word, value = fields
        try:
            lang = language(code.lower()).code
            entries.setdefault(lang, {})[word] = pronunciation.said(word, value, [lang])
        except TextError as error:
            raise TextError(f"{source} line {number}: {error.message}", **error.advice) from error
    return Lexicon(entries)
