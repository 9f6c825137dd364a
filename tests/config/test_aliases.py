"""Old names of settings: each works wherever the new one does, and is told with the new word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sovits_cli.config import aliases, fields, layers
from sovits_cli.config.files import render
from sovits_cli.errors import SettingsError

pytestmark = pytest.mark.usefixtures("empty_folder")

VALUES: dict[str, object] = {
    "content.codebook_size": 64,
    "data.validation_split": 0.25,
    "data.curriculum_start_sec": 7.5,
    "data.curriculum_phases": 3,
    "inference.text_split_method": "cut5",
    "sovits.train.discriminator_width": 0.5,
    "sovits.train.posterior_encoder": False,
    "train.alignment_loss_weight": 0.75,
    "train.activation_checkpointing": True,
    "train.loss_on_padding": True,
    "train.audio_samples": 9,
}
"""For each setting that had another name a value that is not its default."""


def in_a_file(old: str, value: str) -> layers.Resolved:
    *sections, last = old.split(".")
    lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(sections)]
    Path("old.yaml").write_text("\n".join([*lines, f"{'  ' * len(sections)}{last}: {value}\n"]), encoding="utf-8")
    return layers.load_settings(config_files=[Path("old.yaml")])


def in_a_variable(old: str, value: str, *, divider: str = "_") -> layers.Resolved:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(f"SOVITS_{old.upper().replace('.', divider)}", value)
        return layers.load_settings()


def after_set(old: str, value: str) -> layers.Resolved:
    return layers.load_settings(sets=[f"{old}={value}"])


WAYS: dict[str, Callable[[str, str], layers.Resolved]] = {
    "file": in_a_file,
    "variable": in_a_variable,
    "variable with two marks": lambda old, value: in_a_variable(old, value, divider="__"),
    "--set": after_set,
}


def test_every_old_key_works_in_every_way_and_names_the_new_one() -> None:
    problems = []
    for old, new in aliases.KEYS.items():
        value = VALUES[new]
        for way, load in WAYS.items():
            resolved = load(old, render(value))
            notes = [note.text for note in resolved.notes]
            if resolved.value(new) != value or resolved.origin[new] == layers.DEFAULT:
                problems.append(f"{old} ({way}) has no effect: {new} is {resolved.value(new)}")
            if len(notes) != 1 or not notes[0].startswith(f"{old} is now {new} ("):
                problems.append(f"{old} ({way}): {notes}")
    assert problems == []


def test_no_row_is_an_alias_of_an_alias_or_of_nothing() -> None:
    assert set(aliases.KEYS.values()) <= set(fields.table())
    assert not set(aliases.KEYS) & set(fields.table())
    assert not set(aliases.FLAGS) & set(aliases.FLAGS.values())


def test_a_file_that_says_both_names_is_refused() -> None:
    Path("both.yaml").write_text("data:\n  held_out: 0.1\n  validation_split: 0.2\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        layers.load_settings(config_files=[Path("both.yaml")])
    assert "data.held_out (file both.yaml:2) and data.validation_split (file both.yaml:3)" in str(caught.value)


def test_a_later_layer_wins_whichever_name_it_uses() -> None:
    Path("old.yaml").write_text("data: {held_out: 0.1}\n", encoding="utf-8")
    Path("new.yaml").write_text("data: {validation_split: 0.2}\n", encoding="utf-8")
    for last, value in (("old", 0.1), ("new", 0.2)):
        files = sorted([Path("old.yaml"), Path("new.yaml")], key=lambda path: path.stem == last)
        assert layers.load_settings(config_files=files).settings.data.validation_split == value


def test_a_range_of_limits_takes_the_place_of_an_old_start() -> None:
    resolved = layers.load_settings(sets=["data.rise_from=5"], config_files=())
    assert resolved.settings.data.curriculum_start_sec == 5
    resolved = layers.load_settings({"data.max_sec": ("--max-sec", "54")}, sets=["data.rise_from=5"])
    assert resolved.settings.data.curriculum_start_sec is None
