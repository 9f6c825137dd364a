import pytest

from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.inference.preview import preview
from sovits_cli.inference.request import InferInputs, Script, check_text
from sovits_cli.inference.script import MAX_PHONES
from sovits_cli.text.lexicon import EMPTY_LEXICON, parse_lexicon
from sovits_cli.text.split import Sentence
from sovits_cli.versions import SymbolTable


def seen(text, heard, lang="en", words=EMPTY_LEXICON, **how):
    script = check_text(InferInputs(None, None, text, None, "out.wav", None), lang)
    return preview(script, SymbolTable.V2, words, heard, compat=how.get("compat", False))


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
    found = preview(Script([Sentence(text, 0.5, True)], "en", ()), SymbolTable.V2, EMPTY_LEXICON, heard, compat=False)
    assert len(found.sentences) > 2
    assert all(len(part.phones) <= MAX_PHONES for sentence in found.sentences for part in sentence.segments)
    assert found.sentences[-1].pause_s == 0.5


def test_what_cannot_be_read_is_named(heard):
    script = Script([Sentence("One.", 0.1), Sentence("☃", 0.1)], "en", ())
    assert len(preview(script, SymbolTable.V2, EMPTY_LEXICON, heard, compat=False).sentences) == 1
    assert [event.item for event in heard.events if isinstance(event, Skipped)] == ["'☃'"]
    with pytest.raises(TextError, match="nothing to read"):
        preview(Script(script.sentences[1:], "en", ()), SymbolTable.V2, EMPTY_LEXICON, heard, compat=False)
