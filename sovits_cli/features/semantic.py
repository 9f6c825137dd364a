"""Semantic tokens of a recording: content features through the acoustic model's codebook, 25 a second."""

from __future__ import annotations

import torch
from torch import Tensor

from sovits_cli.models.sovits.synthesizer import Synthesizer


def tokens(synthesizer: Synthesizer, ssl: Tensor) -> Tensor:
    """Content features (1, C, F) to int64 tokens (S,) on the CPU, S = F // 2."""
    with torch.inference_mode():
        return synthesizer.extract_latent(ssl)[0, 0].cpu()
