"""Settings and flags that had another name: THE table.

An old name works wherever the new one does, and a line names the new one.

A key stands in files, in SOVITS_ variables, after --set, in `config get`, `set` and `unset`, and in settings that runs
and exports keep; all of them look here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from sovits_cli.errors import SettingsError
from sovits_cli.events import Note

KEYS: Final[Mapping[str, str]] = {
    "content.codes": "content.codebook_size",
    "data.held_out": "data.validation_split",
    "data.rise_from": "data.curriculum_start_sec",
    "data.rise_steps": "data.curriculum_phases",
    "inference.cut": "inference.text_split_method",
    "sovits.train.discriminator": "sovits.train.discriminator_width",
    "sovits.train.posterior": "sovits.train.posterior_encoder",
    "train.alignment": "train.alignment_loss_weight",
    "train.checkpointing": "train.activation_checkpointing",
    "train.count_padding": "train.loss_on_padding",
    "train.samples": "train.audio_samples",
}
"""Old key -> the key of today."""

FLAGS: Final[Mapping[str, str]] = {
    "--checkpointing": "--activation-checkpointing",
    "--cut": "--text-split-method",
}
"""Old flag -> the flag of today; a switch has its --no- form in both."""

V = TypeVar("V")


def current(key: str) -> str:
    """The name of today of a key; any other text as it is."""
    return KEYS.get(key, key)


def old_names(new: str, table: Mapping[str, str] = KEYS) -> list[str]:
    """What a key (or, with `FLAGS`, a flag) was called before."""
    return [old for old, name in table.items() if name == new]


def note(old: str, new: str, origin: str = "") -> Note:
    """The line that names the new word: "data.held_out is now data.validation_split (project file sovits.yaml:3)"."""
    return Note(f"{old} is now {new}" + (f" ({origin})" if origin else ""))


def renamed(layer: Mapping[str, V], origin: Mapping[str, str]) -> tuple[dict[str, V], list[Note]]:
    """A layer with the keys of today, and a note for each that was written with an old one.

    Args:
        layer: key -> value.
        origin: key, as written -> where.

    Raises:
        SettingsError: a layer sets one setting by two names.
    """
    notes = [note(key, KEYS[key], origin[key]) for key in layer if key in KEYS]
    for new, names in _set_twice(layer):
        listed = " and ".join(f"{name} ({origin[name]})" for name in names)
        raise SettingsError(f"{new} is set twice: {listed}", hint=f"keep {new}")
    return {current(key): value for key, value in layer.items()}, notes


def _set_twice(keys: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    """Settings that are set by more than one of their names."""
    names: dict[str, list[str]] = {}
    for key in keys:
        names.setdefault(current(key), []).append(key)
    return ((new, written) for new, written in names.items() if len(written) > 1)
