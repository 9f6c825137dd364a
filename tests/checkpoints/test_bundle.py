"""What a model is made of, and whose a pulled file is."""

from __future__ import annotations

import json

import pytest

from sovits_cli import paths
from sovits_cli.checkpoints.bundle import (
    BrokenModelError,
    Bundle,
    broken_pulled_model,
    models_using,
    naming_pulled_model,
    pulled_files_dir,
    read_json_object,
)
from sovits_cli.errors import ModelError
from sovits_cli.versions import VERSIONS
from tests.differences import every_case


def test_parts_and_sizes(tmp_path):
    gpt, folder = tmp_path / "gpt", tmp_path / "bert"
    folder.mkdir()
    gpt.write_bytes(bytes(10))
    (folder / "a").write_bytes(bytes(5))
    (folder / "b").write_bytes(bytes(7))
    bundle = Bundle("x", VERSIONS["v2"], gpt, gpt, None, folder, "files", "", speaker=folder)
    assert bundle.parts == (gpt, folder)
    assert bundle.size_bytes == 22
    assert bundle.speaks


def test_a_family_with_an_encoder_only_does_not_speak(tmp_path):
    content = tmp_path / "content"
    assert not Bundle("x", VERSIONS["mini"], content, content, content, None, "installed", "").speaks


def installed(name, **files):
    folder = paths.models_dir() / name
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"name": name, **files}))


def test_whose_a_file_is():
    file = pulled_files_dir() / "hubert" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    installed("one", content="../files/hubert")
    installed("two", gpt="../files/hubert/config.json")
    installed("three", gpt="../files/other")
    (paths.models_dir() / "broken").mkdir()
    (paths.models_dir() / "broken" / "model.json").write_text("{")
    assert models_using(file) == ["broken", "one", "two"]
    assert models_using(pulled_files_dir() / "nobody") == ["broken"]


def test_a_broken_pulled_file_is_named_by_its_model(tmp_path):
    file = pulled_files_dir() / "a"
    installed("one", gpt="../files/a")
    with (
        pytest.raises(BrokenModelError, match="the pulled model one is broken: it is cut") as caught,
        naming_pulled_model(file),
    ):
        raise ModelError("it is cut")
    assert caught.value.why == "it is cut"
    with pytest.raises(ModelError, match=r"^it is cut$"), naming_pulled_model(tmp_path / "a"):
        raise ModelError("it is cut")
    assert broken_pulled_model(tmp_path / "a", "x") is None


@every_case("text, reason", [("{", "cannot be read"), ("[1]", "is no JSON object"), ("[" * 200_000, "nested too deep")])
def test_what_is_no_json_object(tmp_path, text, reason):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=reason):
        read_json_object(path)
