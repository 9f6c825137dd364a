"""The networks of a model with their weights: float32, on the CPU, in evaluation mode. A LoRA comes with its base.

Knows which keys a network can do without; which files a model is made of, `catalogue.py` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from sovits_cli.checkpoints.bundle import Bundle, naming_pulled_model
from sovits_cli.checkpoints.catalogue import list_models
from sovits_cli.checkpoints.model_file import (
    ModelKind,
    expect_kind,
    find_weight_file,
    read_folder_config,
    read_model_file,
)
from sovits_cli.checkpoints.official import (
    CODEBOOK,
    CODEBOOK_STATISTICS,
    LORA_FACTORS,
    SovitsFile,
    read_gpt,
    read_sovits,
)
from sovits_cli.checkpoints.restricted_unpickler import printable
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
from sovits_cli.versions import DecoderKind, ModelVersion

N = TypeVar("N", bound=nn.Module)

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
    path, file = _sovits_path(source), read_whole_sovits(source)
    with config_errors(path):
        plan = plan_vits(file.config, file.version, posterior=posterior)
    return build_network(plan.make, file.weight, layers=plan.layers, source=path, optional=plan.optional)[0]


def load_flow(source: Bundle | Path) -> FlowModel:
    """Build the SoVITS model of a version with a flow, as `load_vits` does for the others."""
    path, file = _sovits_path(source), read_whole_sovits(source)
    with config_errors(path):
        plan = plan_flow(file.config, file.version)
    return build_network(plan.make, file.weight, layers=plan.layers, source=path, optional=plan.optional)[0]


def _sovits_path(source: Bundle | Path) -> Path:
    return source.sovits if isinstance(source, Bundle) else source


@dataclass(frozen=True)
class NetworkPlan(Generic[N]):
    """How a network is built, before anything is.

    Args:
        make: builds it, with fresh values.
        layers: of its longest stack, or more: no file may ask for more than it holds tensors.
        optional: beginnings of keys that it can do without.
        decoder: what makes its sound, for `inspect`.
    """

    make: Callable[[], N]
    layers: int
    optional: tuple[str, ...] = ()
    decoder: str = ""


def plan_vits(config: Mapping[str, Any], row: ModelVersion, *, posterior: bool = False) -> NetworkPlan[VitsModel]:
    """The network of a version that decodes in one go, by the configuration in its file. Raises DimensionError."""
    del row
    read = SovitsConfig.from_official(config)
    return NetworkPlan(
        partial(VitsModel, read, posterior=posterior), vits_layers(read), VITS_OPTIONAL_KEYS, read.decoder
    )


def plan_flow(config: Mapping[str, Any], row: ModelVersion, *, posterior: bool = False) -> NetworkPlan[FlowModel]:
    """The network of a version with a flow, which has no posterior encoder. Raises DimensionError."""
    del posterior
    read = FlowConfig.from_official(config, row)
    return NetworkPlan(partial(FlowModel, read), flow_layers(read), FLOW_OPTIONAL_KEYS, row.decoder.kind.value)


class DecoderPlan(Protocol):
    """Plans the network of a kind of decoder."""

    def __call__(self, config: Mapping[str, Any], row: ModelVersion, *, posterior: bool = False) -> NetworkPlan[Any]:
        """By the configuration in its file, and the row of its version."""


DECODER_PLANS: dict[DecoderKind, DecoderPlan] = {
    DecoderKind.VITS: plan_vits,
    DecoderKind.FLOW: plan_flow,
}
"""What checkpoints know of the kinds of decoders: here, and nowhere else."""


def load_vocoder(bundle: Bundle) -> Vocoder:
    """Build the vocoder of a model: float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: it has none, or its files are missing, broken, or of another kind.
    """
    row, path, kind = bundle.version, bundle.vocoder, bundle.version.decoder.vocoder
    if path is None or kind is None:
        raise ModelError(
            f"{bundle.name} has no vocoder: {row.name} speaks through one",
            code="model.not_installed",
            fields={"name": row.name},
        )
    vocoder_config = read_folder_config(path) if (path / "config.json").is_file() else {}
    contents = expect_kind(read_model_file(find_weight_file(path) if path.is_dir() else path), ModelKind.VOCODER)
    make = partial(VOCODERS[kind], vocoder_config)
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
    # content features (B, C, 2 S) -- ssl_proj, a convolution of stride 2 --> (B, C, S) -- nearest row of the codebook
    # --> tokens (B, S). Both are frozen in training: tokens of one family mean the same in all of its voices.
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


def merge_lora(base: Mapping[str, Tensor], lora: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """The weights of a model with a LoRA in it.

    Args:
        base: of the model that was tuned, by our keys.
        lora: of the LoRA, by our keys (see `our_lora_keys`); what it holds besides the factors replaces the base's.
        source: the LoRA's file, for messages.

    Raises:
        ModelError: the two do not belong together.
    """
    # Low-rank adaptation (Hu et al. 2021) adds to a frozen matrix the product of two thin ones:
    #
    #     W' = W + (alpha / r) B A        W (out, in)   A = lora_A (r, in)   B = lora_B (out, r)
    #
    # The official trainer sets alpha = r (s2_train_v3_lora.py, `LoraConfig(r=rank, lora_alpha=rank)`): the factor is 1.
    whole = {**base, **{key: value for key, value in lora.items() if not key.endswith(LORA_FACTORS)}}
    down, up = LORA_FACTORS
    for layer in {key.removesuffix(down).removesuffix(up) for key in lora if key.endswith(LORA_FACTORS)}:
        weight, first, second = whole.get(f"{layer}.weight"), lora.get(layer + down), lora.get(layer + up)
        if weight is None or first is None or second is None or not _fits(weight, first, second):
            raise ModelError(
                f"{source} does not fit its base model: {printable(layer)} is missing or of another shape or type",
                code="model.unfit",
                fields={"path": source},
            )
        whole[f"{layer}.weight"] = weight.float() + second.float() @ first.float()
    return whole


def _fits(weight: Tensor, first: Tensor, second: Tensor) -> bool:
    matrices = all(one.ndim == 2 and one.is_floating_point() for one in (weight, first, second))
    return matrices and (second.shape[0], first.shape[1]) == tuple(weight.shape) and first.shape[0] == second.shape[1]


def read_whole_sovits(source: Bundle | Path) -> SovitsFile:
    """Read the weights and the configuration of the SoVITS model; a LoRA is put into the model it was tuned from.

    Raises:
        ModelError: a file cannot be read, or the model that a LoRA belongs to is not there.
    """
    path, lora_bases = (source.sovits, source.lora_bases) if isinstance(source, Bundle) else (source, ())
    file = read_sovits(path, known_version=source.version if isinstance(source, Bundle) else None)
    if isinstance(source, Bundle) and file.version.name != source.version.name:
        with naming_pulled_model(path):
            raise ModelError(
                f"{path} is a {file.version.name} file, but {source.name} is said to be a {source.version.name} model",
                code="model.version_disagrees",
                fields={"path": path},
            )
    if not file.is_lora:
        return file
    is_whole = CODEBOOK in file.weight and "ssl_proj.weight" in file.weight  # a training state holds its base
    base = {} if is_whole else _base_file(path, file.version, lora_bases)
    return replace(file, weight=merge_lora(base, file.weight, path), is_lora=False)


def _base_file(lora: Path, row: ModelVersion, lora_bases: tuple[Path, ...]) -> Mapping[str, Tensor]:
    """The weights of the model that a LoRA was tuned from: the one it lies on, or the newest installed one."""
    # A voice may be tuned from a voice: each LoRA lies on the model before it, the bottom one on a whole model.
    if lora_bases:
        *lower, nearest = lora_bases
        file = read_sovits(nearest, known_version=row)
        if file.version == row and file.is_lora:
            return merge_lora(_base_file(nearest, row, tuple(lower)), file.weight, nearest)
        if file.version == row:
            return file.weight
    found, _ = list_models()  # a broken model is no base; `list` says what is wrong with it
    for one in found:
        if one.origin == "installed" and one.speaks and one.version == row:
            file = read_sovits(one.sovits, known_version=row)
            if not file.is_lora:
                return file.weight
    raise ModelError(
        f"{lora} is a LoRA, which needs the {row.name} model it was tuned from: none is installed",
        code="model.not_installed",
        fields={"name": row.name},
    )
