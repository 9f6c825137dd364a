"""How a text says that its words are read: phones in the text itself, and a lexicon.

`[Xiomara|Z IY0 OW0 M AA1 R AH0]` and `[重庆|chong2 qing4]` bring phones, `[Xiomara|see oh mara]` a respelling, which
replaces its word. Phones travel in the text, as private characters behind the word they are of, so that whatever cuts
or segments the text keeps both together:

    "Hi [Ann|AE1 N]!"  ->  "Hi \U000f0ffeAnn\U000f0006\U000f0035!"      U+F0FFE, the word, U+F0000 + id of each phone

A lexicon is a file with one `language|word|phones or respelling` a line; "#" begins a comment. An entry holds for text
of its language: whole words where the language puts spaces between them, else anywhere. Of several that fit, the
longest is taken. What it costs to look words up grows with the text, not with the entries.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sovits_cli.errors import TextError
from sovits_cli.text import symbols
from sovits_cli.text.frontend import call_hook, excerpt
from sovits_cli.text.language import UnicodeScript, WordBreaks
from sovits_cli.text.languages import LANGUAGES, all_scripts, find_language
from sovits_cli.text.segment import LanguageMode, LanguageRun, find_mode, language_runs
from sovits_cli.versions import SymbolTable

_ALL = SymbolTable.V2
"""The larger table, of which the other is the beginning."""

_FIRST = 0xF0000
_OPEN = "\U000f0ffe"
_PRIVATE = re.compile("[\U000f0000-\U000f0fff]")
_CARRIED = re.compile(f"{_OPEN}([^\U000f0000-\U000f0fff]*)([\U000f0000-\U000f0eff]+)")  # a word and its phones
# [Ann|AE1 N], [重庆|chong2 qing4], [kubectl|kube control]
_INLINE = re.compile(r"\[([^\[\]|\n]{1,100})\|([^\[\]|\n]{1,500})\]")
_TONED = re.compile(r"[a-zü]+\d")  # chong2


@dataclass(frozen=True)
class GivenWord:
    """A word and the phones that were given for it."""

    word: str
    phones: tuple[str, ...]


Parts = tuple[str | GivenWord, ...]
"""A run of one language: text to be read, and words whose phones were given, in order."""


def encode_inline(text: str, lang: str) -> tuple[str, Sequence[int]]:
    """Let each `[word|…]` of a text carry its phones, or respell it.

    Args:
        text: as it was typed.
        lang: the mode it is read in; phones are those of the word's language, else of any that has them all.

    Returns:
        The text, and where each of its characters stands in the one given: one position more than it has characters.

    Raises:
        TextError: something that looks like phones is none.
    """
    mode = find_mode(lang)
    kept: Sequence[int] = range(len(text) + 1)
    if _PRIVATE.search(text):
        kept = [*(position for position, sign in enumerate(text) if not _PRIVATE.match(sign)), len(text)]
        text = _PRIVATE.sub("", text)
    parts: list[str] = []
    positions = array("L")
    end = 0
    for found in _INLINE.finditer(text):
        encoded = encode_pronunciation(found[1], found[2], _languages_of(found[1], mode))
        parts += [text[end : found.start()], encoded]
        positions.extend([*kept[end : found.start()], *[kept[found.start()]] * len(encoded)])
        end = found.end()
    if not parts:
        return text, kept
    positions.extend(kept[end:])
    return "".join([*parts, text[end:]]), positions


def strip_inline(text: str) -> str:
    """Text as it was typed, without words whose phones it gives; a respelling in another script stays."""
    return _INLINE.sub(lambda found: " " if found[2].isascii() else found[2], text)


def encode_pronunciation(word: str, value: str, languages: Sequence[str]) -> str:
    """What stands for a word in a text: the word with the phones of `value`, or `value` as a respelling.

    Args:
        word: as it is written.
        value: phones, syllables of pinyin or jyutping, or words.
        languages: whose phones they may be; the first fits best.

    Raises:
        TextError: `value` is syllables or mostly phones of the first language, but not all of them exist.
    """
    tokens = value.split()
    for lang in languages:
        phones = [_phones(token, lang) for token in tokens]
        if phones and all(phones):
            return _carried(word, [phone for each in phones for phone in each])
    first = find_language(languages[0])
    unknown = [token for token in tokens if not _phones(token, first.code)]
    if first.syllables and tokens and all(map(_TONED.fullmatch, tokens)):
        raise TextError(
            f"{unknown[0]!r} is no syllable of {first.syllables.name}, in {excerpt(value)} for {excerpt(word)}",
            hint=f"a syllable and its tone, as in {first.syllables.example}; or respell the word in other characters",
        )
    if tokens and 2 * len(unknown) < len(tokens):
        raise TextError(
            f"{unknown[0]!r} is no phone of {first.name}, in {excerpt(value)} for {excerpt(word)}",
            hint=f"phones of {first.name} are {' '.join(sorted(first.phones)[:12])} …; "
            "or respell the word in ordinary letters",
        )
    return value


def strip_phones(text: str) -> str:
    """Text as people read it: without the phones that it carries."""
    return _PRIVATE.sub("", text)


def has_given_phones(text: str) -> bool:
    """Whether some word of the text carries its phones."""
    return _CARRIED.search(text) is not None


def split_at_given_words(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a text in order, and whether each is outside of words that carry their phones."""
    end = 0
    for found in _CARRIED.finditer(text):
        yield text[end : found.start()], True
        yield found[0], False
        end = found.end()
    yield text[end:], True


def run_parts(runs: Sequence[LanguageRun]) -> list[tuple[str, Parts]]:
    """The language and the parts of each run of a text; a word with its phones is in the run in which it ends."""
    words = list(_CARRIED.finditer("".join(run.text for run in runs)))
    found: list[tuple[str, Parts]] = []
    start = 0
    for run in runs:
        end = start + len(run.text)
        parts = tuple(_parts(run.text, start, words))
        if parts or not run.text:
            found.append((run.lang, parts))
        start = end
    return found


def _parts(text: str, start: int, words: Sequence[re.Match[str]]) -> Iterator[str | GivenWord]:
    """Parts of one run, which begins at `start` of all the text."""
    position, end = start, start + len(text)
    for word in words:
        if word.end() <= start or word.start() >= end:
            continue
        if plain := _PRIVATE.sub("", text[position - start : max(position, word.start()) - start]):
            yield plain
        position = min(word.end(), end)
        if word.end() <= end:
            table = symbols.table(_ALL)
            yield GivenWord(word[1], tuple(table[ord(sign) - _FIRST] for sign in word[2]))
    if plain := _PRIVATE.sub("", text[position - start :]):
        yield plain


def _carried(word: str, phones: Sequence[str]) -> str:
    """A word with its phones behind it. A space in it would let it be cut."""
    return _OPEN + "".join(word.split()) + "".join(chr(_FIRST + number) for number in symbols.ids(phones, _ALL))


def _phones(token: str, lang: str) -> tuple[str, ...]:
    """One phone, or those of a syllable; none if it is neither."""
    row = find_language(lang)
    if token in row.phones or token in symbols.PUNCTUATION:
        return (token,)
    return (call_hook(row, row.syllables.to_phones, token) if row.syllables else None) or ()


def _languages_of(word: str, mode: LanguageMode) -> list[str]:
    """The languages whose phones a word may be given in; first that of its script."""
    own = [run.lang for run in reversed(language_runs(word, mode)) if run.lang in LANGUAGES]
    return list(dict.fromkeys([*own, *([mode.main] if mode.main else LANGUAGES)]))


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

    def runs(self, text: str, mode: LanguageMode) -> list[LanguageRun]:
        """Runs of a text whose words carry the phones of their entries, or are respelled.

        The text is segmented once, and again only where that changes it: a respelling may be in another script.
        """
        runs = language_runs(text, mode)
        if not self.entries:
            return runs
        plain, changed = "".join(run.text for run in runs), "".join(map(self._run, runs))
        return runs if changed == plain else language_runs(changed, mode)

    def text(self, text: str, mode: LanguageMode) -> str:
        """A text whose words carry the phones of their entries, or are respelled."""
        return "".join(map(self._run, language_runs(text, mode))) if self.entries else text

    def _run(self, run: LanguageRun) -> str:
        index = self._indices.get(run.lang)
        if index is None:
            return run.text
        return "".join(index.replaced(part) if is_free else part for part, is_free in split_at_given_words(run.text))


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
        start = position = 0
        while position < len(text):
            end = self._end(text, position)
            if end:
                yield text[start:position]
                yield self.values[text[position:end].casefold()]
                start = end
            position = end or position + 1
        yield text[start:]

    def _end(self, text: str, position: int) -> int:
        """Where the longest word ends that begins at `position`; 0 where none does."""
        lengths = self.lengths.get(text[position].casefold(), ())
        if not lengths or _goes_on(text, position):
            return 0
        ends = (position + length for length in lengths if position + length <= len(text))
        return next(
            (end for end in ends if not _goes_on(text, end) and text[position:end].casefold() in self.values), 0
        )


def _goes_on(text: str, position: int) -> bool:
    """Whether `position` is within a word of a script with spaces between its words."""
    return 0 < position < len(text) and all(map(_spaced_letter(all_scripts()).match, text[position - 1 : position + 1]))


@lru_cache(maxsize=32)
def _spaced_letter(of: tuple[UnicodeScript, ...]) -> re.Pattern[str]:
    """A letter of a script whose words nothing follows directly."""
    others = "".join(script.letters for script in of if script.breaks is not WordBreaks.SPACES)
    return re.compile(rf"[^\W\d_{others}]")


EMPTY_LEXICON = Lexicon({})


def load_lexicon(path: Path) -> Lexicon:
    """Read a lexicon. Raises TextError: it cannot be read, or a line is none; the message names the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is not UTF-8 at byte {error.start}", hint=f"save {path.name} as UTF-8") from error
    except OSError as error:
        raise TextError(
            f"cannot read the lexicon {path}: {error.strerror}",
            code="text.lexicon_unreadable",
            fields={"path": path},
        ) from error
    return parse_lexicon(text, str(path))


def parse_lexicon(text: str, source: str) -> Lexicon:
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
            lang = find_language(code.lower()).code
            entries.setdefault(lang, {})[word] = encode_pronunciation(word, value, [lang])
        except TextError as error:
            raise TextError(f"{source} line {number}: {error.message}", **error.advice) from error
    return Lexicon(entries)
