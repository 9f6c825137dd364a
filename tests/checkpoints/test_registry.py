"""The table of models to pull, and whether a file is what the table says."""

from __future__ import annotations

import json

import pytest

from sovits_cli.checkpoints.registry import REGISTRY, PinnedFile, PublishedPart, find_published, verify_published_file
from sovits_cli.errors import ModelError
from sovits_cli.versions import VERSIONS, DecoderKind
from tests.checkpoints import synthetic
from tests.differences import every_case


@every_case("row", REGISTRY.values())
def test_every_row_has_what_its_version_needs(row):
    version = VERSIONS[row.version]
    assert {"gpt", "sovits", "content", "bert"} <= row.parts.keys()
    assert ("speaker" in row.parts) == version.speaker_embedding
    assert ("vocoder" in row.parts) == (version.decoder.kind is DecoderKind.FLOW)
    assert ("discriminator" in row.parts) == (version.decoder.kind is DecoderKind.VITS)
    for part in row.parts.values():
        assert len({file.rpartition("/")[0] for file in part.files}) == 1, "the files of a part lie in one folder"
        assert ".." not in part.path


def test_every_official_version_can_be_pulled():
    assert {row.version for row in REGISTRY.values()} == {row.name for row in VERSIONS.values() if row.official}


def test_the_published_beginnings_are_known():
    """Of every SoVITS model: the table of the official program."""
    pins = {name: row.parts["sovits"].pin(row.parts["sovits"].path).head_md5 for name, row in REGISTRY.items()}
    assert all(pin is not None and len(pin) == 32 for pin in pins.values()), pins
    assert len(set(pins.values())) == len(pins)
    assert PublishedPart(("a",)).pin("a") == PinnedFile()


def test_an_unknown_model_is_named():
    assert find_published("v2") is REGISTRY["v2"]
    with pytest.raises(ModelError, match=f"no model to pull is called v9: there are {', '.join(REGISTRY)}"):
        find_published("v9")


def test_a_file_is_known_by_its_content(tmp_path):
    row, path = REGISTRY["v1"], tmp_path / "any.name"
    synthetic.write_gpt(path, synthetic.TINY_GPT)
    assert verify_published_file(path, row, "gpt", row.parts["gpt"].path) == "a GPT model"
    with pytest.raises(ModelError, match="is a GPT model: expected a SoVITS model"):
        verify_published_file(path, row, "sovits", row.parts["sovits"].path)
    path.write_text(json.dumps({"hidden_size": 1, "num_hidden_layers": 1}))
    with pytest.raises(ModelError, match="num_attention_heads is missing"):
        verify_published_file(path, row, "bert", "folder/config.json")
