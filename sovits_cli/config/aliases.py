"""Settings and flags by other names: our own old ones, and those of the official program's files.

    data.held_out          an old key        KEYS: works wherever the new one does, and a line names the new one
    --checkpointing        an old flag       FLAGS: likewise
    train.c_mel            of an s2.json     `under_sovits`: sovits.train.c_mel
    model.linear_units     changes nothing   NO_EFFECT: accepted, and a line says why, or what to use instead

A key stands in files, in SOVITS_ variables, after --set, in `config get`, `set` and `unset`, and in settings that runs
and exports keep; all of them look here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sovits_cli.config.files import FileEntry
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


# Keys of official files: s1longer-v2.yaml of the GPT, s2.json of SoVITS.

_S2_MARKS = {"train.c_mel", "train.learning_rate", "data.filter_length", "model.inter_channels"}
"""Keys that only an s2.json has."""


@dataclass(frozen=True)
class Instead:
    """The code of a hint (as in `errors.py`) that says how the same is asked for here."""

    code: str


NO_EFFECT: dict[str, str | Instead] = {
    "model.linear_units": "the width is always 4 x hidden_dim, as in the official model",
    "model.random_bert": "neither here nor in the official trainer",
    "pretrained_s1": Instead("settings.official_base"),
    "train_semantic_path": Instead("settings.official_dataset"),
    "train_phoneme_path": Instead("settings.official_dataset"),
    "output_dir": Instead("settings.official_out"),
    "train.half_weights_save_dir": "weights are exported into the run folder",
    "sovits.train.log_interval": "every step is logged",
    "sovits.train.eval_interval": "neither here nor in the official trainer",
    "sovits.train.init_lr_ratio": "neither here nor in the official trainer",
    "sovits.train.warmup_epochs": "neither here nor in the official trainer",
    "sovits.train.if_save_latest": "use train.if_save_latest",
    "sovits.train.if_save_every_weights": "use train.if_save_every_weights",
    "sovits.train.pretrained_s2G": Instead("settings.official_base"),
    "sovits.train.pretrained_s2D": Instead("settings.official_base"),
    "sovits.train.gpu_numbers": Instead("settings.official_device"),
    "sovits.data.max_wav_value": "audio is read as numbers from -1 to 1",
    "sovits.data.add_blank": "neither here nor in the official trainer",
    "sovits.data.n_speakers": "neither here nor in the official trainer",
    "sovits.data.cleaned_text": "neither here nor in the official trainer",
    "sovits.data.exp_dir": Instead("settings.official_dataset"),
    "sovits.data.training_files": Instead("settings.official_dataset"),
    "sovits.model.n_layers_q": "neither here nor in the official trainer",
    "sovits.s2_ckpt_dir": Instead("settings.official_out"),
    "sovits.save_weight_dir": "weights are exported into the run folder",
    "sovits.content_module": "the base model says which content encoder it has",
    "sovits.name": Instead("settings.official_name"),
    "sovits.version": "the base model says which version it is",
}
"""Keys of official files that change nothing, and why: accepted, and always reported."""


def no_effect(key: str, origin: str = "") -> Note | None:
    """The line for a key that changes nothing, None for any other; `origin` is where it was set."""
    reason = NO_EFFECT.get(key)
    item = f"{key} ({origin})" if origin else key
    if isinstance(reason, Instead):
        return Note(f"{item} has no effect", code=reason.code, fields={"key": key})
    return Note(f"{item} has no effect: {reason}") if reason else None


def under_sovits(entries: Sequence[FileEntry]) -> list[FileEntry]:
    """Put the entries of an official s2.json under `sovits.`; any other file stays as it is."""
    # s1longer-v2.yaml and s2.json both have sections `train`, `data` and `model`, with other keys of the same name;
    # ours are those of the GPT, as the YAML file has them
    if not {entry.key for entry in entries} & _S2_MARKS:
        return list(entries)
    return [_translated(replace(entry, key=f"sovits.{entry.key}")) for entry in entries]


def _translated(entry: FileEntry) -> FileEntry:
    """`fp16_run` is `precision` here, and `grad_ckpt` is `activation_checkpointing` of both stages."""
    if entry.key == "sovits.train.grad_ckpt":
        return replace(entry, key="train.activation_checkpointing")
    if entry.key == "sovits.train.fp16_run" and isinstance(entry.value, bool):
        return FileEntry("sovits.train.precision", "16-mixed" if entry.value else "32", entry.line)
    return entry
