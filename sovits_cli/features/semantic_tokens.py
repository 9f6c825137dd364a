"""Semantic tokens of a recording: content features through the frozen codebook of a family, 25 a second.

Legend: C channels, F frames, S tokens.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.nn import functional as F

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import read_quantizer_weights
from sovits_cli.checkpoints.official import CODEBOOK
from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.acoustic_model import Quantizer
from sovits_cli.terms import FRAMES_PER_TOKEN


class SemanticTokenizer:
    """The projection and the codebook of a bundle; the acoustic model around them is not built."""

    def __init__(self, bundle: Bundle, device: torch.device | str = "cpu") -> None:
        parts = read_quantizer_weights(bundle)
        self._channels = parts["ssl_proj.weight"].shape[1]
        self._names = bundle.sovits, bundle.content
        self._weight = parts["ssl_proj.weight"].to(device)
        self._bias = parts["ssl_proj.bias"].to(device)
        self._quantizer = Quantizer(*parts[CODEBOOK].shape).to(device)
        self._quantizer.fill(parts[CODEBOOK].to(device))
        self.key = _digest(parts["ssl_proj.weight"], parts["ssl_proj.bias"], parts[CODEBOOK])

    # GPT-SoVITS, module/models.py, `SynthesizerTrn.extract_latent`: a strided convolution makes one vector of two
    # frames, and the nearest row of the codebook is its token:
    #
    #     content   50 frames a second   | | | | | | | |
    #     ssl_proj  25 vectors a second  |   |   |   |        s = argmin_k |v - codebook[k]|^2
    def tokens(self, content: Tensor) -> Tensor:
        """Content features (1, C, F) to int64 tokens (S,) on the CPU, S = F // 2.

        Raises:
            ModelError: the features are those of another family's encoder.
        """
        if content.shape[1] != self._channels:
            sovits, encoder = self._names
            raise ModelError(
                f"{sovits} takes content features of {self._channels} channels, {encoder} gives {content.shape[1]}",
                hint="use the content encoder that the SoVITS model was trained with",
            )
        with torch.inference_mode():
            projected = F.conv1d(content.to(self._weight), self._weight, self._bias, stride=FRAMES_PER_TOKEN)
            return self._quantizer.encode(projected)[0].cpu()


def _digest(*tensors: Tensor) -> str:
    state = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        state.update(tensor.contiguous().numpy().tobytes())
    return state.hexdigest()
