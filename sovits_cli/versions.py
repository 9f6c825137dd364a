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
    """

    name: str
    symbols: SymbolTable
    spec: SpecSpec
    mel: MelSpec
    style_bins: int
    content: ContentKind
    header: bytes
    weights_suffix: str


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
