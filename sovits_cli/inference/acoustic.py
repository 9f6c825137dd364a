"""The acoustic half of a voice: what it hears in a reference, and how it makes sound of tokens. One kind a decoder.

Legend: T samples, P phones, S semantic tokens, F mel frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sovits_cli.audio.mel import log_mel, magnitude_spectrogram, scale_log_mel
from sovits_cli.audio.reader import read_spans
from sovits_cli.audio.resampling import sinc_resample
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import load_flow, load_vits, load_vocoder
from sovits_cli.features import speaker
from sovits_cli.inference.flow import FlowPrompt, FlowSampling, cut_prompt, parallel_chunks, sequential, vocoded
from sovits_cli.inference.reference import Reference
from sovits_cli.versions import DecoderKind

MAX_PEAK_DIVISOR = 2.0
"""A reference over full scale is scaled down, by no more than this (official)."""


@dataclass(frozen=True)
class FlowSettings:
    """How flows are followed; models without one have no use for it.

    Args:
        steps: None is what the version is used with.
        guidance: see `FlowSampling`.
        parallel: make the chunks of a sentence side by side.
    """

    steps: int | None = None
    guidance: float = 0.0
    parallel: bool = False


@dataclass(frozen=True)
class PromptTokens:
    """What is said in a reference: phones (P,) and the semantic tokens (S,) of its window."""

    phones: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class SpeakerStyle:
    """How a reference sounds: its style vector (1, G, 1), and what a flow goes on from."""

    style: Tensor
    prompt: FlowPrompt | None = None


class Acoustic(Protocol):
    """Tokens to sound, in the timbre of a reference."""

    rate: int
    """Sample rate of the sound."""

    network: nn.Module
    """For counting its numbers."""

    needs_prompt: bool
    """Whether it needs to know what is said in the reference."""

    def style(self, reference: Reference, known: PromptTokens | None) -> SpeakerStyle:
        """Listen to a reference."""

    def wave(self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, *, speed: float, seed: int) -> np.ndarray:
        """Tokens (S,) of a sentence with its phones (P,) to samples (T,) float32."""


class VitsAcoustic:
    """Tokens to sound in one network."""

    needs_prompt = False

    def __init__(self, bundle: Bundle, device: torch.device, settings: FlowSettings) -> None:
        del settings  # of flows
        self._device = device
        self._model = load_vits(bundle).to(device)
        self._model.prepare_for_inference()
        self._noise_scale = bundle.version.noise_scale
        self._speakers = speaker.load(bundle, device) if bundle.version.speaker_embedding else None
        self.network: nn.Module = self._model
        self.rate = self._model.config.sampling_rate

    def style(self, reference: Reference, known: PromptTokens | None) -> SpeakerStyle:
        """Average the style over the reference's stretches."""
        del known
        spec = self._model.config.spec
        refers, speakers = [], []
        for wave in _stretches(reference, spec.sample_rate):
            refers.append(magnitude_spectrogram(wave[None], spec).to(self._device))
            if self._speakers is not None:
                speakers.append(self._speakers.vector(wave, spec.sample_rate).to(self._device))
        return SpeakerStyle(self._model.encode_style(refers, speakers))

    def wave(self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, *, speed: float, seed: int) -> np.ndarray:
        """Decode."""
        with torch.inference_mode():
            made = self._model.decode(
                tokens.to(self._device)[None, None],
                phones.to(self._device)[None],
                style.style,
                noise_scale=self._noise_scale,
                speed=speed,
                noise=torch.Generator().manual_seed(seed),
            )
        samples: np.ndarray = made[0, 0].float().cpu().numpy()
        return samples


class FlowAcoustic:
    """Tokens to a mel spectrogram along a flow that goes on from the reference's, and a vocoder."""

    needs_prompt = True

    def __init__(self, bundle: Bundle, device: torch.device, settings: FlowSettings) -> None:
        self._device = device
        self._model = load_flow(bundle).to(device)
        self._model.prepare_for_inference()
        self._vocoder = load_vocoder(bundle).to(device).requires_grad_(requires_grad=False).for_inference()
        traits = self._model.flow_config.traits
        steps = traits.sampler_steps if settings.steps is None else settings.steps
        self._manner = FlowSampling(traits.chunk_frames, steps, settings.guidance)
        self._parallel = settings.parallel
        self.network: nn.Module = nn.ModuleList([self._model, self._vocoder])
        self.rate = traits.output_rate

    def style(self, reference: Reference, known: PromptTokens | None) -> SpeakerStyle:
        """Average the style over the reference's stretches; what is said in its window is the prompt."""
        assert known is not None
        config = self._model.flow_config
        with torch.inference_mode():
            spec = self._model.config.spec
            waves = _stretches(reference, spec.sample_rate)
            style = self._model.encode_style(
                [magnitude_spectrogram(wave[None], spec).to(self._device) for wave in waves]
            )
            tokens, phones = known.tokens.to(self._device)[None, None], known.phones.to(self._device)[None]
            condition = self._model.condition(tokens, phones, style)
            (window,) = read_spans(reference.path, (reference.window,))
            wave = sinc_resample(torch.from_numpy(window), reference.rate, config.mel.sample_rate)
            frames = scale_log_mel(log_mel(wave[None].to(self._device), config.mel))
        return SpeakerStyle(style, cut_prompt(condition, frames, config.traits.prompt_frames))

    def wave(self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, *, speed: float, seed: int) -> np.ndarray:
        """Follow the flow."""
        assert style.prompt is not None
        drawn = torch.Generator().manual_seed(seed)
        with torch.inference_mode():
            condition = self._model.condition(
                tokens.to(self._device)[None, None], phones.to(self._device)[None], style.style, speed=speed
            )
            following = (self._model.cfm, condition, style.prompt, self._manner, _noise_from(drawn))
            if self._parallel:
                return parallel_chunks(self._vocoder, *following, hop=self._model.flow_config.hop)
            return vocoded(self._vocoder, sequential(*following))


ACOUSTICS: dict[DecoderKind, Callable[[Bundle, torch.device, FlowSettings], Acoustic]] = {
    DecoderKind.VITS: VitsAcoustic,
    DecoderKind.FLOW: FlowAcoustic,
}
"""The table of decoders, by the trait that versions name."""


def _stretches(reference: Reference, rate: int) -> Iterator[Tensor]:
    """The samples (T,) of each stretch."""
    for stretch in read_spans(reference.path, reference.timbre):
        wave = sinc_resample(torch.from_numpy(stretch), reference.rate, rate)
        peak = float(wave.abs().max())
        yield wave / min(MAX_PEAK_DIVISOR, peak) if peak > 1 else wave


def _noise_from(generator: torch.Generator) -> Callable[[tuple[int, int, int]], Tensor]:
    """Noise drawn on the CPU, so that it is the same on every device."""
    return lambda shape: torch.randn(shape, generator=generator)
