"""A text to speak, checked before any network is loaded."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.inference.language_support import ALL_LANGUAGES, LanguageSupport
from sovits_cli.inference.request import synthesis_options, synthesis_request, transcript_lang
from sovits_cli.versions import VERSIONS, SamplingDefaults

NOWHERE = Path("nowhere")


def bundle(version="v2"):
    return Bundle(version, VERSIONS[version], NOWHERE, NOWHERE, None, None, "installed", "")


def request(text, lang="auto", *, version="v2", support=ALL_LANGUAGES, **said):
    settings = InferenceSettings(lang=lang, **said)
    return synthesis_request(text, bundle(version), settings, support=support)


def cut(found):
    return [sentence.text.strip() for sentence in found.sentences]


def test_a_request():
    found = request("Hello there, my friend. How are you today?", "en", seed=3)
    assert cut(found) == ["Hello there, my friend.", "How are you today?"]
    assert (found.lang, found.notes, found.left_out, found.options.seed) == ("en", (), (), 3)


def test_a_seed_is_drawn_where_none_is_given():
    assert request("Hello.").options.seed != request("Hello.").options.seed


def test_where_the_settings_say_nothing_the_version_does():
    version = replace(VERSIONS["v2"], sampling=SamplingDefaults(7, 0.5, 1.2))
    usual = synthesis_options(InferenceSettings(seed=1), version)
    assert (usual.top_k, usual.temperature, usual.repetition_penalty) == (7, 0.5, 1.2)
    said = InferenceSettings(seed=1, top_k=0, temperature=0.9, repetition_penalty=2.0, pause=0.7, batch_size=3)
    changed = synthesis_options(said, version)
    assert (changed.top_k, changed.temperature, changed.repetition_penalty) == (None, 0.9, 2.0)
    assert (changed.pause_factor, changed.batch_size) == (2.0, 3)


def test_what_cannot_be_spoken():
    for text, lang, said in (
        ("?!… --- .", "en", "nothing to read"),
        ("😀 🎉", "auto", "nothing to read"),
        ("Hello.", "klingon", "unknown language 'klingon'"),
        ("[pause 2h] Hi.", "auto", r"\[pause 2h\]"),
    ):
        with pytest.raises(TextError, match=said):
            request(text, lang)


def test_the_whole_text_tells_whose_its_han_characters_are():
    assert request("大丈夫。ありがとう。").lang == "auto_ja"
    assert request("这是东京。").lang == "auto"


def test_an_official_cut():
    text = "你好，世界。再见，朋友们。"
    assert cut(request(text, "zh", text_split_method="cut5")) == ["你好，世界。", "再见，朋友们。"]
    assert "".join(cut(request(text, "zh"))) == text


def test_short_sentences_share_an_utterance_where_the_model_can_say_both():
    text = "Hi. How are you today, my friend?"
    assert cut(request(text, "en")) == [text]
    assert cut(request(text, "en", version="mini")) == ["Hi.", "How are you today, my friend?"]


def test_what_is_lost_is_told():
    assert request("你好 Привет", "zh").notes == (
        "6 characters cannot be read and are left out: П (cyrillic capital letter pe) at 4,"
        " р (cyrillic small letter er) at 5,"
        " и (cyrillic small letter i) at 6, в (cyrillic small letter ve) at 7, е (cyrillic small letter ie) at 8"
        " and 1 others",
    )
    assert request("Hello.").notes == ()


def test_what_the_model_does_not_speak():
    english = LanguageSupport("mini", ("en",))
    assert request("[你好|HH AH0 L OW1]. [pause 1s]", support=english).notes == ()
    found = request("Hello 你好, my friend.", support=english)
    assert (found.lang, found.left_out) == ("en", (Skipped("'你好'", "mini does not speak Chinese"),))
    with pytest.raises(TextError, match="does not speak Chinese"):
        request("你好 [pause 1s]", support=english)


def test_a_transcript_is_read_in_its_own_language():
    found = {
        row: transcript_lang(row[1], row[2], row[0])
        for row in (
            ("en", "auto", "今天天气很好。"),
            ("zh", "auto", "What is said."),
            ("zh", "auto", "大丈夫。ありがとう。"),
            ("yue", "auto", "今天天气很好。"),
            ("yue", "zh", "今天天气很好。"),
            ("en", "auto", "42"),
            ("en", "ja", "What is said."),
        )
    }
    assert list(found.values()) == ["auto", "auto", "auto_ja", "auto_yue", "zh", "en", "ja"]


def test_checking_a_text_loads_no_torch_and_speaking_not_its_compiler():
    """That takes as long as all the rest."""
    code = (
        "import sys, sovits_cli.inference.request; print('torch' in sys.modules)\n"
        "import sovits_cli.inference.voice; print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
