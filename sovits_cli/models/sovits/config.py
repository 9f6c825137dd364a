"""The dimensions of an acoustic model: enough to rebuild the network, read from and written to the official form.

Knows the keys of the official `model`, `data` and `train` sections; knows no file and no command.
Keys that the official program does not have are ours, sit in `model`, and mean the official value when absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any

from sovits_cli.models.dimensions import (
    ABSENT_OR_SIZE,
    DROPOUT,
    KERNEL,
    LAYERS,
    RATE_HZ,
    DimensionError,
    bounds,
    check_fields,
    check_relations,
    read_fields,
    upsampling_relations,
)
from sovits_cli.terms import SPEAKER_CHANNELS, MelSpec, SpectrogramSpec
from sovits_cli.versions import VERSIONS, SymbolTable

PHONES: dict[SymbolTable, int] = {SymbolTable.V1: 322, SymbolTable.V2: 732}
"""Rows of the phone embedding that go with each symbol table."""

_DATA = {"section": "data"}
_TRAIN = {"section": "train"}
_OURS = {"ours": True}

_NAME = "acoustic model configuration"

_FIXED = {
    "resblock": "1",
    "n_layers_q": 3,
    "use_spectral_norm": False,
    "semantic_frame_rate": "25hz",
    "freeze_quantizer": True,
}
"""Official keys that only ever have one value."""


@dataclass(frozen=True)
class SovitsConfig:
    """Dimensions of `VitsModel`. The defaults are those of the official v2 model.

    Args:
        n_layers: attention layers of the text encoder; the content encoder and the joint one have half as many.
        gin_channels: width of the style vector `ge`; equals `mrte_channels` where there is no speaker vector.
        flow_couplings: affine couplings of the flow, `flow_layers` gated convolutions in each.
        posterior_layers: gated convolutions of the posterior encoder.
        segment_size: samples of the slice that is decoded in training.
        content_channels: width of the content features and of the codebook.
        style_bins: lowest spectrogram bins that the style encoder reads.
        speaker_channels: width of the speaker vector that the style also comes from; 0 if it does not.
        phones: rows of the phone embedding.
        decoder: "hifigan" (official) or "istft" (ours, for small models).
        istft_width, istft_layers: width and depth of the istft decoder.
        istft_upsample: istft frames per spectrogram frame; the istft runs at hop `hop_length / istft_upsample`.
        istft_n_fft: size of the istft.
    """

    inter_channels: int = 192
    hidden_channels: int = 192
    filter_channels: int = 768
    n_heads: int = 2
    n_layers: int = field(default=6, metadata=bounds(2, 256))
    kernel_size: int = field(default=3, metadata=KERNEL)
    p_dropout: float = field(default=0.1, metadata=DROPOUT)
    resblock_kernel_sizes: tuple[int, ...] = field(default=(3, 7, 11), metadata=KERNEL)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = field(
        default=((1, 3, 5), (1, 3, 5), (1, 3, 5)), metadata=KERNEL
    )
    upsample_rates: tuple[int, ...] = field(default=(10, 8, 2, 2, 2), metadata=KERNEL)
    upsample_initial_channel: int = 512
    upsample_kernel_sizes: tuple[int, ...] = field(default=(16, 16, 8, 2, 2), metadata=KERNEL)
    gin_channels: int = 512

    sampling_rate: int = field(default=32_000, metadata=_DATA | RATE_HZ)
    filter_length: int = field(default=2048, metadata=_DATA)
    hop_length: int = field(default=640, metadata=_DATA)
    n_mel_channels: int = field(default=128, metadata=_DATA)
    segment_size: int = field(default=20_480, metadata=_TRAIN | bounds(1, 1 << 24))

    content_channels: int = field(default=768, metadata=_OURS)
    codebook_size: int = field(default=1024, metadata=_OURS)
    mrte_channels: int = field(default=512, metadata=_OURS)
    mrte_heads: int = field(default=4, metadata=_OURS)
    style_channels: int = field(default=128, metadata=_OURS)
    style_bins: int = field(default=704, metadata=_OURS)
    speaker_channels: int = field(default=0, metadata=_OURS | ABSENT_OR_SIZE)
    phones: int = field(default=732, metadata=_OURS)
    flow_couplings: int = field(default=4, metadata=_OURS | LAYERS)
    flow_layers: int = field(default=4, metadata=_OURS | LAYERS)
    posterior_layers: int = field(default=16, metadata=_OURS | LAYERS)
    decoder: str = field(default="hifigan", metadata=_OURS)
    istft_width: int = field(default=256, metadata=_OURS)
    istft_layers: int = field(default=8, metadata=_OURS | LAYERS)
    istft_upsample: int = field(default=2, metadata=_OURS)
    istft_n_fft: int = field(default=640, metadata=_OURS)

    def __post_init__(self) -> None:
        check_fields(self, _NAME)
        check_relations(_NAME, _relations(self))

    @property
    def spec(self) -> SpectrogramSpec:
        """Magnitude spectrogram of references and of the posterior encoder."""
        return SpectrogramSpec(sample_rate=self.sampling_rate, n_fft=self.filter_length, hop=self.hop_length)

    @property
    def mel(self) -> MelSpec:
        """Log-mel of the training loss."""
        return MelSpec(
            sample_rate=self.sampling_rate, n_fft=self.filter_length, hop=self.hop_length, mels=self.n_mel_channels
        )

    @property
    def spec_channels(self) -> int:
        """Bins of the spectrogram that the posterior encoder reads."""
        return self.filter_length // 2 + 1

    @property
    def segment_frames(self) -> int:
        """Frames of the slice that is decoded in training."""
        return self.segment_size // self.hop_length

    @classmethod
    def from_official(cls, config: Mapping[str, Any]) -> SovitsConfig:
        """Build from a configuration of the official form.

        Args:
            config: sections `model` (required), `data` and `train`. Unknown keys are ignored, as the official
                constructor does. `model.version`, where it names a row of the version table, sets the defaults
                of `style_bins`, `speaker_channels` and `phones`.

        Raises:
            DimensionError: no `model` section, a value of the wrong type, or values that contradict each other.
        """
        if not isinstance(config.get("model"), Mapping):
            raise DimensionError(f"{_NAME}: no section `model`", hint="is the file an official SoVITS .pth?")
        values: dict[str, Any] = {}
        for item in fields(cls):
            name = item.metadata.get("section", "model")
            section = config.get(name) or {}
            if not isinstance(section, Mapping):
                raise DimensionError(f"{_NAME}: `{name}` is no section")
            values[item.name] = section.get(item.name)
        if str(config["model"].get("resblock", "1")) != "1":
            raise DimensionError(f"{_NAME}: `model.resblock` is not '1', the only kind known")
        return cls(**_version_defaults(config["model"].get("version")) | read_fields(cls, values))

    def to_official(self) -> dict[str, dict[str, Any]]:
        """The sections `model`, `data` and `train`, as plain data; keys of ours only where they are not official."""
        sections: dict[str, dict[str, Any]] = {"model": dict(_FIXED), "data": {}, "train": {}}
        for item in fields(self):
            value = getattr(self, item.name)
            if not item.metadata.get("ours") or value != item.default:
                sections[item.metadata.get("section", "model")][item.name] = _plain(value)
        sections["data"]["win_length"] = self.filter_length
        return sections


def _version_defaults(name: object) -> dict[str, Any]:
    row = VERSIONS.get(name) if isinstance(name, str) else None
    if row is None:
        return {}
    return {
        "style_bins": row.style_bins,
        "speaker_channels": SPEAKER_CHANNELS if row.speaker_embedding else 0,
        "phones": PHONES[row.symbols],
    }


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _relations(config: SovitsConfig) -> dict[str, bool]:
    """What has to hold between dimensions, each in its range."""
    relations = {
        "`hidden_channels` must be a multiple of `n_heads`": config.hidden_channels % config.n_heads == 0,
        "`mrte_channels` must be a multiple of `mrte_heads`": config.mrte_channels % config.mrte_heads == 0,
        "`gin_channels` must equal `mrte_channels`, as there is no speaker vector": (
            config.speaker_channels > 0 or config.gin_channels == config.mrte_channels
        ),
        "`inter_channels` must be even": config.inter_channels % 2 == 0,
        "`style_channels` must be even": config.style_channels % 2 == 0,
        "`filter_length` must be even": config.filter_length % 2 == 0,
        "`hop_length` exceeds `filter_length`": config.hop_length <= config.filter_length,
        "`style_bins` exceeds the bins of the spectrogram": config.style_bins <= config.spec_channels,
        "`segment_size` is shorter than one frame": config.segment_frames >= 1,
        "`decoder` must be 'hifigan' or 'istft'": config.decoder in {"hifigan", "istft"},
    }
    if config.decoder == "hifigan":
        relations["the product of `upsample_rates` must equal `hop_length`"] = (
            prod(config.upsample_rates) == config.hop_length
        )
        relations |= upsampling_relations(config)
    if config.decoder == "istft":
        relations["`hop_length` must be a multiple of `istft_upsample`"] = (
            config.hop_length % config.istft_upsample == 0
        )
        relations["`istft_n_fft` must be even and at least twice its hop"] = (
            config.istft_n_fft % 2 == 0 and config.istft_n_fft >= 2 * config.hop_length // config.istft_upsample
        )
    return relations
