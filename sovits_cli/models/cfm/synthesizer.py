"""The flow-matching acoustic model: semantic codes, phones and a style to a condition, and that to a mel spectrogram.

Knows its dimensions and nothing of files, references or vocoders. Key names are those of the official checkpoints.
Legend: B batch, F mel frames, S semantic tokens, P phones, C content channels, U width of the condition, M mel bands,
G width of the style vector, N bins of the spectrogram. Masks say what to keep.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.config import CONDITION_LAYERS, FlowConfig
from sovits_cli.models.cfm.matching import Draws, FlowMatching
from sovits_cli.models.layers.masks import keep_mask
from sovits_cli.models.layers.wavenet import GatedStack
from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.models.sovits.coded import CodedModel, per_frame
from sovits_cli.models.sovits.encoders import change_speed

BRIDGE_SLOPE = 0.01


class FlowSynthesizer(CodedModel):
    """The acoustic model up to its mel spectrogram."""

    def __init__(self, config: FlowConfig) -> None:
        prior, width = config.prior, config.dit.text_dim
        super().__init__(prior)
        self.add_listening()
        self.flow_config = config
        self.bridge = nn.Sequential(nn.Conv1d(prior.hidden_channels, width, 1), nn.LeakyReLU(BRIDGE_SLOPE))
        self.wns1 = ConditionEncoder(width, prior.gin_channels)
        self.linear_mel = nn.Conv1d(width, config.dit.mel_dim, 1)  # in every official file, used by nothing
        self.cfm = FlowMatching(config.dit)

    @torch.no_grad()
    def condition(self, codes: Tensor, text: Tensor, ge: Tensor, *, speed: float = 1.0) -> Tensor:
        """What the flow is told about some codes.

        Args:
            codes: (1, 1, S) int64 semantic codes.
            text: (1, P) int64 phones of what is spoken in them.
            ge: (1, G, 1) style.
            speed: above 1 is faster.

        Returns:
            (1, U, F).

        Raises:
            ModelError: codes or phones that the model does not have, or a speed that is not positive.
        """
        if not speed > 0:
            raise ModelError(f"speed is {speed}, expected more than 0")
        hidden = change_speed(self.hidden(codes, text, ge), speed)
        kept = int(codes.shape[-1] * self.flow_config.traits.mask_frames)
        kept = kept if speed == 1 else int(kept / speed) + 1
        return self._condition(hidden, torch.tensor([kept], device=hidden.device), ge)

    def forward(
        self,
        ssl: Tensor,
        spec: Tensor,
        spec_lens: Tensor,
        text: Tensor,
        text_lens: Tensor,
        frames: Tensor,
        frame_lens: Tensor,
        draws: Draws,
    ) -> Tensor:
        """The training loss, ().

        Args:
            ssl: (B, C, T) content features at the frame rate of the spectrogram, T even.
            spec: (B, N, T) magnitude spectrogram; spec_lens: (B,) its valid frames.
            text: (B, P) int64 phones; text_lens: (B,) their number.
            frames: (B, M, F) mel spectrogram to be made, scaled to -1..1; frame_lens: (B,) its valid frames.
            draws: of the size of `frames`.
        """
        keep, text_keep = keep_mask(spec_lens, spec.shape[-1]), keep_mask(text_lens, text.shape[-1])
        with torch.autocast(spec.device.type, enabled=False):
            spec = spec.float()
            ge = self.ref_enc(spec[:, : self.config.style_bins] * keep[:, None], keep)
            with torch.no_grad():
                content = per_frame(self.quantizer.decode(self.extract_latent(ssl)[:, 0]))
                hidden = self.enc_p(content, keep, text, text_keep, ge)
        condition = self._condition(hidden, frame_lens, ge)
        as_long = F.pad(condition, (0, frames.shape[-1] - condition.shape[-1]))
        return self.cfm.loss(frames, frame_lens, as_long, draws)

    def prepare_for_inference(self) -> None:
        """Take the fastest form that gives the same frames. The model can then no longer be trained or saved."""
        self.eval()
        fold_weight_norm(self)

    def _condition(self, hidden: Tensor, lens: Tensor, ge: Tensor) -> Tensor:
        wide = F.interpolate(self.bridge(hidden), scale_factor=self.flow_config.traits.stretch, mode="nearest")
        out: Tensor = self.wns1(wide, keep_mask(lens, wide.shape[-1]), ge)
        return out


class ConditionEncoder(nn.Module):
    """Gated convolutions told the style: (B, U, F) -> (B, U, F), zero where `keep` is false."""

    def __init__(self, channels: int, style_channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels, channels, 1)
        self.enc = GatedStack(channels, CONDITION_LAYERS, style_channels)
        self.proj = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, keep: Tensor, ge: Tensor) -> Tensor:
        """Encode (B, U, F) with style (B, G, 1)."""
        places = keep[:, None].to(x.dtype)
        out: Tensor = self.proj(self.enc(self.pre(x) * places, places, ge)) * places
        return out
