"""A small acoustic model for tests, of the shape of the bundled one: 16 kHz, 50 frames a second, istft decoder."""

from __future__ import annotations

import torch

from sovits_cli.models.sovits.acoustic_model import AcousticInputs
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel

SMALL = {
    "model": {
        "hidden_channels": 32,
        "inter_channels": 24,
        "filter_channels": 64,
        "n_layers": 2,
        "gin_channels": 32,
        "p_dropout": 0.0,
        "mrte_channels": 32,
        "style_channels": 32,
        "style_bins": 513,
        "content_channels": 20,
        "codebook_size": 50,
        "posterior_layers": 2,
        "flow_couplings": 2,
        "flow_layers": 2,
        "decoder": "istft",
        "istft_width": 32,
        "istft_layers": 2,
    },
    "data": {"sampling_rate": 16_000, "filter_length": 1024, "hop_length": 320, "n_mel_channels": 80},
    "train": {"segment_size": 3200},
}
"""Sections of the official form."""

HOP = 320


def small_model(*, posterior: bool = True) -> VitsModel:
    """A seeded small model with a filled codebook, in evaluation mode."""
    torch.manual_seed(0)
    model = VitsModel(SovitsConfig.from_official(SMALL), posterior=posterior)
    model.quantizer.fill(torch.randn(50, 20))
    return model.eval()


def tokens(count: int) -> torch.Tensor:
    return torch.arange(count).view(1, 1, -1) % 50


def phones(count: int) -> torch.Tensor:
    return torch.arange(count).view(1, -1)


def batch(frames: int, lens: list[int]) -> AcousticInputs:
    torch.manual_seed(1)
    rows = len(lens)
    return AcousticInputs(
        phones=torch.randint(0, 732, (rows, 12)),
        features=torch.randn(rows, 20, frames),
        spec=torch.rand(rows, 513, frames),
        spec_lens=torch.tensor(lens),
        phone_lens=torch.tensor([12, 7]),
    )
