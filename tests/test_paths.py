from pathlib import Path

import pytest
import soundfile

from sovits_cli import paths
from sovits_cli.errors import UsageError
from sovits_cli.paths import TEXT_SUFFIX, VOICE_SUFFIX, example_names, resolve_example
from tests.differences import every_case


def test_what_there_is():
    assert example_names(VOICE_SUFFIX) == ["awb", "kal16", "rms", "slt"]
    assert example_names(TEXT_SUFFIX) == ["story"]


@every_case("name", example_names(VOICE_SUFFIX))
def test_every_voice_is_a_reference_with_its_words(name):
    path = resolve_example(f"builtin:{name}", VOICE_SUFFIX)
    assert 3 <= soundfile.info(path).duration <= 10
    assert path.with_suffix(TEXT_SUFFIX).read_text(encoding="utf-8").strip()


def test_the_story_has_a_few_hundred_words():
    assert 250 <= len(resolve_example("builtin:story", TEXT_SUFFIX).read_text(encoding="utf-8").split()) <= 400


def test_other_names_are_paths():
    assert resolve_example("builtin/slt.wav", VOICE_SUFFIX) == Path("builtin/slt.wav")


@every_case(("given", "suffix"), [("builtin:sltt", VOICE_SUFFIX), ("builtin:slt", TEXT_SUFFIX)])
def test_an_unknown_name_lists_the_known_ones(given, suffix):
    with pytest.raises(UsageError, match=f"no example is called {given}: there are builtin:") as error:
        resolve_example(given, suffix)
    assert error.value.hint == f"use builtin:{example_names(suffix)[0]}"


def test_a_package_without_examples_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "package_dir", lambda: tmp_path)
    with pytest.raises(UsageError, match="no example is called builtin:slt: there are none"):
        resolve_example("builtin:slt", VOICE_SUFFIX)
