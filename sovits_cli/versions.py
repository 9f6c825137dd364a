"""THE table of model versions. Plain data; rooms turn traits into code and never ask for a version by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sovits_cli.errors import ModelError
from sovits_cli.terms import MelSpec, SpecSpec


class SymbolTable(StrEnum):
    """The phone tables: 322 symbols (v1), 732 symbols (v2 and later)."""

    V1 = "v1"
    V2 = "v2"


class ContentKind(StrEnum):
    """Where content features come from."""

    HUBERT = "hubert"
    PHONETIC = "phonetic"


@dataclass(frozen=True)
class ModelVersion:
    """One row: what a version is made of.

    Args:
        name: how users call it.
        symbols: phone table.
        spec: magnitude spectrogram of references and of the posterior encoder.
        mel: log-mel of the training loss.
        style_bins: spectrogram bins that the style encoder reads.
        content: kind of the content encoder.
        header: first two bytes of an exported SoVITS file ("PK": a plain torch file).
        weights_suffix: end of the official export folders (`SoVITS_weights_v2`).
        repetition_penalty: how much repeated tokens are held back by default; 1 where they last for several steps.
        noise_scale: how far the decoder's latents may leave their mean when speaking; less is clearer and duller.
        prompted: whether the GPT continues the reference; not where tokens carry no voice.
    """

    name: str
    symbols: SymbolTable
    spec: SpecSpec
    mel: MelSpec
    style_bins: int
    content: ContentKind
    header: bytes
    weights_suffix: str
    repetition_penalty: float = 1.35
    noise_scale: float = 0.5
    prompted: bool = True


VERSIONS: dict[str, ModelVersion] = {
    row.name: row
    for row in (
        ModelVersion(
            name="v2",
            symbols=SymbolTable.V2,
            spec=SpecSpec(sample_rate=32_000, n_fft=2048, hop=640),
            mel=MelSpec(sample_rate=32_000, n_fft=2048, hop=640, mels=128),
            style_bins=704,
            content=ContentKind.HUBERT,
            header=b"PK",
            weights_suffix="_v2",
        ),
        ModelVersion(
            name="mini",
            symbols=SymbolTable.V2,
            spec=SpecSpec(sample_rate=16_000, n_fft=1024, hop=320),
            mel=MelSpec(sample_rate=16_000, n_fft=1024, hop=320, mels=80),
            style_bins=513,
            content=ContentKind.PHONETIC,
            header=b"PK",
            weights_suffix="_mini",
            repetition_penalty=1.0,
            noise_scale=0.25,
            prompted=False,
        ),
    )
}


def version(name: str) -> ModelVersion:
    """Look a version up by name. Raises ModelError, naming the known ones."""
    try:
        return VERSIONS[name]
    except KeyError:
        raise ModelError(
            f"unknown model version {name!r}: expected one of {', '.join(VERSIONS)}",
            hint="sovits models list",
        ) from None


@dataclass(frozen=True)
class Upstream:
    """What tells the official SoVITS files of one version from the others, also of versions not in the table above.

    Args:
        name: as in the official program.
        codes: two-byte codes that exports carry in place of `PK`.
        phones: rows of the phone embedding.
        flow_matching: its decoder is a flow-matching transformer (keys under `cfm.`).
        speaker_embedding: it takes a speaker vector (key `sv_emb.weight`).
        decoder_channels: rows of `dec.conv_pre.weight`, where that tells it from another.
    """

    name: str
    codes: tuple[bytes, ...]
    phones: int
    flow_matching: bool = False
    speaker_embedding: bool = False
    decoder_channels: int | None = None


UPSTREAM: tuple[Upstream, ...] = (
    Upstream("v1", codes=(b"00",), phones=322),
    Upstream("v2", codes=(b"01",), phones=732),
    Upstream("v2Pro", codes=(b"05",), phones=732, speaker_embedding=True, decoder_channels=512),
    Upstream("v2ProPlus", codes=(b"06",), phones=732, speaker_embedding=True, decoder_channels=768),
    Upstream("v3", codes=(b"02", b"03"), phones=732, flow_matching=True),
    Upstream("v4", codes=(b"04",), phones=732, flow_matching=True),
)
