"""The schema read as a table: keys, kinds, ranges in words, and the nearest key to a slip."""

from __future__ import annotations

from pathlib import Path

import pytest

from sovits_cli.config import fields
from sovits_cli.errors import SettingsError
from tests.differences import every_case


@every_case(
    ("typed", "meant"),
    [
        ("slice.max_secs", "slice.max_sec"),
        ("slcie.max_sec", "slice.max_sec"),
        ("max_sec", ".max_sec"),
        ("training.epochs", "train.epochs"),
        ("sovits.train.seeed", "sovits.train.seed"),
        ("slices", "slice"),
    ],
)
def test_an_unknown_key_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"unknown setting {typed}") as caught:
        fields.setting(typed)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith(f"{meant}?")


def test_a_key_like_no_other_gets_no_guess() -> None:
    with pytest.raises(SettingsError) as caught:
        fields.setting("sovits.train.zzz")
    assert (caught.value.hint, caught.value.code) == (None, "settings.key_unknown")


def test_a_section_is_no_setting() -> None:
    with pytest.raises(SettingsError, match="slice is a section") as caught:
        fields.setting("slice")
    assert "slice.max_sec" in str(caught.value.hint)


@every_case(
    ("key", "kind", "choices", "optional"),
    [
        ("slice.mono", bool, (), False),
        ("slice.out", Path, (), False),
        ("slice.rate", int, (), True),
        ("train.batch_size", int, (), False),
        ("train.stage", str, ("all", "gpt", "sovits", "content"), False),
        ("sovits.train.precision", str, ("32", "16-mixed", "bf16-mixed"), True),
        ("sovits.train.betas", tuple, (), False),
        ("sovits.model.resblock_dilation_sizes", tuple, (), True),
    ],
)
def test_an_annotation_is_read_as_a_plain_kind(key: str, kind: type, choices: tuple[str, ...], optional: bool) -> None:
    found = fields.setting(key)
    assert (found.kind, found.choices, found.optional) == (kind, choices, optional)


def test_sections_come_with_their_line_and_in_the_order_of_the_schema() -> None:
    sections = fields.sections()
    assert list(sections)[:3] == ["slice", "prep", "data"]
    assert sections["sovits.model"].startswith("Dimensions of a SoVITS model")
