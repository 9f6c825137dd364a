"""The acoustic model of the VITS family: semantic tokens, phones and a style to a waveform; and its training pass.

VITS (Kim et al. 2021) with semantic tokens instead of an aligner; GPT-SoVITS, module/models.py, `SynthesizerTrn`.

Knows its dimensions and nothing of files, versions or losses. Key names are those of the official checkpoints.

Legend: B batch, T samples, F frames, S semantic tokens, P phones, C content channels, D hidden width, Z latent width,
G width of the style vector. Masks are True where a position counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sovits_cli.errors import ModelError
from sovits_cli.models.layers.attention import length_mask
from sovits_cli.models.layers.chunked import checkpoint
from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.models.sovits.acoustic_model import AcousticInputs, AcousticModel, tokens_to_frames
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoders import DECODERS, Decoder
from sovits_cli.models.sovits.encoders import PosteriorEncoder, blend_overlap, change_speed
from sovits_cli.models.sovits.flow import Flow
from sovits_cli.terms import FRAMES_PER_TOKEN


@dataclass(frozen=True)
class Latents:
    """Latents of a training pass with a posterior encoder: each (B, Z, F), zero in padding.

    Args:
        z: of the spectrogram.
        z_p: the same after the flow, to be likely under the prior.
        m_p: mean of the prior, from tokens and phones.
        logs_p: its log scale.
        m_q: mean of the posterior, from the spectrogram.
        logs_q: its log scale.
    """

    z: Tensor
    z_p: Tensor
    m_p: Tensor
    logs_p: Tensor
    m_q: Tensor
    logs_q: Tensor


@dataclass(frozen=True)
class SovitsOutput:
    """Result of a training pass.

    Args:
        wave: (B, 1, segment) decoded slice.
        slice_starts: (B,) int64, first frame of each slice.
        frame_mask: (B, F) bool, False in padding.
        quantized: (B, C, S) codebook entries.
        kl_ssl: () commitment loss; zero, as the codebook is frozen.
        latents: None where the slice was made from tokens and phones alone.
    """

    wave: Tensor
    slice_starts: Tensor
    frame_mask: Tensor
    quantized: Tensor
    kl_ssl: Tensor
    latents: Latents | None


@dataclass(frozen=True)
class StreamChunk:
    """One chunk of a streaming decode: samples (1, 1, T) and the hidden frames (1, D, F) they came from."""

    wave: Tensor
    hidden: Tensor


# inference   tokens, phones ─ prior encoder ─ z_p ~ N(m_p, s_p) ─ flow, inverse ─ z ─ decoder ─ wave
# training    spectrogram ─ posterior encoder ─ z ~ N(m_q, s_q) ─┬─ a slice ─ decoder ─ wave slice
#                                                               └─ flow ─ z_p, to be likely under N(m_p, s_p)
#
# The loss has KL( q(z | spectrogram) || p(z | tokens, phones) ): the posterior may keep of the spectrogram what the
# decoder needs, and the flow maps it to something as plain as tokens and phones can predict.
class VitsModel(AcousticModel):
    """The acoustic model.

    With `activation_checkpointing` training computes each part again in the backward pass: more time, less memory.

    Args:
        config: dimensions.
        posterior: build the posterior encoder too, which exported weights lack. With it training is that of VITS;
            without it the model learns what it does when it speaks: a waveform from tokens, phones and style.
    """

    def __init__(self, config: SovitsConfig, *, posterior: bool = True) -> None:
        super().__init__(config)
        self.activation_checkpointing = False
        self.dec: nn.Module = DECODERS[config.decoder](config)
        self.enc_q = PosteriorEncoder(config) if posterior else None
        self.flow = Flow(config)
        self.add_tokenizer_and_style_encoder()

    @torch.no_grad()
    def decode(
        self,
        tokens: Tensor,
        phones: Tensor,
        style: Tensor,
        *,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        noise: Tensor | torch.Generator | None = None,
    ) -> Tensor:
        """Speak.

        Args:
            tokens: (1, 1, S) int64 semantic tokens.
            phones: (1, P) int64 of the spoken text, without those of the reference.
            style: (1, G, 1).
            noise_scale: how much the latents may leave their mean; 0 draws nothing.
            speed: above 1 is faster.
            noise: (1, Z, F), or the generator to draw it from; one on the CPU gives the same noise on every device.

        Returns:
            (1, 1, T) samples; F * hop of them, F = 2 S, or int(2 S / speed) + 1 at another speed.

        Raises:
            ModelError: tokens or phones that the model does not have, or a speed that is not positive.
        """
        return self._render(self.encode(tokens, phones, style), style, noise_scale, speed, noise)

    @torch.no_grad()
    def decode_stream(
        self,
        tokens: Tensor,
        phones: Tensor,
        style: Tensor,
        *,
        last_tokens: int | None = None,
        overlap: Tensor | None = None,
        noise_scale: float = 0.5,
    ) -> StreamChunk:
        """Speak the newest part of a growing sequence of tokens (module/models.py, `decode_streaming`).

        Args:
            tokens: (1, 1, S) all tokens so far.
            phones: (1, P), as in `decode`.
            style: (1, G, 1).
            last_tokens: how many of the last tokens become sound; None is all of them.
            overlap: (1, D, L) last hidden frames of the previous chunk, faded into the first L of this one.
            noise_scale: as in `decode`.
        """
        hidden = self.encode(tokens, phones, style)
        if last_tokens is not None:
            hidden = hidden[..., -FRAMES_PER_TOKEN * last_tokens :]
        if overlap is not None:
            hidden = blend_overlap(hidden, overlap)
        return StreamChunk(wave=self._render(hidden, style, noise_scale, 1.0, None), hidden=hidden)

    def forward(
        self, clips: AcousticInputs, *, noise: Tensor | None = None, slice_starts: Tensor | None = None
    ) -> SovitsOutput:
        """The training pass: tokenize the content, encode, decode a slice: of the posterior where there is one.

        Args:
            clips: of at least a slice each.
            noise: (B, Z, F) used instead of a draw for the posterior.
            slice_starts: (B,) first frames of the slices, used instead of a draw.

        Raises:
            ModelError: shapes do not fit.
        """
        spec = clips.spec
        self._check_training_shapes(clips.features, spec)
        frame_mask = length_mask(clips.spec_lens, spec.shape[-1])
        factor = frame_mask[:, None].to(spec.dtype)
        style = self.add_speaker(self.ref_enc(spec[:, : self.config.style_bins] * factor, frame_mask), clips.speaker)

        quantized = self.quantizer.decode(self.extract_tokens(clips.features)[:, 0])
        phone_mask = length_mask(clips.phone_lens, clips.phones.shape[-1])
        content, for_text = tokens_to_frames(quantized), self.style_for_text(style)
        hidden = self._run(self.enc_p, content, frame_mask, clips.phones, phone_mask, for_text)
        prior = self.enc_p.prior(hidden, frame_mask)
        latents = None
        if self.enc_q is None:
            z = self._run(self.flow.inverse, prior.mean, factor, style)
        else:  # the style encoder learns from the prior and the decoder only, as the official `ge.detach()` has it
            posterior = self._run(self.enc_q, spec, frame_mask, style.detach())
            z = posterior.sample(torch.randn_like(posterior.mean) if noise is None else noise) * factor
            z_p = self._run(self.flow, z, factor, style)
            latents = Latents(z, z_p, prior.mean, prior.log_scale, posterior.mean, posterior.log_scale)

        frames = self.config.segment_frames
        starts = sample_slice_starts(clips.spec_lens, frames) if slice_starts is None else slice_starts
        return SovitsOutput(
            wave=self._run(self.dec, cut_slices(z, starts, frames), style),
            slice_starts=starts,
            frame_mask=frame_mask,
            quantized=quantized,
            kl_ssl=z.new_zeros(()),
            latents=latents,
        )

    def prepare_for_inference(self) -> None:
        """Take the fastest form that gives the same speech. The model can then no longer be trained or saved.

        Drops the posterior encoder, folds weight norm and lays the decoder out for the device it is on.
        """
        self.eval()
        self.enc_q = None
        fold_weight_norm(self)
        if isinstance(self.dec, Decoder):
            self.dec = self.dec.for_inference()

    def _run(self, part: Callable[..., Any], *inputs: Tensor) -> Any:
        again = self.activation_checkpointing and torch.is_grad_enabled()
        return checkpoint(part, *inputs) if again else part(*inputs)

    def _render(
        self, hidden: Tensor, style: Tensor, noise_scale: float, speed: float, noise: Tensor | torch.Generator | None
    ) -> Tensor:
        """Hidden frames (1, D, F) to samples (1, 1, T); the rest as in `decode`."""
        if not speed > 0:
            raise ModelError(f"speed is {speed}, expected more than 0")
        hidden = change_speed(hidden, speed)
        mask = torch.ones(hidden.shape[0], hidden.shape[-1], dtype=torch.bool, device=hidden.device)
        prior = self.enc_p.prior(hidden, mask)
        z_p = prior.mean
        if noise_scale > 0:
            z_p = prior.sample(noise if isinstance(noise, Tensor) else _sample_noise(z_p, noise), scale=noise_scale)
        factor = mask[:, None].to(z_p.dtype)
        wave: Tensor = self.dec(self.flow.inverse(z_p, factor, style), style)
        return wave

    def _check_training_shapes(self, features: Tensor, spec: Tensor) -> None:
        channels, bins, frames = self.config.content_channels, self.config.spec_channels, spec.shape[-1]
        if features.shape[1] != channels or spec.shape[1] != bins:
            raise ModelError(
                f"training batch of {features.shape[1]} content channels and {spec.shape[1]} spectrogram bins: "
                f"the model has {channels} and {bins}"
            )
        if features.shape[-1] != frames or frames % FRAMES_PER_TOKEN or frames < self.config.segment_frames:
            raise ModelError(
                f"training batch of {features.shape[-1]} content and {frames} spectrogram frames: "
                f"expected the same even number, {self.config.segment_frames} or more"
            )


def sample_slice_starts(lengths: Tensor, frames: int) -> Tensor:
    """Where a random slice of `frames` frames starts in each row: (B,) lengths -> (B,) int64; 0 in shorter rows."""
    room = (lengths - frames + 1).clamp(min=1)
    return (torch.rand(len(lengths), device=lengths.device) * room).long()


def cut_slices(x: Tensor, starts: Tensor, size: int) -> Tensor:
    """Cut a slice of `size` steps out of each row: (B, C, F) and (B,) starts -> (B, C, size)."""
    index = starts[:, None] + torch.arange(size, device=x.device)
    return x.gather(2, index[:, None].expand(-1, x.shape[1], -1))


def _sample_noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard-normal noise of the shape, type and device of `like`, drawn in float32 where the generator is."""
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, device=device).to(like)
