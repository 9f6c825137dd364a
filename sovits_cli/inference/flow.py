"""Speech through a flow: conditions cut into chunks that go on from a prompt, their mel spectrogram, and a vocoder.

Legend: T samples, F mel frames, M mel bands, R frames of the prompt, U width of the condition, B chunks of a batch.
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
"""Frames that neighbouring chunks share when they are made in parallel (official: `overlapped_len`)."""

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
        guidance: classifier-free guidance: how far to move away from what the network would say without prompt and
            condition.
        temperature: factor on the noise.
        overlap: frames that neighbouring chunks share when they are made in parallel.
    """

    chunk_frames: int
    steps: int
    guidance: float = 0.0
    temperature: float = 1.0
    overlap: int = OVERLAP_FRAMES


def cut_prompt(condition: Tensor, frames: Tensor, most: int) -> FlowPrompt:
    """The prompt of a reference: both cut to the length of the shorter, then to their last `most` frames.

    Args:
        condition: (1, U, F) of what is said in it.
        frames: (1, M, F') its mel spectrogram, scaled to -1..1.
        most: frames of the longest prompt that the version was trained with.
    """
    size = min(condition.shape[-1], frames.shape[-1])
    return FlowPrompt(condition[..., :size][..., -most:], frames[..., :size][..., -most:])


# One pass of the flow sees `chunk_frames` frames, of which the first R are known: they are the prompt, and the rest is
# drawn to go on from it. What is longer is made in chunks. Here each goes on from the one before, as in
# TTS_infer_pack/TTS.py, `using_vocoder_synthesis`:
#
#     pass 1   [ prompt R | chunk 1         ]
#     pass 2                      [ end of 1 | chunk 2         ]        frames meet without a seam: chunk 2 was drawn
#     pass 3                                        [ end of 2 | chunk 3 ]     to go on from the very end of chunk 1
#     result   [ chunk 1 | chunk 2 | chunk 3 ] -> vocoder, once
def sequential(
    flow: FlowMatching, condition: Tensor, prompt: FlowPrompt, sampling: FlowSampling, noise: Noise
) -> Tensor:
    """Frames of a condition, chunk after chunk, each going on from the one before.

    Args:
        flow: draws frames.
        condition: (1, U, F) of an utterance.
        prompt: what the first chunk goes on from.
        sampling: how the flow is followed.
        noise: where it begins.

    Returns:
        (1, M, F), scaled to -1..1.
    """
    size = prompt.frames.shape[-1]
    made = []
    for chunk in torch.split(condition, sampling.chunk_frames - size, dim=-1):
        frames = _sampled(flow, chunk, prompt, sampling, noise)
        made.append(frames)
        prompt = FlowPrompt(_last(chunk, size), _last(frames, size))
    return torch.cat(made, dim=-1)


# All chunks of an utterance in one batch, each going on from the reference: TTS_infer_pack/TTS.py,
# `using_vocoder_synthesis_batched_infer`.
#
#     condition    o o c c c c c c c c c c c c c c c 0 0      o: zeros before the first chunk, as many as overlap
#     row 1   [ R |o o c c c c c]                             0: zeros that fill up the last chunk
#     row 2   [ R |          c c c c c c c]                   R: frames of the reference, the same in each row
#     row 3   [ R |                    c c c c c 0 0]
#
# Neighbours share `overlap` frames, which are made twice and do not agree. So the rows go through the vocoder end to
# end, are cut again as sound, and joined where their sound agrees best (`overlap_add`); o and 0 are cut off at last.
def parallel_chunks(
    vocoder: nn.Module, flow: FlowMatching, condition: Tensor, prompt: FlowPrompt, sampling: FlowSampling, noise: Noise
) -> np.ndarray:
    """Samples of a condition, all chunks in one batch, joined as sound.

    Args:
        vocoder: frames (1, M, F) to samples (1, 1, F * hop).
        flow: draws frames.
        condition: (1, U, F) of an utterance.
        prompt: what every chunk goes on from.
        sampling: how the flow is followed.
        noise: where it begins.

    Returns:
        (T,); joining may make it a little shorter than F * hop.
    """
    overlap, size = sampling.overlap, sampling.chunk_frames - prompt.frames.shape[-1]
    padded = nn.functional.pad(condition, (overlap, 0))
    starts = range(0, max(padded.shape[-1], 1), size - overlap)
    missing = starts[-1] + size - padded.shape[-1]
    padded = nn.functional.pad(padded, (0, missing))
    chunks = torch.cat([padded[..., start : start + size] for start in starts])
    frames = _sampled(flow, chunks, _repeated(prompt, len(chunks)), sampling, noise)  # (B, M, size)
    wave = vocoded(vocoder, frames.transpose(0, 1).flatten(1)[None])  # laid end to end, (1, M, B * size)
    hop = len(wave) // (len(chunks) * size)
    whole = overlap_add(list(wave.reshape(len(chunks), size * hop)), overlap * hop)
    return whole[overlap * hop : len(whole) - missing * hop]


def vocoded(vocoder: nn.Module, frames: Tensor) -> np.ndarray:
    """Samples (T,) of frames (1, M, F) scaled to -1..1."""
    samples: np.ndarray = vocoder(unscale_log_mel(frames))[0, 0].float().cpu().numpy()
    return samples


def _sampled(flow: FlowMatching, chunks: Tensor, prompt: FlowPrompt, sampling: FlowSampling, noise: Noise) -> Tensor:
    """Frames (B, M, F) of chunks of a condition (B, U, F), without those of the prompt, which come first."""
    condition = torch.cat([prompt.condition, chunks], dim=-1)  # (B, U, R + F)
    size = prompt.frames.shape[-1]
    drawn = noise((len(chunks), prompt.frames.shape[1], condition.shape[-1])).to(condition)
    frames = flow.sample(
        condition,
        prompt.frames,
        drawn,
        steps=sampling.steps,
        temperature=sampling.temperature,
        guidance=sampling.guidance,
    )
    return frames[..., size:]


def _repeated(prompt: FlowPrompt, count: int) -> FlowPrompt:
    return FlowPrompt(prompt.condition.expand(count, -1, -1), prompt.frames.expand(count, -1, -1))


def _last(x: Tensor, size: int) -> Tensor:
    """The last `size` frames, or all if there are fewer."""
    return x[..., max(x.shape[-1] - size, 0) :]
