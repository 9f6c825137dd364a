"""The flow-matching acoustic model: semantic tokens, phones and a style to a condition, and that to a mel spectrogram.

Knows its dimensions and nothing of files, references or vocoders. Key names are those of the official checkpoints
(module/models.py, `SynthesizerTrnV3`).

Legend: B batch, F frames, S semantic tokens, P phones, C content channels, D hidden width, U width of the condition,
M mel bands, G width of the style vector, N bins of the spectrogram. Masks are True where a position counts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.config import CONDITION_LAYERS, FlowConfig
from sovits_cli.models.cfm.flow_matching import FlowMatching, TrainingNoise
from sovits_cli.models.layers.attention import length_mask
from sovits_cli.models.layers.wavenet import WaveNet
from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.models.sovits.acoustic_model import AcousticInputs, AcousticModel, tokens_to_frames
from sovits_cli.models.sovits.encoders import change_speed

BRIDGE_SLOPE = 0.01


# tokens (25 Hz) ─┐                                              frames of the mel spectrogram:
# phones ─────────┼─ prior encoder (50 Hz) ─ bridge ─ stretch ─ wns1 ─ condition (v3 93.75 Hz, v4 100 Hz)
# style ──────────┘                                                        │
#                                             prompt frames, noise ─ flow matching ─ mel frames
class FlowModel(AcousticModel):
    """The acoustic model up to its mel spectrogram."""

    def __init__(self, config: FlowConfig) -> None:
        prior, width = config.prior, config.dit.text_dim
        super().__init__(prior)
        self.add_tokenizer_and_style_encoder()
        self.flow_config = config
        self.bridge = nn.Sequential(nn.Conv1d(prior.hidden_channels, width, 1), nn.LeakyReLU(BRIDGE_SLOPE))
        self.wns1 = ConditionEncoder(width, prior.gin_channels)
        self.linear_mel = nn.Conv1d(width, config.dit.mel_dim, 1)  # in every official file, used by nothing
        self.cfm = FlowMatching(config.dit)

    @torch.no_grad()
    def condition(self, tokens: Tensor, phones: Tensor, style: Tensor, *, speed: float = 1.0) -> Tensor:
        """The condition of the flow for some tokens (official `decode_encp`).

        Args:
            tokens: (1, 1, S) int64 semantic tokens.
            phones: (1, P) int64 of what is spoken in them.
            style: (1, G, 1).
            speed: above 1 is faster.

        Returns:
            (1, U, F).

        Raises:
            ModelError: tokens or phones that the model does not have, or a speed that is not positive.
        """
        if not speed > 0:
            raise ModelError(f"speed is {speed}, expected more than 0")
        hidden = change_speed(self.encode(tokens, phones, style), speed)
        # the official length of the mask, which at other speeds may end before the frames do: those become zero
        valid = int(tokens.shape[-1] * self.flow_config.traits.mask_frames)
        valid = valid if speed == 1 else int(valid / speed) + 1
        return self._condition(hidden, torch.tensor([valid], device=hidden.device), style)

    def forward(self, clips: AcousticInputs, frames: Tensor, frame_lens: Tensor, draws: TrainingNoise) -> Tensor:
        """The training loss, ().

        Args:
            clips: what the condition is made of; of no speaker vectors.
            frames: (B, M, F) mel spectrogram to be made, scaled to -1..1.
            frame_lens: (B,) its valid frames.
            draws: of the size of `frames`.
        """
        mask = length_mask(clips.spec_lens, clips.spec.shape[-1])
        phone_mask = length_mask(clips.phone_lens, clips.phones.shape[-1])
        with torch.autocast(clips.spec.device.type, enabled=False):
            spec = clips.spec.float()
            style = self.ref_enc(spec[:, : self.config.style_bins] * mask[:, None], mask)
            with torch.no_grad():
                content = tokens_to_frames(self.quantizer.decode(self.extract_tokens(clips.features)[:, 0]))
                hidden = self.enc_p(content, mask, clips.phones, phone_mask, style)
        condition = self._condition(hidden, frame_lens, style)
        as_long = F.pad(condition, (0, frames.shape[-1] - condition.shape[-1]))
        return self.cfm.loss(frames, frame_lens, as_long, draws)

    def prepare_for_inference(self) -> None:
        """Take the fastest form that gives the same frames. The model can then no longer be trained or saved."""
        self.eval()
        fold_weight_norm(self)

    def _condition(self, hidden: Tensor, lens: Tensor, style: Tensor) -> Tensor:
        """Frames of the prior (B, D, 2 S) to the condition (B, U, F) at the frame rate of the mel spectrogram."""
        wide = F.interpolate(self.bridge(hidden), scale_factor=self.flow_config.traits.stretch, mode="nearest")
        out: Tensor = self.wns1(wide, length_mask(lens, wide.shape[-1]), style)
        return out


class ConditionEncoder(nn.Module):
    """Gated convolutions under a style (official `wns1`, module/models.py, `Encoder`)."""

    def __init__(self, channels: int, style_channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels, channels, 1)
        self.enc = WaveNet(channels, CONDITION_LAYERS, style_channels)
        self.proj = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Encode (B, U, F) with `style` (B, G, 1): (B, U, F), zero where `mask` (B, F) is False."""
        factor = mask[:, None].to(x.dtype)
        out: Tensor = self.proj(self.enc(self.pre(x) * factor, factor, style)) * factor
        return out


# LoRA (Hu et al. 2021): W (out, in) is frozen, A (rank, in) and B (out, rank) learn, and B is 0 at first. As in
# s2_train_v3_lora.py: every projection of attention, alpha = rank (so no further scale), no dropout, no bias. A rank of
# 32 beside a matrix of 1024 x 1024 is 6 % of its weights.
#
#     x --+--> W x + b --+--> y
#         '--> A --> B --'
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""Ends of the names of the layers that are tuned."""


class LoraLinear(nn.Linear):
    """A linear layer with its weights frozen and a low-rank addition that learns, zero at first."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.requires_grad_(requires_grad=False)
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (.., in) -> (.., out)."""
        # y = W x + b + B (A x)
        return super().forward(x) + F.linear(F.linear(x, self.lora_A), self.lora_B)


def add_lora(flow: nn.Module, rank: int) -> None:
    """Freeze the flow (`FlowMatching`) and give its attention low-rank additions, on the device of its weights."""
    flow.requires_grad_(requires_grad=False)
    for name, module in list(flow.named_modules()):
        if isinstance(module, nn.Linear) and name.endswith(TARGETS):
            parent, _, own = name.rpartition(".")
            setattr(flow.get_submodule(parent), own, LoraLinear(module, rank).to(module.weight.device))
