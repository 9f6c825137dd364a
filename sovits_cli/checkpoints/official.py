"""The official containers, GPT `.ckpt` and SoVITS `.pth`: read safely, written so that the official program reads ours.

Knows the layout of the files; what the networks are is in `models/`. Facts: exports hold `weight` (half precision),
`config` (plain sections) and `info`; some versions put a two-byte code in place of the leading `PK`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sovits_cli.checkpoints import torch_io
from sovits_cli.checkpoints.lora import own_keys
from sovits_cli.checkpoints.plain import plain
from sovits_cli.checkpoints.recognise import Contents, ModelKind, expect, read
from sovits_cli.errors import ModelError
from sovits_cli.versions import ModelVersion, version

GPT_PREFIX = "model."
"""GPT files store the keys of a wrapper whose only child is called `model`."""

POSTERIOR_MARK = "enc_q"
"""Exported SoVITS files leave out every key that contains this: only training needs the posterior encoder."""

_GPT_DEFAULTS: dict[str, dict[str, object]] = {
    "data": {"max_eval_sample": 8, "max_sec": 54, "num_workers": 4, "pad_val": 1024},
    "inference": {"top_k": 15},
}
_SOVITS_DEFAULTS: dict[str, dict[str, object]] = {
    "data": {
        "max_wav_value": 32768.0,
        "mel_fmin": 0.0,
        "mel_fmax": None,
        "add_blank": True,
        "cleaned_text": True,
        "n_speakers": 300,
    },
    "train": {},
}
"""What official readers look up and our dimensions do not hold."""


@dataclass(frozen=True)
class GptFile:
    """A GPT file. `weight` has the keys of `Text2Semantic` (no leading `model.`), tensors as stored."""

    weight: dict[str, Tensor]
    config: dict[str, Any]
    info: str


@dataclass(frozen=True)
class SovitsFile:
    """A SoVITS file. `weight` has the keys of the acoustic model, tensors as stored; `version` is its row.

    A LoRA (`is_lora`) holds no whole model: `networks.sovits_file` puts it into the one it was tuned from.
    `versions` are the names of those it may be of, where nothing in the file says which.
    """

    weight: dict[str, Tensor]
    config: dict[str, Any]
    info: str
    version: ModelVersion
    is_lora: bool = False
    versions: tuple[str, ...] = ()


def gpt_info(epoch: int) -> str:
    """What official GPT exports say of themselves."""
    return f"GPT-e{epoch}"


def sovits_info(epoch: int, step: int) -> str:
    """What official SoVITS exports say of themselves."""
    return f"{epoch}epoch_{step}iteration"


def read_gpt(path: Path) -> GptFile:
    """Read a GPT file: official `.ckpt`, Lightning training state, or ours.

    Raises:
        ModelError: unreadable, another model, or without its config.
    """
    contents = _with_config(expect(read(path), ModelKind.GPT))
    return GptFile(contents.weight, contents.config, contents.info)


def read_sovits(path: Path, *, said: ModelVersion | None = None) -> SovitsFile:
    """Read a SoVITS file: official `.pth`, with or without a version code, a LoRA, or ours.

    Args:
        said: its version as known from elsewhere, which counts where the file itself may be of several.

    Raises:
        ModelError: unreadable, another model, of a version not supported, or without its config.
    """
    contents = read(path)
    is_lora = contents.kind is ModelKind.LORA
    contents = expect(contents, ModelKind.LORA if is_lora else ModelKind.SOVITS)
    if contents.version is None:
        raise ModelError(f"{path} is a SoVITS model of an unknown version", hint=f"sovits models inspect {path}")
    row = said if said is not None and said.name in contents.versions else version(contents.version)
    if contents.training and row.official and not contents.config:  # they have official sizes, or do not fit
        contents = replace(contents, config={"model": dict(row.dimensions)})
    contents = _with_config(contents)
    weight = own_keys(contents.weight) if is_lora else contents.weight
    return SovitsFile(weight, with_version(contents.config, row), contents.info, row, is_lora, contents.versions)


def write_gpt(path: Path, weight: Mapping[str, Tensor], config: Mapping[str, Any], *, info: str) -> None:
    """Write a GPT file in half precision that the official program reads.

    Args:
        weight: keys of `Text2Semantic`.
        config: sections of the official YAML; `model` is required, the rest is completed.
        info: see `gpt_info`.
    """
    stored = {f"{GPT_PREFIX}{key}": half(tensor) for key, tensor in weight.items()}
    torch_io.save(path, {"weight": stored, "config": _completed(config, _GPT_DEFAULTS), "info": info})


def write_sovits(
    path: Path,
    weight: Mapping[str, Tensor],
    config: Mapping[str, Any],
    *,
    info: str,
    version: ModelVersion,
    lora_rank: int | None = None,
) -> None:
    """Write a SoVITS file in half precision, without the posterior encoder, that the official program reads.

    Args:
        weight: keys of the acoustic model, weight norm not folded.
        config: official sections `model`, `data` and `train`; the version is written into it.
        info: see `sovits_info`.
        version: gives the version name and the two-byte code.
        lora_rank: of a LoRA, whose `weight` has the official keys (see `lora.py`).
    """
    stored = {key: half(tensor) for key, tensor in weight.items() if POSTERIOR_MARK not in key}
    complete = _completed(config, _SOVITS_DEFAULTS)
    complete["model"] = {**complete["model"], "version": version.name}
    complete["version"] = version.name
    whole = {"weight": stored, "config": complete, "info": info}
    if lora_rank is None:
        torch_io.save(path, whole, start=version.code or torch_io.ZIP_START)
    else:
        assert version.flow is not None
        torch_io.save(path, {**whole, "lora_rank": lora_rank}, start=version.flow.lora_code)


def with_version(config: Mapping[str, Any], row: ModelVersion) -> dict[str, Any]:
    """A configuration that says its version, which old official files do not and some say wrongly."""
    if not row.official:
        return dict(config)
    return {**config, "model": {**config["model"], "version": row.name}}


def _with_config(contents: Contents) -> Contents:
    if isinstance(contents.config.get("model"), dict):
        return contents
    raise ModelError(
        f"{contents.path} is {contents} without its configuration: expected `config` beside the weights",
        hint="use an exported file (SoVITS_weights…, GPT_weights…), not a training state",
    )


def half(tensor: Tensor) -> Tensor:
    """Half precision, clamped: the codebook's counters may exceed its largest number."""
    if not tensor.is_floating_point():
        return tensor.detach().cpu()
    largest = torch.finfo(torch.float16).max
    return tensor.detach().cpu().clamp(-largest, largest).to(torch.float16).contiguous()


def _completed(config: Mapping[str, Any], defaults: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """Plain sections with the defaults of official readers behind them."""
    sections: dict[str, Any] = plain(dict(config), Path("the configuration"))
    for name, values in defaults.items():
        sections[name] = {**values, **(sections.get(name) or {})}
    return sections
