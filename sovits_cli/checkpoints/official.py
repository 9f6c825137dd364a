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

from sovits_cli.checkpoints.model_file import ModelFile, ModelKind, expect_kind, read_model_file
from sovits_cli.checkpoints.safetensors_io import plain_config
from sovits_cli.checkpoints.torch_files import ZIP_MAGIC, save_torch_file
from sovits_cli.errors import ModelError
from sovits_cli.versions import ModelVersion, version

_QUANTIZER = "quantizer.vq.layers.0._codebook."

CODEBOOK = f"{_QUANTIZER}embed"
"""Key of the codebook of semantic tokens, (tokens, C)."""

CODEBOOK_STATISTICS = tuple(f"{_QUANTIZER}{name}" for name in ("inited", "cluster_size", "embed_avg"))
"""Keys of what k-means kept beside the codebook; only training it would need them."""

GPT_PREFIX = "model."
"""GPT files store the keys of a wrapper whose only child is called `model`."""

POSTERIOR_KEY = "enc_q"
"""Exported SoVITS files leave out every key that contains this: only training needs the posterior encoder."""

# Key names of a LoRA file are those that peft gives the wrapped modules:
#
#   ours      cfm.                estimator.transformer_blocks.0.attn.to_q.lora_A
#   official  cfm.base_model.model.estimator.transformer_blocks.0.attn.to_q.lora_A.default.weight
#
#   training state (G_*.pth) only:          ... attn.to_q.base_layer.weight        is our ... attn.to_q.weight
#
# An exported file holds the factors and the modules trained beside them; a training state the base as well.
LORA_WRAPPER = "cfm.base_model.model."
LORA_FACTORS = (".lora_A", ".lora_B")
LORA_FACTOR_SUFFIX = ".default.weight"
LORA_BASE_LAYER = ".base_layer"

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


# An official export (process_ckpt.py; torch_files.py shows the file around it):
#
#   {"weight": {key: half},           GPT: keys begin with "model."; SoVITS: without those that contain "enc_q"
#    "config": HParams or dict,       sections model, data, train; `model.version` is old, wrong or missing at times
#    "info": "GPT-e15" or "8epoch_392iteration",
#    "lora_rank": 32}                 of a LoRA
#
# and its training states: {"model", "iteration" (the epoch), "optimizer", "learning_rate"} of SoVITS, a Lightning
# checkpoint with "state_dict" and "hyper_parameters" of the GPT.


@dataclass(frozen=True)
class GptFile:
    """A GPT file. `weight` has the keys of `Text2Semantic` (no leading `model.`), tensors as stored."""

    weight: dict[str, Tensor]
    config: dict[str, Any]
    info: str


@dataclass(frozen=True)
class SovitsFile:
    """A SoVITS file. `weight` has the keys of the acoustic model, tensors as stored; `version` is its row.

    A LoRA (`is_lora`) holds no whole model: `networks.read_whole_sovits` puts it into the one it was tuned from.
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
    contents = _with_config(expect_kind(read_model_file(path), ModelKind.GPT))
    return GptFile(contents.weight, contents.config, contents.info)


def read_sovits(path: Path, *, known_version: ModelVersion | None = None) -> SovitsFile:
    """Read a SoVITS file: official `.pth`, with or without a version code, a LoRA, or ours.

    Args:
        known_version: its version as known from elsewhere, which counts where the file itself may be of several.

    Raises:
        ModelError: unreadable, another model, of a version not supported, or without its config.
    """
    contents = read_model_file(path)
    is_lora = contents.kind is ModelKind.LORA
    contents = expect_kind(contents, ModelKind.LORA if is_lora else ModelKind.SOVITS)
    if contents.version is None:
        raise ModelError(f"{path} is a SoVITS model of an unknown version", code="model.unfit", fields={"path": path})
    row = (
        known_version
        if known_version is not None and known_version.name in contents.versions
        else version(contents.version)
    )
    if contents.training and row.official and not contents.config:  # they have official sizes, or do not fit
        contents = replace(contents, config={"model": dict(row.dimensions)})
    contents = _with_config(contents)
    weight = our_lora_keys(contents.weight) if is_lora else contents.weight
    return SovitsFile(weight, with_version_name(contents.config, row), contents.info, row, is_lora, contents.versions)


def write_gpt(path: Path, weight: Mapping[str, Tensor], config: Mapping[str, Any], *, info: str) -> None:
    """Write a GPT file in half precision that the official program reads.

    Args:
        weight: keys of `Text2Semantic`.
        config: sections of the official YAML; `model` is required, the rest is completed.
        info: see `gpt_info`.
    """
    stored = {f"{GPT_PREFIX}{key}": to_half(tensor) for key, tensor in weight.items()}
    save_torch_file(path, {"weight": stored, "config": _completed(config, _GPT_DEFAULTS), "info": info})


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
        lora_rank: of a LoRA, whose `weight` has the official keys (`official_lora_key`).
    """
    stored = {key: to_half(tensor) for key, tensor in weight.items() if POSTERIOR_KEY not in key}
    complete = _completed(config, _SOVITS_DEFAULTS)
    complete["model"] = {**complete["model"], "version": version.name}
    complete["version"] = version.name
    whole = {"weight": stored, "config": complete, "info": info}
    if lora_rank is None:
        save_torch_file(path, whole, magic=version.magic or ZIP_MAGIC)
    else:
        assert version.decoder.lora_magic is not None
        save_torch_file(path, {**whole, "lora_rank": lora_rank}, magic=version.decoder.lora_magic)


def with_version_name(config: Mapping[str, Any], row: ModelVersion) -> dict[str, Any]:
    """A configuration that says its version, which old official files do not and some say wrongly."""
    if not row.official:
        return dict(config)
    return {**config, "model": {**config["model"], "version": row.name}}


def _with_config(contents: ModelFile) -> ModelFile:
    if isinstance(contents.config.get("model"), dict):
        return contents
    raise ModelError(
        f"{contents.path} is {contents} without its configuration: expected `config` beside the weights",
        hint="use an exported file (SoVITS_weights…, GPT_weights…), not a training state",
    )


def to_half(tensor: Tensor) -> Tensor:
    """Half precision, clamped: the codebook's counters may exceed its largest number."""
    if not tensor.is_floating_point():
        return tensor.detach().cpu()
    largest = torch.finfo(torch.float16).max
    return tensor.detach().cpu().clamp(-largest, largest).to(torch.float16).contiguous()


def _completed(config: Mapping[str, Any], defaults: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """Plain sections with the defaults of official readers behind them."""
    sections: dict[str, Any] = plain_config(dict(config), Path("the configuration"))
    for name, values in defaults.items():
        sections[name] = {**values, **(sections.get(name) or {})}
    return sections


def our_lora_keys(weight: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a LoRA file, or of a training state, to those of our networks."""
    return {_our_lora_key(key): value for key, value in weight.items()}


def official_lora_key(key: str) -> str:
    """The name of one of our tensors in a LoRA file."""
    wrapped = LORA_WRAPPER + key.removeprefix("cfm.") if key.startswith("cfm.") else key
    return wrapped + LORA_FACTOR_SUFFIX if key.endswith(LORA_FACTORS) else wrapped


def lora_rank_of(lora: Mapping[str, Tensor]) -> int | None:
    """The rank of a LoRA by its factors, or None if it has none. Keys are ours or official."""
    return next((value.shape[0] for key, value in lora.items() if LORA_FACTORS[0] in key), None)


def _our_lora_key(key: str) -> str:
    if key.startswith(LORA_WRAPPER):
        key = "cfm." + key.removeprefix(LORA_WRAPPER)
    return key.removesuffix(LORA_FACTOR_SUFFIX).replace(LORA_BASE_LAYER, "") if key.startswith("cfm.") else key
