"""The networks of a model with their weights: float32, on the CPU, in evaluation mode. A LoRA comes with its base.

Knows which keys a network can do without; which files a model is made of, `catalogue.py` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sovits_cli.checkpoints import published
from sovits_cli.checkpoints.build import build, usable_config
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.catalogue import everything
from sovits_cli.checkpoints.installed import named_if_pulled
from sovits_cli.checkpoints.lora import merged
from sovits_cli.checkpoints.official import SovitsFile, read_gpt, read_sovits
from sovits_cli.checkpoints.recognise import ModelKind, expect, read
from sovits_cli.checkpoints.soundness import check_tensors
from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.config import CONDITION_LAYERS, FlowConfig
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.vocoders import VOCODERS, Vocoder
from sovits_cli.terms import FRAMES_PER_TOKEN
from sovits_cli.versions import ModelVersion

_STATISTICS = "quantizer.vq.layers.0._codebook."

CODEBOOK = f"{_STATISTICS}embed"
"""Key of the codebook of semantic tokens, (codes, C)."""

FROZEN_PARTS = ("ssl_proj", "quantizer")
"""Modules that define the semantic tokens of a family; never trained."""

FLOW_OPTIONAL = (
    *(f"{_STATISTICS}{name}" for name in ("inited", "cluster_size", "embed_avg")),
    "linear_mel.",
    "cfm.estimator.rotary_embed.inv_freq",
)
"""Beginnings of keys that a model with a flow does not need for speaking, or can compute."""

SOVITS_OPTIONAL = ("enc_q.", *(f"{_STATISTICS}{name}" for name in ("inited", "cluster_size", "embed_avg")))
"""Beginnings of SoVITS keys that speaking does not need: the posterior encoder, the codebook's statistics."""


def gpt_model(source: Bundle | Path) -> Text2Semantic:
    """Build the GPT with its weights: float32, on the CPU, in evaluation mode."""
    path = source.gpt if isinstance(source, Bundle) else source
    file = read_gpt(path)
    with usable_config(path):
        config = T2SConfig.from_official(file.config)
    return build(lambda: Text2Semantic(config), file.weight, layers=config.layers, source=path)[0]


def sovits_file(source: Bundle | Path) -> SovitsFile:
    """Read the weights and the configuration of the SoVITS model; a LoRA is put into the model it was tuned from.

    Raises:
        ModelError: a file cannot be read, or the model that a LoRA belongs to is not there.
    """
    path, under = (source.sovits, source.under) if isinstance(source, Bundle) else (source, ())
    file = read_sovits(path, said=source.version if isinstance(source, Bundle) else None)
    if isinstance(source, Bundle) and file.version.name != source.version.name:
        with named_if_pulled(path):
            raise ModelError(
                f"{path} is a {file.version.name} file, but {source.name} is said to be a {source.version.name} model",
                hint=f"name the file itself, --sovits {path}, or mend the model's JSON file",
            )
    if not file.is_lora:
        return file
    is_whole = CODEBOOK in file.weight and "ssl_proj.weight" in file.weight  # a training state holds its base
    base = {} if is_whole else _base_file(path, file.version, under)
    return replace(file, weight=merged(base, file.weight, path), is_lora=False)


def sovits_model(source: Bundle | Path, *, posterior: bool = False) -> VitsModel:
    """Build the SoVITS model with its weights: float32, on the CPU, in evaluation mode, weight norm not folded.

    Args:
        posterior: with the posterior encoder, which training needs. Exported files lack it: it keeps its fresh
            values there.
    """
    path = source.sovits if isinstance(source, Bundle) else source
    file = sovits_file(source)
    with usable_config(path):
        config = SovitsConfig.from_official(file.config)
    make = partial(VitsModel, config, posterior=posterior)
    return build(make, file.weight, layers=sovits_layers(config), source=path, optional=SOVITS_OPTIONAL)[0]


def flow_model(source: Bundle | Path) -> FlowModel:
    """Build the SoVITS model of a version with a flow, as `sovits_model` does for the others."""
    path = source.sovits if isinstance(source, Bundle) else source
    file = sovits_file(source)
    with usable_config(path):
        config = FlowConfig.from_official(file.config, file.version)
    make = partial(FlowModel, config)
    return build(make, file.weight, layers=flow_layers(config), source=path, optional=FLOW_OPTIONAL)[0]


def vocoder_model(bundle: Bundle) -> Vocoder:
    """Build the vocoder of a model: float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: it has none, or its files are missing, broken, or of another kind.
    """
    row, place = bundle.version, bundle.vocoder
    if place is None or row.flow is None:
        raise ModelError(
            f"{bundle.name} has no vocoder: {row.name} speaks through one", hint=f"sovits models pull {row.name}"
        )
    said = published.config(place) if (place / "config.json").is_file() else {}
    contents = expect(read(published.weight_file(place) if place.is_dir() else place), ModelKind.VOCODER)
    make = partial(VOCODERS[row.flow.vocoder], said)
    return build(make, contents.weight, layers=0, source=contents.path)[0]


def discriminator_weights(bundle: Bundle) -> dict[str, Tensor]:
    """Read the discriminators that go with a model; empty where none are published.

    Raises:
        ModelError: the file cannot be read, or is of another kind.
    """
    if bundle.discriminator is None:
        return {}
    weight = expect(read(bundle.discriminator), ModelKind.DISCRIMINATOR).weight
    check_tensors(weight, source=bundle.discriminator)
    return weight


def frozen_parts(bundle: Bundle) -> dict[str, Tensor]:
    """Read the projection and the codebook that make the semantic tokens of a family, in float32.

    They are in its SoVITS file, or, for a family that is only trained from so far, beside its content encoder.

    Raises:
        ModelError: the file holds none.
    """
    contents = read(bundle.sovits)
    weight = sovits_file(bundle).weight if contents.kind is ModelKind.LORA else contents.weight
    needed = ("ssl_proj.weight", "ssl_proj.bias", CODEBOOK)
    missing = [key for key in needed if key not in weight]
    if missing:
        raise ModelError(
            f"{bundle.sovits} makes no semantic tokens: {missing[0]} is missing",
            hint=f"sovits models inspect {bundle.sovits}",
        )
    found = {key: weight[key] for key in needed}
    projection, bias, codebook = found.values()
    width = codebook.shape[-1] if codebook.ndim == 2 else 0
    if projection.ndim != 3 or projection.shape[::2] != (width, FRAMES_PER_TOKEN) or bias.shape != (width,):
        raise ModelError(
            f"{bundle.sovits} is broken: its projection and its codebook of semantic tokens do not fit each other",
            hint=f"sovits models inspect {bundle.sovits}",
        )
    check_tensors(found, source=bundle.sovits)
    return {key: value.to(torch.float32, copy=True) for key, value in found.items()}


def flow_layers(config: FlowConfig) -> int:
    """Count the layers of its longest stack, or more."""
    return max(config.prior.n_layers, config.dit.depth, config.dit.conv_layers, CONDITION_LAYERS)


def sovits_layers(config: SovitsConfig) -> int:
    """Count the layers of its longest stack, or more."""
    stacks = (config.n_layers, config.flow_couplings, config.flow_layers, config.posterior_layers, config.istft_layers)
    return max(*stacks, len(config.upsample_rates) * len(config.resblock_kernel_sizes))


def _base_file(lora: Path, row: ModelVersion, under: tuple[Path, ...]) -> Mapping[str, Tensor]:
    """The weights of the model that a LoRA was tuned from: the one it lies on, or the newest installed one."""
    if under:
        *deeper, nearest = under
        file = read_sovits(nearest, said=row)
        if file.version == row and file.is_lora:
            return merged(_base_file(nearest, row, tuple(deeper)), file.weight, nearest)
        if file.version == row:
            return file.weight
    found, _ = everything()  # a broken model is no base; `list` says what is wrong with it
    for one in found:
        if one.origin == "installed" and one.speaks and one.version == row:
            file = read_sovits(one.sovits, said=row)
            if not file.is_lora:
                return file.weight
    raise ModelError(
        f"{lora} is a LoRA, which needs the {row.name} model it was tuned from: none is installed",
        hint=f"sovits models pull {row.name}",
    )
