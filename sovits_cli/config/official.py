"""The official files' keys: where an s2.json belongs, which old keys do nothing, which are said otherwise here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sovits_cli.config.files import Entry

_S2_MARKS = {"train.c_mel", "train.learning_rate", "data.filter_length", "model.inter_channels"}
"""Keys that only an s2.json has."""

NO_EFFECT: dict[str, str] = {
    "model.linear_units": "the width is always 4 x hidden_dim, as in the official model",
    "model.random_bert": "neither here nor in the official trainer",
    "pretrained_s1": "choose the base with `sovits train --model`, or weights with --init",
    "train_semantic_path": "choose the dataset with `sovits train DATASET`",
    "train_phoneme_path": "choose the dataset with `sovits train DATASET`",
    "output_dir": "choose the folder with `sovits train --out`",
    "train.half_weights_save_dir": "weights are exported into the run folder",
    "sovits.train.log_interval": "every step is logged",
    "sovits.train.eval_interval": "neither here nor in the official trainer",
    "sovits.train.init_lr_ratio": "neither here nor in the official trainer",
    "sovits.train.warmup_epochs": "neither here nor in the official trainer",
    "sovits.train.if_save_latest": "use train.if_save_latest",
    "sovits.train.if_save_every_weights": "use train.if_save_every_weights",
    "sovits.train.pretrained_s2G": "choose the base with `sovits train --model`, or weights with --init",
    "sovits.train.pretrained_s2D": "choose the base with `sovits train --model`, or weights with --init",
    "sovits.train.gpu_numbers": "choose the device with --device",
    "sovits.data.max_wav_value": "audio is read as numbers from -1 to 1",
    "sovits.data.add_blank": "neither here nor in the official trainer",
    "sovits.data.n_speakers": "neither here nor in the official trainer",
    "sovits.data.cleaned_text": "neither here nor in the official trainer",
    "sovits.data.exp_dir": "choose the dataset with `sovits train DATASET`",
    "sovits.data.training_files": "choose the dataset with `sovits train DATASET`",
    "sovits.model.n_layers_q": "neither here nor in the official trainer",
    "sovits.s2_ckpt_dir": "choose the folder with `sovits train --out`",
    "sovits.save_weight_dir": "weights are exported into the run folder",
    "sovits.content_module": "the base model says which content encoder it has",
    "sovits.name": "name the run with `sovits train --name`",
    "sovits.version": "the base model says which version it is",
}
"""Keys of official files that change nothing, and why: accepted, and always reported."""


def place(entries: Sequence[Entry]) -> list[Entry]:
    """Put the entries of an official s2.json under `sovits.`; any other file stays as it is."""
    if not {entry.key for entry in entries} & _S2_MARKS:
        return list(entries)
    return [_translated(replace(entry, key=f"sovits.{entry.key}")) for entry in entries]


def _translated(entry: Entry) -> Entry:
    """`fp16_run` is `precision` here, and `grad_ckpt` is `checkpointing` of both stages."""
    if entry.key == "sovits.train.grad_ckpt":
        return replace(entry, key="train.checkpointing")
    if entry.key == "sovits.train.fp16_run" and isinstance(entry.value, bool):
        return Entry("sovits.train.precision", "16-mixed" if entry.value else "32", entry.line)
    return entry
