"""The acoustic half of a voice: what it hears in a reference, and how it makes sound of tokens. One kind a decoder.

Legend: T samples, P phones, S semantic tokens, F mel frames, G width of the style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sovits_cli.audio.mel import log_mel, magnitude_spectrogram, scale_log_mel
from sovits_cli.audio.resampling import sinc_resample
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import load_flow, load_vits, load_vocoder
from sovits_cli.features import speaker
from sovits_cli.inference.flow import FlowPrompt, FlowSampling, cut_prompt, parallel_chunks, sequential, vocoded
from sovits_cli.inference.reference import Prompt, Recording
from sovits_cli.inference.request import SynthesisOptions
from sovits_cli.versions import DecoderKind

MAX_PEAK_DIVISOR = 2.0
"""A reference over full scale is scaled down, by no more than this (TTS_infer_pack/TTS.py, `_get_ref_spec`)."""


@dataclass(frozen=True)
class SpeakerStyle:
    """How a speaker sounds: the style vector (1, G, 1), and what a flow goes on from; on the CPU."""

    vector: Tensor
    prompt: FlowPrompt | None = None


class Acoustic(Protocol):
    """Tokens to sound, in the style of a speaker."""

    rate: int
    """Sample rate of the sound."""

    network: nn.Module
    """For counting its numbers."""

    needs_prompt: bool
    """Whether it needs to know what is said in the reference."""

    def style(self, recording: Recording, prompt: Prompt | None) -> SpeakerStyle:
        """Listen to a recording."""

    def wave(
        self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, options: SynthesisOptions, *, seed: int
    ) -> np.ndarray:
        """The sound of tokens, (T,) float32.

        Args:
            tokens: (S,) of an utterance.
            phones: (P,) ids of what they say.
            style: how the speaker sounds.
            options: speed, and how a flow is followed.
            seed: decides all noise.
        """


class VitsAcoustic:
    """Tokens to sound in one network."""

    needs_prompt = False

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        self._device = device
        self._model = load_vits(bundle).to(device)
        self._model.prepare_for_inference()
        self._noise_scale = bundle.version.noise_scale
        self._speakers = speaker.load_speaker_encoder(bundle, device) if bundle.version.speaker_embedding else None
        self.network: nn.Module = self._model
        self.rate = self._model.config.sampling_rate

    def style(self, recording: Recording, prompt: Prompt | None) -> SpeakerStyle:
        """Average the style over the recording's stretches."""
        del prompt
        spec = self._model.config.spec
        spectrograms, speakers = [], []
        for wave in _stretches(recording, spec.sample_rate):
            spectrograms.append(magnitude_spectrogram(wave[None], spec).to(self._device))
            if self._speakers is not None:
                speakers.append(self._speakers.embed(wave, spec.sample_rate).to(self._device))
        return SpeakerStyle(self._model.encode_style(spectrograms, speakers).cpu())

    def wave(
        self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, options: SynthesisOptions, *, seed: int
    ) -> np.ndarray:
        """Decode. Args: see `Acoustic.wave`."""
        with torch.inference_mode():
            made = self._model.decode(
                tokens.to(self._device)[None, None],
                phones.to(self._device)[None],
                style.vector.to(self._device),
                noise_scale=self._noise_scale,
                speed=options.speed,
                noise=torch.Generator().manual_seed(seed),
            )
        samples: np.ndarray = made[0, 0].float().cpu().numpy()
        return samples


class FlowAcoustic:
    """Tokens to a mel spectrogram along a flow that goes on from the reference's, and a vocoder."""

    needs_prompt = True

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        self._device = device
        self._model = load_flow(bundle).to(device)
        self._model.prepare_for_inference()
        self._vocoder = load_vocoder(bundle).to(device).requires_grad_(requires_grad=False).for_inference()
        self._traits = self._model.flow_config.traits
        self.network: nn.Module = nn.ModuleList([self._model, self._vocoder])
        self.rate = self._traits.output_rate

    def style(self, recording: Recording, prompt: Prompt | None) -> SpeakerStyle:
        """Average the style over the recording's stretches; what is said in its window is the flow's prompt."""
        assert prompt is not None
        config = self._model.flow_config
        with torch.inference_mode():
            spec = self._model.config.spec
            waves = _stretches(recording, spec.sample_rate)
            vector = self._model.encode_style(
                [magnitude_spectrogram(wave[None], spec).to(self._device) for wave in waves]
            )
            tokens, phones = prompt.tokens.to(self._device)[None, None], prompt.phones.to(self._device)[None]
            # two pictures of the same sound, frame by frame: what the network would be told of it (from its tokens and
            # phones), and what it sounded like (from the recording). The flow goes on from the end of both.
            condition = self._model.condition(tokens, phones, vector)
            window = torch.from_numpy(recording.waves[recording.window])
            wave = sinc_resample(window, recording.rate, config.mel.sample_rate)
            frames = scale_log_mel(log_mel(wave[None].to(self._device), config.mel))
            cut = cut_prompt(condition, frames, config.traits.prompt_frames)
        return SpeakerStyle(vector.cpu(), FlowPrompt(cut.condition.cpu(), cut.frames.cpu()))

    def wave(
        self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, options: SynthesisOptions, *, seed: int
    ) -> np.ndarray:
        """Follow the flow. Args: see `Acoustic.wave`."""
        assert style.prompt is not None
        drawn = torch.Generator().manual_seed(seed)
        steps = self._traits.sampler_steps if options.flow_steps is None else options.flow_steps
        sampling = FlowSampling(self._traits.chunk_frames, steps, options.guidance)
        with torch.inference_mode():
            vector = style.vector.to(self._device)
            prompt = FlowPrompt(style.prompt.condition.to(self._device), style.prompt.frames.to(self._device))
            condition = self._model.condition(
                tokens.to(self._device)[None, None], phones.to(self._device)[None], vector, speed=options.speed
            )
            following = (self._model.cfm, condition, prompt, sampling, _noise_from(drawn))
            if options.parallel_chunks:
                return parallel_chunks(self._vocoder, *following)
            return vocoded(self._vocoder, sequential(*following))


ACOUSTICS: dict[DecoderKind, Callable[[Bundle, torch.device], Acoustic]] = {
    DecoderKind.VITS: VitsAcoustic,
    DecoderKind.FLOW: FlowAcoustic,
}
"""The table of decoders, by the trait that versions name."""


def _stretches(recording: Recording, rate: int) -> Iterator[Tensor]:
    """The samples (T,) of each stretch that shows the style, at a rate."""
    for span in recording.style_spans:
        wave = sinc_resample(torch.from_numpy(recording.waves[span]), recording.rate, rate)
        peak = float(wave.abs().max())
        yield wave / min(MAX_PEAK_DIVISOR, peak) if peak > 1 else wave


def _noise_from(generator: torch.Generator) -> Callable[[tuple[int, int, int]], Tensor]:
    """Noise drawn on the CPU, so that it is the same on every device."""
    return lambda shape: torch.randn(shape, generator=generator)
