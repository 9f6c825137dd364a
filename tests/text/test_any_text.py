"""Texts drawn from every category of Unicode, read by every front end: read or refused in one line, never a crash."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections.abc import Iterator

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import characters, lexicon, reading, symbols, utterances
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.text.reading import guessed_words
from sovits_cli.text.split import split_sentences
from sovits_cli.versions import SymbolTable

FEW, MANY = 200, 10_000
"""Texts of a default run, a second or two in each language, and of the slow one, minutes."""

EVERYDAY = (
    "我有个不一了子年月日点号第，。！？：；“”「」食咗嘅あのんっーアヱ々가닭시개월aBkmé"
    ".,!?:;'-/%$€£￥°−+×=#@&()[]|~〜…— \n0123456789０９"
)


def by_category() -> dict[str, list[str]]:
    """All characters there can be, surrogates and unassigned ones too."""
    found: dict[str, list[str]] = {}
    for code in range(sys.maxunicode + 1):
        found.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    return found


def texts(count: int, seed: int) -> Iterator[str]:
    """Half of the characters are everyday ones, half are of any category, the small ones as often as the large."""
    categories = list(by_category().values())
    draw = random.Random(seed)
    for _ in range(count):
        length = draw.randint(1, 24)
        yield "".join(draw.choice(EVERYDAY if draw.random() < 0.5 else draw.choice(categories)) for _ in range(length))


def speak(text: str, lang: str, *, compat: bool) -> None:
    """All that becomes of a text before a model speaks it."""
    known = symbols.known(SymbolTable.V2)
    carrying = lexicon.encode_inline(utterances.strip_pauses(text), lang)[0]
    for piece in split_sentences(carrying, lang):
        for part in reading.read_for_speech(piece.text, lang, reading.ReadingOptions(SymbolTable.V2, compat)):
            assert compat or set(part.phones) <= known
            guessed_words(part)
            assert part.word2ph is None or sum(part.word2ph) == len(part.phones)


def crashes(found: Iterator[str], lang: str, *, compat: bool) -> list[tuple[str, str]]:
    failed = []
    for text in found:
        try:
            characters.unread_note(characters.unread_characters(text, lang))
            speak(text, lang, compat=compat)
        except TextError as error:
            if "\n" in error.message:
                failed.append((text, error.message))
        except Exception as error:  # noqa: BLE001 - the crashes that are looked for
            failed.append((text, repr(error)))
    return failed


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_any_text(lang, compat):
    assert crashes(texts(FEW, seed=1), lang, compat=compat) == []


@pytest.mark.slow
@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_ten_thousand_texts(lang, compat):
    assert crashes(texts(MANY, seed=2), lang, compat=compat) == []
