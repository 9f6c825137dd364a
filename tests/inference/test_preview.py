from pathlib import Path

import pytest

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.inference.language_support import ALL_LANGUAGES
from sovits_cli.inference.request import SynthesisOptions, SynthesisRequest, preview, synthesis_request
from sovits_cli.text.lexicon import EMPTY_LEXICON, parse_lexicon
from sovits_cli.text.reading import ReadingOptions
from sovits_cli.text.split import Sentence
from sovits_cli.text.utterances import MAX_PHONES
from sovits_cli.versions import VERSIONS, SymbolTable

BUNDLE = Bundle("v2", VERSIONS["v2"], Path("x"), Path("x"), None, None, "installed", "")


def seen(text, heard, lang="en", words=EMPTY_LEXICON, *, compat=False):
    settings = InferenceSettings(lang=lang, text_compat=compat)
    return preview(synthesis_request(text, BUNDLE, settings, words=words, support=ALL_LANGUAGES), heard)


def cut(sentences, heard):
    return preview(SynthesisRequest(sentences, "en", ReadingOptions(SymbolTable.V2), SynthesisOptions(1)), heard)


def test_what_will_be_said(heard):
    found = seen("Zorbifax has 2 [cats|K AE1 T S]. [pause 2s] 你好世界。", heard, "auto")
    assert [(sentence.text, sentence.pause_s) for sentence in found.sentences] == [
        ("Zorbifax has 2 cats.", 2.0),
        ("你好世界。", 0.0),
    ]
    english, chinese = (sentence.segments[0] for sentence in found.sentences)
    assert (english.lang, english.norm, english.guessed) == ("en", "Zorbifax has two cats .", ("Zorbifax",))
    assert " ".join(english.phones[-5:]) == "K AE1 T S ."
    assert (chinese.lang, chinese.text, " ".join(chinese.phones)) == ("zh", "你好世界。", "n i2 h ao3 sh ir4 j ie4 .")


def test_the_lexicon_holds(heard):
    words = parse_lexicon("en|Zorbifax|Z AO1", "x")
    assert seen("Zorbifax is here.", heard, words=words).sentences[0].segments[0].phones[:2] == ("Z", "AO1")


def test_the_official_reading(heard):
    assert seen("It is 5%.", heard, compat=True).sentences[0].segments[0].norm == "It is five percent."


def test_what_is_too_long_is_cut_as_for_speaking(heard):
    text = " ".join(["seven hundred and seventy seven thousand"] * 30)
    found = cut([Sentence(text, 0.5, True)], heard)
    assert len(found.sentences) > 2
    assert all(len(part.phones) <= MAX_PHONES for sentence in found.sentences for part in sentence.segments)
    assert found.sentences[-1].pause_s == 0.5


def test_what_cannot_be_read_is_named(heard):
    script = [Sentence("One.", 0.1), Sentence("☃", 0.1)]
    assert len(cut(script, heard).sentences) == 1
    assert [event.item for event in heard.events if isinstance(event, Skipped)] == ["'☃'"]
    with pytest.raises(TextError, match="nothing to read"):
        cut(script[1:], heard)
