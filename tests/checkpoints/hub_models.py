"""Every file that can be pulled, at tiny size: of the right kind and version, under its published name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from sovits_cli.checkpoints import registry
from sovits_cli.checkpoints.registry import PublishedModel
from sovits_cli.models.eres2net import SpeakerConfig, SpeakerEncoder
from sovits_cli.models.sovits.config import PHONES
from sovits_cli.versions import VERSIONS, VocoderKind
from tests.checkpoints import synthetic, synthetic_flow

BIGVGAN = {
    "num_mels": 100,
    "upsample_rates": [4, 4, 2, 2, 2, 2],
    **synthetic_flow.TINY_VOCODERS[VocoderKind.BIGVGAN],
}
SPEAKER = SpeakerConfig(channels=16, blocks=(1, 1, 1, 1), classes=4)


def published(folder: Path) -> dict[str, bytes]:
    """Files by `repository/path`; `folder` is worked in."""
    found: dict[str, bytes] = {}
    for row in registry.REGISTRY.values():
        for name, part in row.parts.items():
            for file in part.files:
                found.setdefault(f"{part.repo}/{file}", _WRITERS[name](folder / name / row.name, row, file))
    return found


def without_pins() -> dict[str, PublishedModel]:
    """The table, with nothing known beforehand: tiny files begin otherwise than the published ones."""
    return {
        row.name: replace(row, parts={name: replace(part, pins={}) for name, part in row.parts.items()})
        for row in registry.REGISTRY.values()
    }


def _gpt(folder: Path, row: PublishedModel, file: str) -> bytes:
    del row, file
    synthetic.write_gpt(folder / "gpt.ckpt", synthetic.TINY_GPT)
    return (folder / "gpt.ckpt").read_bytes()


def _sovits(folder: Path, row: PublishedModel, file: str) -> bytes:
    del file
    path, version = folder / "sovits.pth", VERSIONS[row.version]
    if version.decoder.vocoder is not None:
        synthetic_flow.write_flow(path, row.version)
    else:
        synthetic.write_sovits(
            path, replace(synthetic.TINY_SOVITS, phones=PHONES[version.symbols]), version=row.version
        )
        if version.magic:
            synthetic.recode(path, version.magic)
    return path.read_bytes()


def _folder(write: Callable[[Path], object]) -> Callable[[Path, PublishedModel, str], bytes]:
    """A part of several files."""

    def one(folder: Path, row: PublishedModel, file: str) -> bytes:
        del row
        if not folder.exists():
            write(folder)
        return (folder / file.rpartition("/")[2]).read_bytes()

    return one


def _speaker(folder: Path, row: PublishedModel, file: str) -> bytes:
    del row, file
    return _saved(folder, synthetic.filled(SpeakerEncoder(SPEAKER)))


def _discriminator(folder: Path, row: PublishedModel, file: str) -> bytes:
    del row, file
    return _saved(folder, {"weight": {"discriminators.0.convs.0.bias": torch.ones(2)}})


def _vocoder(folder: Path, row: PublishedModel, file: str) -> bytes:
    vocoder = VERSIONS[row.version].decoder.vocoder
    assert vocoder is not None
    if not folder.exists():
        synthetic_flow.write_vocoder(folder, vocoder)
        (folder / "config.json").write_text(json.dumps(BIGVGAN))
    return (folder / file.rpartition("/")[2]).read_bytes()


def _saved(folder: Path, whole: object) -> bytes:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(whole, folder / "a.pth")
    return (folder / "a.pth").read_bytes()


_WRITERS: dict[str, Callable[[Path, PublishedModel, str], bytes]] = {
    "gpt": _gpt,
    "sovits": _sovits,
    "content": _folder(synthetic.write_hubert),
    "bert": _folder(synthetic.write_bert),
    "speaker": _speaker,
    "vocoder": _vocoder,
    "discriminator": _discriminator,
}
