from importlib.util import find_spec

import pytest

from sovits_cli.text import en_lexicon, reading
from sovits_cli.text.reading import guessed_words
from sovits_cli.versions import SymbolTable
from tests.differences import every_case


def guesses(text, lang):
    return [guessed_words(piece) for piece in reading.read_text(text, lang, SymbolTable.V2).pieces]


def test_english_words_that_only_the_network_reads():
    assert guesses("Hello zorbifax, the Zorbifax's rainfall, NASA and vwxk.", "en") == [("zorbifax", "Zorbifax's")]
    assert guesses("Hello there.", "en") == [()]


WORDS = (
    "hello a unhelloable sooo nlp don't twenty-one sunflowerbed zorbifax zorbifax's twenty-zorbifax vwxk rainfall "
    "quorblins quorbling chatgpt zzz goooood unquorblable"
)


@every_case("word", WORDS.split())
def test_a_guess_is_what_the_network_is_asked_for(word, monkeypatch):
    asked = []
    monkeypatch.setattr(en_lexicon, "guess_phones", lambda part: asked.append(part) or ["AH0"])
    en_lexicon._phones.cache_clear()
    en_lexicon.word_phones(word)
    en_lexicon._phones.cache_clear()
    assert en_lexicon.is_guessed_word(word) is bool(asked)


@pytest.mark.skipif(find_spec("pyopenjtalk") is None, reason="sovits[ja] is not installed")
def test_japanese_characters_without_a_sound():
    assert guesses("今日は、々です。", "ja") == [("々",)]
