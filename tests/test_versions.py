"""The table of versions, and what a new kind of decoder touches."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from sovits_cli.checkpoints.inspection import verify_model
from sovits_cli.checkpoints.networks import DECODER_PLANS, plan_vits
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.inference.acoustic import ACOUSTICS
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.training.setup import DECODERS
from sovits_cli.versions import RECOMMENDED, VERSIONS, DecoderKind, DecoderTraits, FlowTraits, version
from tests import source
from tests.checkpoints import synthetic
from tests.differences import every_case

KIND_TABLES = {"checkpoints/networks.py", "inference/acoustic.py", "training/setup.py"}
"""Where a kind of decoder becomes code. With its row in `versions.py`, four places: a third kind touches these."""


def test_an_unknown_version_is_named():
    assert version("v2") is VERSIONS["v2"]
    assert RECOMMENDED in VERSIONS
    with pytest.raises(
        ModelError, match=f"unknown model version 'v9': expected one of {', '.join(VERSIONS)}"
    ) as caught:
        version("v9")
    assert hint_for(caught.value) == "sovits models list"


@every_case("row", VERSIONS.values(), ids=lambda row: row.name)
def test_rows_are_whole(row):
    assert VERSIONS[row.name] is row
    assert row.official == bool(row.head_md5)
    assert row.magic is None or row.magic in row.magics
    assert row.rate == (row.decoder.output_rate or row.spec.sample_rate)
    assert row.needs_transcript == (row.decoder.kind is DecoderKind.FLOW)
    assert (row.decoder.vocoder is None) == (row.decoder.sampler_steps is None)
    if isinstance(row.decoder, FlowTraits):
        frames_per_second = row.mel.sample_rate / row.mel.hop
        assert row.decoder.stretch * 50 == frames_per_second  # 50 content frames a second
        assert row.decoder.prompt_frames < row.decoder.chunk_frames


def test_no_two_rows_are_told_by_the_same_mark():
    for marks in (
        [row.head_md5 for row in VERSIONS.values() if row.head_md5],
        [magic for row in VERSIONS.values() for magic in (*row.magics, row.decoder.lora_magic) if magic is not None],
        [row.weights_suffix for row in VERSIONS.values()],
    ):
        assert len(marks) == len(set(marks))


def test_every_table_of_kinds_has_every_kind():
    assert {row.decoder.kind for row in VERSIONS.values()} == set(DecoderKind)
    for table in (DECODER_PLANS, ACOUSTICS, DECODERS):
        assert set(table) == set(DecoderKind)


def test_a_kind_of_decoder_is_named_in_four_places_only():
    named = {source.name(path) for path in source.FILES if re.search(r"\bDecoderKind\.[A-Z]", source.text(path))}
    assert named == KIND_TABLES | {"versions.py"}


def test_nobody_asks_for_the_kind_but_to_look_it_up():
    """`TABLE[row.decoder.kind]`, or its name; never a comparison, nor whether a kind's own traits are there."""
    asked = []
    for path in source.FILES:
        nodes = list(ast.walk(source.tree(path)))
        looked_up = {id(node.slice) for node in nodes if isinstance(node, ast.Subscript)}
        looked_up |= {id(node.value) for node in nodes if isinstance(node, ast.Attribute) and node.attr == "value"}
        for node in nodes:
            if (
                isinstance(node, ast.Attribute)
                and ast.unparse(node).endswith("decoder.kind")
                and id(node) not in looked_up
            ):
                asked.append(f"{source.name(path)}:{node.lineno}: {ast.unparse(node)}")
            if isinstance(node, ast.Compare) and re.search(r"\.(flow|decoder) is (not )?None", ast.unparse(node)):
                asked.append(f"{source.name(path)}:{node.lineno}: {ast.unparse(node)}")
    assert asked == []


class ThirdTraits(DecoderTraits):
    """A kind that nobody has heard of, with keys of its own."""

    kind: ClassVar = "third"
    key_prefix: ClassVar = "third."


def test_a_third_kind_is_a_row_and_an_entry(tmp_path, monkeypatch):
    """Its files are known by its keys, and checked against the network that its entry plans."""
    row = replace(VERSIONS["v2"], name="v9", decoder=ThirdTraits(), magics=(b"09",), head_md5="")
    monkeypatch.setitem(VERSIONS, "v9", row)
    monkeypatch.setitem(
        DECODER_PLANS,
        "third",
        lambda config, row, *, posterior=False: replace(plan_vits(config, row), optional=("third.", "enc_q.")),
    )
    path = tmp_path / "a.pth"
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS, posterior=False))
    config = synthetic.TINY_SOVITS.to_official()
    torch.save({"weight": {**weight, "third.extra": torch.ones(2)}, "config": config, "info": ""}, path)
    assert verify_model(path).what == "a SoVITS model (v9)"
