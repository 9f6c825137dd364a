"""Model files looked into: what one says of itself, whether its weights fit the network, and the other container.

Builds networks without filling them, so that checking costs little more than one pass over the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.model_file import (
    ModelFile,
    ModelKind,
    expect_kind,
    normalise_key,
    read_folder_config,
    read_model,
    read_model_file,
)
from sovits_cli.checkpoints.networks import DECODER_PLANS, NetworkPlan, read_whole_sovits
from sovits_cli.checkpoints.official import to_half, with_version_name
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.checkpoints.weight_loading import (
    build_uninitialised,
    check_dtypes,
    check_keys,
    check_values,
    compare_keys,
    config_errors,
)
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.files import real_path
from sovits_cli.models import hubert
from sovits_cli.models.bert import Bert, BertConfig
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.eres2net import SpeakerEncoder
from sovits_cli.models.hubert import Hubert, HubertConfig
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.vocoders import VOCODERS
from sovits_cli.versions import VERSIONS, VocoderKind, version

SAFETENSORS_SUFFIX = ".safetensors"

OFFICIAL_SUFFIXES = {ModelKind.GPT: ".ckpt", ModelKind.SOVITS: ".pth", ModelKind.LORA: ".pth"}
"""Kinds that the official program reads from files of its own form, and the suffix it gives them."""


@dataclass(frozen=True)
class ModelSummary:
    """A model file in a few numbers.

    Args:
        what: its kind in words.
        version: name of the version, None where such files do not say.
        supported: whether this version can be run; None where there is no version.
        container: "torch" or "safetensors".
        magic: two-byte header that says the version, None if it has none.
        training: whether it is a training state.
        info: what its trainer wrote.
        keys, parameters: number of tensors, and of values in them.
        precision: number formats, the most used first.
        dimensions: sizes of the network, as far as they are known.
        config: the embedded configuration.
    """

    path: Path
    what: str
    version: str | None
    supported: bool | None
    container: str
    magic: str | None
    training: bool
    info: str
    size_bytes: int
    keys: int
    parameters: int
    precision: tuple[str, ...]
    lora_rank: int | None
    dimensions: Mapping[str, int | str]
    config: Mapping[str, object]


@dataclass(frozen=True)
class VerifiedFile:
    """A file whose weights fit the network of its version.

    Args:
        what: its kind and version in words.
        keys: tensors that the network takes.
        notes: keys that are absent or left over without harm, in words; empty if all fit.
    """

    path: Path
    what: str
    keys: int
    notes: str


def summarise_model(contents: ModelFile) -> ModelSummary:
    """Describe a file that was read."""
    formats = Counter(str(value.dtype).removeprefix("torch.") for value in contents.weight.values())
    return ModelSummary(
        path=contents.path,
        what=str(contents),
        version=contents.version,
        supported=None if contents.version is None else contents.version in VERSIONS,
        container=contents.container,
        magic=contents.magic.decode() if contents.magic.isdigit() else None,
        training=contents.training,
        info=contents.info,
        size_bytes=contents.path.stat().st_size,
        keys=len(contents.weight),
        parameters=sum(value.numel() for value in contents.weight.values()),
        precision=tuple(name for name, _ in formats.most_common()),
        lora_rank=contents.lora_rank,
        dimensions=_dimensions(contents),
        config=contents.config,
    )


def verify_model(path: Path) -> VerifiedFile:
    """Check that every key the network needs is there, in its shape, with finite values.

    Raises:
        ModelError: naming what does not fit; or that this kind of model cannot be checked.
    """
    contents = read_model(path)
    plan_of = _NETWORKS.get(contents.kind)
    if plan_of is None:
        raise ModelError(f"{path} is {contents}: there is no network to check it against", code="model.not_verifiable")
    expect_kind(contents, contents.kind)
    with config_errors(path):
        network = plan_of(contents)
    stored = read_whole_sovits(contents.path).weight if contents.kind is ModelKind.LORA else contents.weight
    weight = {_spelled(contents.kind, key): value for key, value in stored.items()}
    module = build_uninitialised(network.make, weight, layers=network.layers, source=path)
    report = check_keys(module, weight, optional=network.optional, source=path)
    check_dtypes(module, weight, source=path)
    check_values(module, weight, optional=network.optional, source=path, fresh=network.make)
    needed = compare_keys(module, {}).without(network.optional).missing
    return VerifiedFile(path, str(contents), len(needed), "" if report.complete else str(report))


def _dimensions(contents: ModelFile) -> dict[str, int | str]:
    """The sizes a user may ask for; nothing where the file has no usable config."""
    reader = _DIMENSIONS.get(contents.kind)
    try:
        return {} if reader is None or not contents.config else reader(contents)
    except (ModelError, TypeError, ValueError):
        return {}  # inspect shows what can be shown; verify says what is wrong


def _gpt_dimensions(contents: ModelFile) -> dict[str, int | str]:
    read_config = T2SConfig.from_official(contents.config)
    return {
        "layers": read_config.layers,
        "width": read_config.width,
        "heads": read_config.heads,
        "phones": read_config.phones,
        "tokens": read_config.eos,
        "text_features": read_config.bert_dim,
    }


def _sovits_dimensions(contents: ModelFile) -> dict[str, int | str]:
    row = version(contents.version or "")
    config = with_version_name(contents.config, row)
    read_config = SovitsConfig.from_official(config)
    return {
        "sample_rate_hz": row.decoder.output_rate or read_config.sampling_rate,
        "hop_samples": read_config.hop_length,
        "phones": read_config.phones,
        "tokens": read_config.codebook_size,
        "content_channels": read_config.content_channels,
        "style_width": read_config.gin_channels,
        "decoder": DECODER_PLANS[row.decoder.kind](config, row).decoder,
    }


_DIMENSIONS: dict[ModelKind, Callable[[ModelFile], dict[str, int | str]]] = {
    ModelKind.GPT: _gpt_dimensions,
    ModelKind.SOVITS: _sovits_dimensions,
    ModelKind.LORA: _sovits_dimensions,
}


def _gpt(contents: ModelFile) -> NetworkPlan[nn.Module]:
    config = T2SConfig.from_official(contents.config)
    return NetworkPlan(lambda: Text2Semantic(config), config.layers)


def _sovits(contents: ModelFile) -> NetworkPlan[nn.Module]:
    row = version(contents.version or "")
    posterior = any(key.startswith("enc_q.") for key in contents.weight)
    return DECODER_PLANS[row.decoder.kind](with_version_name(contents.config, row), row, posterior=posterior)


def _discriminator(contents: ModelFile) -> NetworkPlan[nn.Module]:
    members = {key.split(".")[1] for key in contents.weight if key.startswith("discriminators.")}
    # The scale discriminator and one for each period: 6 of most versions, 8 of v2Pro.
    known = sorted((row.discriminator_periods for row in VERSIONS.values()), key=len)
    periods = next((periods for periods in known if len(periods) + 1 >= len(members)), known[-1])
    return NetworkPlan(lambda: Discriminators(periods), layers=len(members))


def _speaker(contents: ModelFile) -> NetworkPlan[nn.Module]:
    del contents  # one size is published
    return NetworkPlan(SpeakerEncoder, layers=0, optional=("seg_1.",))


def _vocoder(contents: ModelFile) -> NetworkPlan[nn.Module]:
    folder = contents.path.parent
    vocoder_config = read_folder_config(folder) if (folder / "config.json").is_file() else {}
    anti_aliased = any(key.startswith("activation_post.") for key in contents.weight)
    kind = VocoderKind.BIGVGAN if anti_aliased else VocoderKind.HIFIGAN
    return NetworkPlan(partial(VOCODERS[kind], vocoder_config), layers=0)


def _phonetic(contents: ModelFile) -> NetworkPlan[nn.Module]:
    config = PhoneticConfig.from_dict(dict(contents.config))
    return NetworkPlan(lambda: PhoneticEncoder(config), config.layers, ("ssl_proj.", "quantizer."))


def _hubert(contents: ModelFile) -> NetworkPlan[nn.Module]:
    config = HubertConfig.from_dict(read_folder_config(contents.path.parent))
    return NetworkPlan(lambda: Hubert(config), config.num_hidden_layers, hubert.UNUSED_KEYS)


def _bert(contents: ModelFile) -> NetworkPlan[nn.Module]:
    config = BertConfig.from_dict(read_folder_config(contents.path.parent))
    return NetworkPlan(lambda: Bert(config), config.num_hidden_layers, config.unused_keys)


_NETWORKS: dict[ModelKind, Callable[[ModelFile], NetworkPlan[nn.Module]]] = {
    ModelKind.GPT: _gpt,
    ModelKind.SOVITS: _sovits,
    ModelKind.LORA: _sovits,
    ModelKind.DISCRIMINATOR: _discriminator,
    ModelKind.PHONETIC: _phonetic,
    ModelKind.HUBERT: _hubert,
    ModelKind.BERT: _bert,
    ModelKind.SPEAKER: _speaker,
    ModelKind.VOCODER: _vocoder,
}

_PREFIXES = {ModelKind.HUBERT: "hubert.", ModelKind.BERT: "bert."}


def _spelled(kind: ModelKind, key: str) -> str:
    return normalise_key(key, _PREFIXES[kind]) if kind in _PREFIXES else key


def convert_model(source: Path, target: Path) -> str:
    """Write a model file in the other container.

    Args:
        target: its suffix says the container.

    Returns:
        What was written, in words.

    Raises:
        ModelError: the source cannot be read, or has no official form.
        UsageError: the target is the source, or its suffix says no container.
    """
    if target.exists() and real_path(target) == real_path(source):
        raise UsageError(f"{target} would be written over itself", hint="name another file")
    contents = read_model_file(source)
    if target.suffix == SAFETENSORS_SUFFIX:
        return _to_safetensors(contents, target)
    if target.suffix not in OFFICIAL_SUFFIXES.values():
        raise UsageError(
            f"{target} says no container: expected {SAFETENSORS_SUFFIX}, .ckpt (GPT) or .pth (SoVITS)",
            code="model.convert_suffix",
            fields={"source": source, "target": f"{source.stem}{SAFETENSORS_SUFFIX}"},
        )
    suffix = OFFICIAL_SUFFIXES.get(contents.kind)
    if suffix != target.suffix:
        raise ModelError(
            f"{source} is {contents}, which the official program does not read from a {target.suffix} file",
            code="model.convert_suffix",
            fields={"source": source, "target": target.with_suffix(suffix or SAFETENSORS_SUFFIX)},
        )
    return _to_official(contents, target)


def _to_safetensors(contents: ModelFile, target: Path) -> str:
    """Any kind can be written as safetensors; what the file says of itself goes along."""
    weight, config, version, description = _whole_model(contents)
    metadata: dict[str, object] = {"kind": contents.kind.name.lower(), "config": config, "info": contents.info}
    save_safetensors(target, weight, metadata if version is None else {**metadata, "version": version})
    return description


def _to_official(contents: ModelFile, target: Path) -> str:
    if contents.kind is ModelKind.GPT:
        file = official.read_gpt(contents.path)
        official.write_gpt(target, file.weight, file.config, info=file.info)
        return str(contents)
    whole = read_whole_sovits(contents.path)
    official.write_sovits(target, whole.weight, whole.config, info=whole.info, version=whole.version)
    return f"a SoVITS model ({whole.version.name})"


def _whole_model(contents: ModelFile) -> tuple[Mapping[str, Tensor], Mapping[str, Any], str | None, str]:
    """Weights, configuration, version and a description; a LoRA comes with its base, in half precision as files are."""
    if contents.kind is ModelKind.LORA:
        file = read_whole_sovits(contents.path)
        weight = {key: to_half(value) for key, value in file.weight.items()}
        return weight, file.config, file.version.name, f"a SoVITS model ({file.version.name})"
    expect_kind(contents, contents.kind)
    # Of two versions with the same tensors none is written down: the reader is to ask again.
    known_version = contents.version if len(contents.versions) == 1 else None
    return contents.weight, contents.config, known_version, str(contents)
