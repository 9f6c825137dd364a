"""The acoustic model of the VITS family: semantic codes, phones and a style to a waveform; and its training pass.

Knows its dimensions and nothing of files, versions or losses. Key names are those of the official checkpoints.
Legend: B batch, T samples, F frames, S semantic tokens, P phones, C content channels, Z latent width,
G width of the style vector, V width of the speaker vector, N bins of the spectrogram. Masks say what to keep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sovits_cli.errors import ModelError
from sovits_cli.models.layers.blockwise import recomputed
from sovits_cli.models.layers.masks import keep_mask
from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.models.sovits.coded import CodedModel, per_frame
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoder import Decoder
from sovits_cli.models.sovits.encoders import PosteriorEncoder, blend_overlap, change_speed
from sovits_cli.models.sovits.flow import Flow
from sovits_cli.models.sovits.generator import Generator
from sovits_cli.models.sovits.istft import IstftGenerator
from sovits_cli.terms import FRAMES_PER_TOKEN

DECODERS: dict[str, Callable[[SovitsConfig], Decoder]] = {"hifigan": Generator, "istft": IstftGenerator}


@dataclass(frozen=True)
class Latents:
    """Latents of a training pass with a posterior encoder: each (B, Z, F), zero in padding.

    Args:
        z: of the spectrogram.
        z_p: the same after the flow, to be likely under the prior.
        m_p, logs_p: prior, from codes and text.
        m_q, logs_q: posterior, from the spectrogram.
    """

    z: Tensor
    z_p: Tensor
    m_p: Tensor
    logs_p: Tensor
    m_q: Tensor
    logs_q: Tensor


@dataclass(frozen=True)
class SovitsOutput:
    """What a training pass gives.

    Args:
        wave: (B, 1, segment) decoded slice.
        ids_slice: (B,) int64, first frame of each slice.
        keep: (B, F) bool, frames that are not padding.
        quantized: (B, C, S) codebook entries.
        kl_ssl: () commitment loss; zero, as the codebook is frozen.
        latents: None where the slice was made from codes and text alone.
    """

    wave: Tensor
    ids_slice: Tensor
    keep: Tensor
    quantized: Tensor
    kl_ssl: Tensor
    latents: Latents | None


@dataclass(frozen=True)
class StreamPiece:
    """One piece of a streaming decode: samples (1, 1, T) and the hidden frames (1, D, F) they came from."""

    wave: Tensor
    hidden: Tensor


class Synthesizer(CodedModel):
    """The acoustic model.

    With `checkpointing` training computes each part again in the backward pass: more time, less memory.

    Args:
        config: dimensions.
        posterior: build the posterior encoder too, which exported weights lack. With it training is that of VITS;
            without it the model learns what it does when it speaks: a waveform from codes, text and style.
    """

    def __init__(self, config: SovitsConfig, *, posterior: bool = True) -> None:
        super().__init__(config)
        self.checkpointing = False
        self.dec: nn.Module = DECODERS[config.decoder](config)
        self.enc_q = PosteriorEncoder(config) if posterior else None
        self.flow = Flow(config)
        self.add_listening()

    @torch.no_grad()
    def decode(
        self,
        codes: Tensor,
        text: Tensor,
        ge: Tensor,
        *,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Speak.

        Args:
            codes: (1, 1, S) int64 semantic codes.
            text: (1, P) int64 phones of the spoken text, without those of the reference.
            ge: (1, G, 1) style.
            noise_scale: how much the latents may leave their mean; 0 draws nothing.
            speed: above 1 is faster.
            noise: (1, Z, F) used instead of a draw.
            generator: where the draw comes from; one on the CPU gives the same noise on every device.

        Returns:
            (1, 1, T) samples; F * hop of them, F = 2 S, or int(2 S / speed) + 1 at another speed.

        Raises:
            ModelError: codes or phones that the model does not have, or a speed that is not positive.
        """
        hidden = self.hidden(codes, text, ge)
        return self._render(hidden, ge, noise_scale=noise_scale, speed=speed, noise=noise, generator=generator)

    @torch.no_grad()
    def decode_stream(
        self,
        codes: Tensor,
        text: Tensor,
        ge: Tensor,
        *,
        last_tokens: int | None = None,
        overlap: Tensor | None = None,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> StreamPiece:
        """Speak the newest part of a growing sequence of codes.

        Args:
            codes: (1, 1, S) all codes so far.
            text, ge, noise_scale, speed, generator: as in `decode`.
            last_tokens: how many of the last tokens become sound; None is all of them.
            overlap: (1, D, L) last hidden frames of the previous piece, faded into the first L of this one.
        """
        hidden = self.hidden(codes, text, ge)
        if last_tokens is not None:
            hidden = hidden[..., -FRAMES_PER_TOKEN * last_tokens :]
        if overlap is not None:
            hidden = blend_overlap(hidden, overlap)
        wave = self._render(hidden, ge, noise_scale=noise_scale, speed=speed, noise=None, generator=generator)
        return StreamPiece(wave=wave, hidden=hidden)

    def forward(
        self,
        ssl: Tensor,
        spec: Tensor,
        spec_lens: Tensor,
        text: Tensor,
        text_lens: Tensor,
        *,
        speaker: Tensor | None = None,
        noise: Tensor | None = None,
        ids_slice: Tensor | None = None,
    ) -> SovitsOutput:
        """The training pass: code the content, encode, decode a slice: of the posterior where there is one.

        Args:
            ssl: (B, C, F) content features at the frame rate of the spectrogram, F even.
            spec: (B, N, F) magnitude spectrogram; spec_lens: (B,) its valid frames.
            text: (B, P) int64 phones; text_lens: (B,) their number.
            speaker: (B, V) speaker vectors, where the model takes them.
            noise: (B, Z, F) used instead of a draw for the posterior.
            ids_slice: (B,) first frames of the slices, used instead of a draw.

        Raises:
            ModelError: shapes do not fit.
        """
        self._check_training_shapes(ssl, spec)
        keep, text_keep = keep_mask(spec_lens, spec.shape[-1]), keep_mask(text_lens, text.shape[-1])
        places = keep[:, None].to(spec.dtype)
        ge = self.with_speaker(self.ref_enc(spec[:, : self.config.style_bins] * places, keep), speaker)

        quantized = self.quantizer.decode(self.extract_latent(ssl)[:, 0])
        hidden = self._run(self.enc_p, per_frame(quantized), keep, text, text_keep, self.for_text(ge))
        prior = self.enc_p.prior(hidden, keep)
        latents = None
        if self.enc_q is None:
            z = self._run(self.flow.inverse, prior.mean, places, ge)
        else:  # the style encoder learns from the prior and the decoder only
            posterior = self._run(self.enc_q, spec, keep, ge.detach())
            z = posterior.sample(torch.randn_like(posterior.mean) if noise is None else noise) * places
            z_p = self._run(self.flow, z, places, ge)
            latents = Latents(z, z_p, prior.mean, prior.log_scale, posterior.mean, posterior.log_scale)

        frames = self.config.segment_frames
        ids_slice = draw_slices(spec_lens, frames) if ids_slice is None else ids_slice
        return SovitsOutput(
            wave=self._run(self.dec, slices(z, ids_slice, frames), ge),
            ids_slice=ids_slice,
            keep=keep,
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
        return recomputed(part, *inputs) if self.checkpointing and torch.is_grad_enabled() else part(*inputs)

    def _render(
        self,
        hidden: Tensor,
        ge: Tensor,
        *,
        noise_scale: float,
        speed: float,
        noise: Tensor | None,
        generator: torch.Generator | None,
    ) -> Tensor:
        if not speed > 0:
            raise ModelError(f"speed is {speed}, expected more than 0")
        hidden = change_speed(hidden, speed)
        keep = torch.ones(hidden.shape[0], hidden.shape[-1], dtype=torch.bool, device=hidden.device)
        prior = self.enc_p.prior(hidden, keep)
        z_p = prior.mean
        if noise_scale > 0:
            z_p = prior.sample(_draw(z_p, generator) if noise is None else noise, scale=noise_scale)
        places = keep[:, None].to(z_p.dtype)
        wave: Tensor = self.dec(self.flow.inverse(z_p, places, ge), ge)
        return wave

    def _check_training_shapes(self, ssl: Tensor, spec: Tensor) -> None:
        channels, bins, frames = self.config.content_channels, self.config.spec_channels, spec.shape[-1]
        if ssl.shape[1] != channels or spec.shape[1] != bins:
            raise ModelError(
                f"training batch of {ssl.shape[1]} content channels and {spec.shape[1]} spectrogram bins: "
                f"the model has {channels} and {bins}"
            )
        if ssl.shape[-1] != frames or frames % FRAMES_PER_TOKEN or frames < self.config.segment_frames:
            raise ModelError(
                f"training batch of {ssl.shape[-1]} content and {frames} spectrogram frames: "
                f"expected the same even number, {self.config.segment_frames} or more"
            )


def draw_slices(lengths: Tensor, frames: int) -> Tensor:
    """Where a random slice of `frames` frames starts in each row: (B,) lengths -> (B,) int64; 0 in shorter rows."""
    room = (lengths - frames + 1).clamp(min=1)
    return (torch.rand(len(lengths), device=lengths.device) * room).long()


def slices(x: Tensor, starts: Tensor, size: int) -> Tensor:
    """Cut a slice of `size` steps out of each row: (B, C, F) and (B,) starts -> (B, C, size)."""
    places = starts[:, None] + torch.arange(size, device=x.device)
    return x.gather(2, places[:, None].expand(-1, x.shape[1], -1))


def _draw(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard-normal noise of the shape, type and device of `like`, drawn in float32 where the generator is."""
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, device=device).to(like)
