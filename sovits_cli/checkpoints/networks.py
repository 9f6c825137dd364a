"""The networks of a model with their weights: float32, on the CPU, in evaluation mode. A LoRA comes with its base.

Knows which keys a network can do without; which files a model is made of, `catalogue.py` knows.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.lora import read_whole_sovits
from sovits_cli.checkpoints.model_file import (
    ModelKind,
    expect_kind,
    find_weight_file,
    read_folder_config,
    read_model_file,
)
from sovits_cli.checkpoints.official import CODEBOOK, CODEBOOK_STATISTICS, read_gpt
from sovits_cli.checkpoints.weight_loading import build_network, check_tensors, config_errors
from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.config import CONDITION_LAYERS, FlowConfig
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.vocoders import VOCODERS, Vocoder
from sovits_cli.terms import FRAMES_PER_TOKEN

QUANTIZER_MODULES = ("ssl_proj", "quantizer")
"""Modules that define the semantic tokens of a family; never trained."""

FLOW_OPTIONAL_KEYS = (
    *CODEBOOK_STATISTICS,
    "linear_mel.",
    "cfm.estimator.rotary_embed.inv_freq",
)
"""Beginnings of keys that a model with a flow does not need for speaking, or can compute."""

VITS_OPTIONAL_KEYS = ("enc_q.", *CODEBOOK_STATISTICS)
"""Beginnings of SoVITS keys that speaking does not need: the posterior encoder, the codebook's statistics."""


def load_gpt(source: Bundle | Path) -> Text2Semantic:
    """Build the GPT with its weights: float32, on the CPU, in evaluation mode."""
    path = source.gpt if isinstance(source, Bundle) else source
    file = read_gpt(path)
    with config_errors(path):
        config = T2SConfig.from_official(file.config)
    return build_network(lambda: Text2Semantic(config), file.weight, layers=config.layers, source=path)[0]


def load_vits(source: Bundle | Path, *, posterior: bool = False) -> VitsModel:
    """Build the SoVITS model with its weights: float32, on the CPU, in evaluation mode, weight norm not folded.

    Args:
        posterior: with the posterior encoder, which training needs. Exported files lack it: it keeps its fresh
            values there.
    """
    path = source.sovits if isinstance(source, Bundle) else source
    file = read_whole_sovits(source)
    with config_errors(path):
        config = SovitsConfig.from_official(file.config)
    make = partial(VitsModel, config, posterior=posterior)
    return build_network(make, file.weight, layers=vits_layers(config), source=path, optional=VITS_OPTIONAL_KEYS)[0]


def load_flow(source: Bundle | Path) -> FlowModel:
    """Build the SoVITS model of a version with a flow, as `sovits_model` does for the others."""
    path = source.sovits if isinstance(source, Bundle) else source
    file = read_whole_sovits(source)
    with config_errors(path):
        config = FlowConfig.from_official(file.config, file.version)
    make = partial(FlowModel, config)
    return build_network(make, file.weight, layers=flow_layers(config), source=path, optional=FLOW_OPTIONAL_KEYS)[0]


def load_vocoder(bundle: Bundle) -> Vocoder:
    """Build the vocoder of a model: float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: it has none, or its files are missing, broken, or of another kind.
    """
    row, place, kind = bundle.version, bundle.vocoder, bundle.version.decoder.vocoder
    if place is None or kind is None:
        raise ModelError(
            f"{bundle.name} has no vocoder: {row.name} speaks through one",
            code="model.not_installed",
            fields={"name": row.name},
        )
    said = read_folder_config(place) if (place / "config.json").is_file() else {}
    contents = expect_kind(read_model_file(find_weight_file(place) if place.is_dir() else place), ModelKind.VOCODER)
    make = partial(VOCODERS[kind], said)
    return build_network(make, contents.weight, layers=0, source=contents.path)[0]


def read_discriminator_weights(bundle: Bundle) -> dict[str, Tensor]:
    """Read the discriminators that go with a model; empty where none are published.

    Raises:
        ModelError: the file cannot be read, or is of another kind.
    """
    if bundle.discriminator is None:
        return {}
    weight = expect_kind(read_model_file(bundle.discriminator), ModelKind.DISCRIMINATOR).weight
    check_tensors(weight, source=bundle.discriminator)
    return weight


def read_quantizer_weights(bundle: Bundle) -> dict[str, Tensor]:
    """Read the projection and the codebook that make the semantic tokens of a family, in float32.

    They are in its SoVITS file, or, for a family that is only trained from so far, beside its content encoder.

    Raises:
        ModelError: the file holds none.
    """
    contents = read_model_file(bundle.sovits)
    weight = read_whole_sovits(bundle).weight if contents.kind is ModelKind.LORA else contents.weight
    needed = ("ssl_proj.weight", "ssl_proj.bias", CODEBOOK)
    missing = [key for key in needed if key not in weight]
    if missing:
        raise ModelError(
            f"{bundle.sovits} makes no semantic tokens: {missing[0]} is missing",
            code="model.unfit",
            fields={"path": bundle.sovits},
        )
    found = {key: weight[key] for key in needed}
    projection, bias, codebook = found.values()
    width = codebook.shape[-1] if codebook.ndim == 2 else 0
    if projection.ndim != 3 or projection.shape[::2] != (width, FRAMES_PER_TOKEN) or bias.shape != (width,):
        raise ModelError(
            f"{bundle.sovits} is broken: its projection and its codebook of semantic tokens do not fit each other",
            code="model.unfit",
            fields={"path": bundle.sovits},
        )
    check_tensors(found, source=bundle.sovits)
    return {key: value.to(torch.float32, copy=True) for key, value in found.items()}


def flow_layers(config: FlowConfig) -> int:
    """Count the layers of its longest stack, or more."""
    return max(config.prior.n_layers, config.dit.depth, config.dit.conv_layers, CONDITION_LAYERS)


def vits_layers(config: SovitsConfig) -> int:
    """Count the layers of its longest stack, or more."""
    stacks = (config.n_layers, config.flow_couplings, config.flow_layers, config.posterior_layers, config.istft_layers)
    return max(*stacks, len(config.upsample_rates) * len(config.resblock_kernel_sizes))
