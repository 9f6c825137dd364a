"""Speech through a flow: conditions cut into chunks that go on from a prompt, their mel spectrogram, and a vocoder.

The official program's two ways: chunk after chunk, each going on from the one before, or all chunks of a sentence side
by side, each going on from the reference, overlapping and joined where they agree.

Legend: T samples, F mel frames, M mel bands, R frames of the prompt, U width of the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sovits_cli.audio.crossfade import overlap_add
from sovits_cli.audio.mel import unscale_log_mel
from sovits_cli.models.cfm.flow_matching import FlowMatching

OVERLAP_FRAMES = 12
"""Frames that neighbouring chunks share when they are made side by side."""

Noise = Callable[[tuple[int, int, int]], Tensor]
"""Gives standard-normal noise of a shape (B, M, F)."""


@dataclass(frozen=True)
class FlowPrompt:
    """What speech goes on from: the condition (1, U, R) of the reference and its frames (1, M, R), scaled to -1..1."""

    condition: Tensor
    frames: Tensor


@dataclass(frozen=True)
class FlowSampling:
    """How a flow is followed.

    Args:
        chunk_frames: frames of one pass, the prompt's included.
        steps: more follow the flow more closely and take longer.
        guidance: how far to move away from what the network would say without prompt and condition.
        temperature: factor on the noise.
    """

    chunk_frames: int
    steps: int
    guidance: float = 0.0
    temperature: float = 1.0


def cut_prompt(condition: Tensor, frames: Tensor, most: int) -> FlowPrompt:
    """The prompt of a reference: both cut to the length of the shorter, then to their last `most` frames."""
    size = min(condition.shape[-1], frames.shape[-1])
    return FlowPrompt(condition[..., :size][..., -most:], frames[..., :size][..., -most:])


def sequential(flow: FlowMatching, condition: Tensor, prompt: FlowPrompt, manner: FlowSampling, noise: Noise) -> Tensor:
    """Frames (1, M, F) of a condition (1, U, F), scaled to -1..1: each chunk goes on from the one before."""
    size = prompt.frames.shape[-1]
    made = []
    for chunk in torch.split(condition, manner.chunk_frames - size, dim=-1):
        frames = _sampled(flow, chunk, prompt, manner, noise)
        made.append(frames)
        prompt = FlowPrompt(_last(chunk, size), _last(frames, size))
    return torch.cat(made, dim=-1)


def parallel_chunks(
    vocoder: nn.Module,
    flow: FlowMatching,
    condition: Tensor,
    prompt: FlowPrompt,
    manner: FlowSampling,
    noise: Noise,
    *,
    hop: int,
    overlap: int = OVERLAP_FRAMES,
) -> np.ndarray:
    """Samples (T,) of a condition (1, U, F), all chunks in one batch; T may fall short of F * hop by a little.

    Args:
        hop: samples per frame.
        overlap: frames that neighbouring chunks share.
    """
    size = manner.chunk_frames - prompt.frames.shape[-1]
    padded = torch.nn.functional.pad(condition, (overlap, 0))
    starts = range(0, max(padded.shape[-1], 1), size - overlap)
    missing = starts[-1] + size - padded.shape[-1]
    padded = torch.nn.functional.pad(padded, (0, missing))
    chunks = torch.cat([padded[..., start : start + size] for start in starts])
    frames = _sampled(flow, chunks, _repeated(prompt, len(chunks)), manner, noise)  # (chunks, M, size)
    waves = vocoded(vocoder, frames.transpose(0, 1).flatten(1)[None]).reshape(len(chunks), size * hop)
    whole = overlap_add(list(waves), overlap * hop)
    return whole[overlap * hop : len(whole) - missing * hop]


def vocoded(vocoder: nn.Module, frames: Tensor) -> np.ndarray:
    """Samples (T,) of frames (1, M, F) scaled to -1..1."""
    samples: np.ndarray = vocoder(unscale_log_mel(frames))[0, 0].float().cpu().numpy()
    return samples


def _sampled(flow: FlowMatching, chunks: Tensor, prompt: FlowPrompt, manner: FlowSampling, noise: Noise) -> Tensor:
    """Frames (B, M, F) of chunks of a condition (B, U, F)."""
    condition = torch.cat([prompt.condition, chunks], dim=-1)
    size = prompt.frames.shape[-1]
    drawn = noise((len(chunks), prompt.frames.shape[1], condition.shape[-1])).to(condition)
    frames = flow.sample(
        condition,
        prompt.frames,
        drawn,
        steps=manner.steps,
        temperature=manner.temperature,
        guidance=manner.guidance,
    )
    return frames[..., size:]


def _repeated(prompt: FlowPrompt, count: int) -> FlowPrompt:
    return FlowPrompt(prompt.condition.expand(count, -1, -1), prompt.frames.expand(count, -1, -1))


def _last(x: Tensor, size: int) -> Tensor:
    """The last `size` frames, or all if there are fewer."""
    return x[..., max(x.shape[-1] - size, 0) :]
