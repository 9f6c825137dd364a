"""A lexicon: words and how they are read, one `language|word|phones or respelling` a line; "#" begins a comment.

An entry holds for text of its language: whole words where the language puts spaces between them, else anywhere. Of
several that fit, the longest is taken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sovits_cli.errors import TextError
from sovits_cli.text import pronunciation, segment
from sovits_cli.text.frontend import language

_FIELDS = 3
_LETTER = "[^\\W\\d_\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
"""A letter of a script with spaces between its words."""


@dataclass(frozen=True)
class Lexicon:
    """Entries by language: word as written -> what stands for it in a text."""

    entries: Mapping[str, Mapping[str, str]]

    def applied(self, text: str, how: segment.Mode) -> str:
        """A text whose words carry the phones of their entries, or are respelled."""
        if not self.entries:
            return text
        return "".join(self._applied(run) for run in segment.runs(text, how))

    @cached_property
    def key(self) -> str:
        """Digest of all entries."""
        written = repr(sorted((lang, sorted(words.items())) for lang, words in self.entries.items()))
        return hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def _applied(self, run: segment.Run) -> str:
        pattern = self._patterns.get(run.lang)
        if pattern is None:
            return run.text
        words = self.entries[run.lang]
        by_key = {word.casefold(): value for word, value in words.items()}
        parts = (
            pattern.sub(lambda found: by_key.get(found[0].casefold(), found[0]), part) if is_free else part
            for part, is_free in pronunciation.outside(run.text)
        )
        return "".join(parts)

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {lang: _pattern(words) for lang, words in self.entries.items()}


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
            raise TextError(f"{source} line {number}: {error.message}", hint=error.hint) from error
    return Lexicon(entries)


def _pattern(words: Mapping[str, str]) -> re.Pattern[str]:
    """Any of the words; one that begins or ends with a letter of a spaced script does not go on there."""
    options = []
    for word in sorted(words, key=len, reverse=True):
        before = rf"(?<!{_LETTER})" if re.match(_LETTER, word) else ""
        after = rf"(?!{_LETTER})" if re.search(rf"{_LETTER}\Z", word) else ""
        options.append(f"{before}{re.escape(word)}{after}")
    return re.compile("|".join(options), re.IGNORECASE)
