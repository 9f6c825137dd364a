"""What of a text a model cannot say: an error where it is all of it, a warning where it is a fragment."""

from types import SimpleNamespace

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.inference.language_support import (
    ALL_LANGUAGES,
    LanguageSupport,
    SupportedText,
    language_support,
    supported_text,
)
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.versions import RECOMMENDED, VERSIONS
from tests.differences import every_case

ENGLISH = LanguageSupport("mini", ("en",))
V1 = LanguageSupport("v1", ("zh", "en", "ja"))


@every_case("version", VERSIONS.values(), ids=lambda version: version.name)
def test_versions_speak_what_their_table_can_write(version):
    assert version.languages
    assert all(version.symbols in LANGUAGES[lang].tables for lang in version.languages)


def test_the_recommended_one_speaks_all():
    assert set(VERSIONS[RECOMMENDED].languages) == LANGUAGES.keys()


@every_case(
    ("text", "lang", "speaks", "said"),
    [
        ("你好世界。", "auto", ENGLISH, "mini does not speak Chinese: it knows English"),
        ("こんにちは 42。", "auto", ENGLISH, "mini does not speak Japanese: it knows English"),
        ("你好。\n안녕하세요。", "auto", ENGLISH, "mini does not speak Chinese and Korean"),
        ("Hello.", "zh", ENGLISH, "mini does not speak Chinese"),
        ("42", "all_ja", ENGLISH, "mini does not speak Japanese"),
        ("안녕하세요.", "auto", V1, "v1 does not speak Korean: it knows Chinese and English and Japanese"),
        ("早晨。", "auto_yue", V1, "v1 does not speak Cantonese"),
    ],
)
def test_a_whole_text_is_refused(text, lang, speaks, said):
    with pytest.raises(TextError, match=f"^{said}") as failure:
        supported_text(text, lang, speaks)
    assert (
        hint_for(failure.value) == f"sovits models pull {RECOMMENDED}, then the same again with --model {RECOMMENDED}"
    )


@every_case(
    ("text", "speaks", "lang", "left_out"),
    [
        ("Hello 你好, 5 and 再见.", ENGLISH, "en", Skipped("'你好' and 1 more", "mini does not speak Chinese")),
        ("你好, hello. 안녕.", V1, "auto", Skipped("'안녕'", "v1 does not speak Korean")),
    ],
)
def test_a_fragment_is_left_out_by_name(text, speaks, lang, left_out):
    assert supported_text(text, "auto", speaks) == SupportedText(lang, left_out=(left_out,))


@every_case(
    ("text", "speaks", "lang"),
    [
        ("Hello, it is 5 o'clock.", ENGLISH, "en"),
        ("42", ENGLISH, "en"),
        ("Hello Привет.", ENGLISH, "en"),
        ("你好 hello こんにちは", V1, "auto"),
        ("你好 hello 안녕", ALL_LANGUAGES, "auto"),
        ("", ENGLISH, "en"),
    ],
)
def test_nothing_to_tell(text, speaks, lang):
    assert supported_text(text, "auto", speaks) == SupportedText(lang)


def test_a_voice_of_ones_own_is_only_warned():
    bundle = SimpleNamespace(name="mine", version=VERSIONS["mini"], origin="trained")
    mine = language_support(bundle)
    assert supported_text("你好。", "auto", mine) == SupportedText(
        "auto", ("mine knows English: '你好' in Chinese is nonsense to it, unless it was trained on that",)
    )
    bundle.origin = "bundled"
    assert language_support(bundle).is_sure
