"""A few held-out sentences, spoken at each save, so that progress can be heard: `samples/<stage>-<step>-<clip>.wav`.

The SoVITS stage speaks the clip's own tokens; the GPT stage its own text after the beginning of the clip, through the
acoustic model of the base. Knows nothing of when that happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from sovits_cli.audio.mel import magnitude_spectrogram
from sovits_cli.audio.reader import read_audio
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import load_vits
from sovits_cli.data.batching import GptItem, SovitsItem
from sovits_cli.data.experiment import Experiment, load_feature
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.decode import Sampling, T2SRequest, decode
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import SEMANTIC_RATE_HZ

FOLDER = "samples"
PROMPT_S = 3
"""Seconds of a clip that the GPT goes on from, or half of it if that is less."""

MAX_LENGTH_RATIO = 2.0
"""What it says is at most so many times as long as the clip."""


@dataclass(frozen=True)
class BaseVoice:
    """The base's acoustic model, loaded when the GPT first speaks, and the recordings whose style it takes."""

    base: Bundle
    experiment: Experiment
    device: torch.device

    @cached_property
    def model(self) -> VitsModel:
        """The acoustic model, as inference has it."""
        return load_vits(self.base).to(self.device)

    def speak(self, name: str, tokens: Tensor, phones: Tensor) -> Tensor:
        """Tokens (S,) and phones (P,) in the style of a recording: samples (T,)."""
        config = self.model.config
        wave, _ = read_audio(self.experiment.wave_path(name), rate=config.sampling_rate, mono=True)
        speakers = []
        if config.speaker_channels:
            speakers = [load_feature(self.experiment.speaker_path(name)).float().to(self.device)]
        style = self.model.encode_style(
            [magnitude_spectrogram(torch.from_numpy(wave)[None].to(self.device), config.spec)], speakers
        )
        return decode_tokens(self.model, tokens, phones, style)


def decode_tokens(model: VitsModel, tokens: Tensor, phones: Tensor, style: Tensor) -> Tensor:
    """Tokens (S,) and phones (P,) in a style (1, C, 1) to samples (T,); the same noise every time."""
    noise = torch.Generator().manual_seed(0)
    wave: Tensor = model.decode(tokens[None, None], phones[None], style, noise=noise)[0, 0]
    return wave


def speak_with_sovits(model: VitsModel, item: SovitsItem) -> Tensor:
    """What the acoustic model makes of a clip's own tokens: (T,)."""
    device = next(model.parameters()).device
    model.eval()
    tokens = model.extract_tokens(item.content[None].to(device))[0, 0]
    speakers = [] if item.speaker is None else [item.speaker[None].to(device)]
    return decode_tokens(
        model, tokens, item.phones.to(device), model.encode_style([item.spec[None].to(device)], speakers)
    )


def speak_with_gpt(model: Text2Semantic, item: GptItem, *, voice: BaseVoice) -> Tensor | None:
    """How the GPT goes on from the beginning of a clip: (T,); None if it says nothing."""
    device = next(model.parameters()).device
    model.eval()
    prompt = item.tokens[: min(PROMPT_S * SEMANTIC_RATE_HZ, len(item.tokens) // 2)].to(device)
    bert = None if item.bert is None else item.bert.to(device)
    request = T2SRequest(item.phones.to(device), bert, prompt, seed=0)
    found = decode(model, [request], Sampling(), max_tokens=int(MAX_LENGTH_RATIO * len(item.tokens)))[0].tokens
    if not len(found):
        return None
    return voice.speak(item.name, torch.cat((prompt, found.to(device))), item.phones.to(device))


def write_samples(folder: Path, prefix: str, rate: int, waves: Iterator[tuple[str, Tensor]]) -> list[Path]:
    """Write the samples (T,) of one save, by the names of their clips: `samples/<prefix>-<clip>.wav`."""
    paths = []
    for name, wave in waves:
        path = folder / FOLDER / f"{prefix}-{Path(name).stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():  # the folder may have come from elsewhere: nothing is written where it leads
            path.unlink()
        with AudioWriter(path, rate=rate, channels=1) as out:
            out.write(wave.clamp(-1, 1).cpu().numpy()[:, None])
        paths.append(path)
    return paths
