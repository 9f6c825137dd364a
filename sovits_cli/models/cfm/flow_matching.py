"""Flow matching: frames drawn from noise along learned velocities (Lipman et al. 2023), and the loss that teaches them.

Sampling follows the velocities by Euler steps, with classifier-free guidance (Ho and Salimans 2022). The official
variant (module/models.py, `CFM`, over f5_tts/model/backbones/dit.py) also learns large steps from pairs of small ones
(shortcut models, Frans et al. 2024).

Legend: B batch, F mel frames, M mel bands, R frames of the prompt, U width of the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.config import DitConfig
from sovits_cli.models.cfm.dit import Dit
from sovits_cli.models.layers.attention import length_mask

MIN_GUIDANCE = 1e-5
"""Weaker guidance is none, which spares half the work."""

MAX_PROMPT_SHARE = 2 / 3
"""Of a clip that may be its prompt in training."""

SHORTCUT_PROBABILITY = 0.3
"""How often a batch learns a step from two of half its size."""

SHORTCUT_EXPONENTS = (2, 8)
"""Those half steps are 2^-2 to 2^-7."""

MIN_STEP = 0.01
"""The network reads a smaller step as 0."""


@dataclass(frozen=True)
class TrainingNoise:
    """Everything random in the loss of one batch.

    Args:
        t: (B,) timesteps, 0 to 1.
        noise: (B, M, F) where the flow begins.
        prompt_lens: (B,) frames at the beginning that are given.
        exponents: (B,) if this batch learns steps of 2 * 2^-exponent from pairs of half of them, else None.
    """

    t: Tensor
    noise: Tensor
    prompt_lens: Tensor
    exponents: Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> TrainingNoise:
        """Move it to another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def part(self, rows: slice) -> TrainingNoise:
        """That of some clips, padding included."""
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> TrainingNoise:
        exponents = None if self.exponents is None else change(self.exponents)
        return TrainingNoise(change(self.t), change(self.noise), change(self.prompt_lens), exponents)


# Frames x1 and noise x0 ~ N(0, 1) are joined by a straight line, along which the network learns the velocity:
#
#     x_t = (1 - t) x0 + t x1,  t from 0 to 1        v = x1 - x0        loss = E |net(x_t, t) - v|^2
#
#     x0 ●─ ─ ─►●─ ─ ─►●─ ─ ─►● x1                   sampling: x <- x + d net(x, t),  d = 1 / steps, 4 to 32 of them
#
# A network that also reads the step size, net(x, t, d), may learn to jump: net(x, t, 2d) shall be the mean of the
# velocities of two steps of d, its own, without gradient:
#
#     v1 = net(x, t, d)      v2 = net(x + d v1, t + d, d)      loss = E |net(x, t, 2d) - (v1 + v2) / 2|^2
class FlowMatching(nn.Module):
    """The network of velocities (official key `estimator`), followed or taught."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.estimator = Dit(config)

    @torch.no_grad()
    def sample(
        self,
        condition: Tensor,
        prompt: Tensor,
        noise: Tensor,
        *,
        steps: int,
        temperature: float = 1.0,
        guidance: float = 0.0,
    ) -> Tensor:
        """Draw frames that continue a prompt, by Euler steps.

        Args:
            condition: (B, U, F), that of the prompt at the beginning.
            prompt: (B, M, R) its frames; R may be 0.
            noise: (B, M, F) standard normal.
            steps: more follow the flow more closely and take longer.
            temperature: factor on the noise.
            guidance: weight w of classifier-free guidance, 0 for none.

        Returns:
            (B, M, F), zero in the prompt's frames.

        Raises:
            ModelError: no step, or a prompt longer than the condition.
        """
        frames = prompt.shape[-1]
        if steps < 1 or frames > condition.shape[-1]:
            raise ModelError(f"flow of {steps} steps over {condition.shape[-1]} frames, {frames} of them the prompt's")
        padded_prompt = torch.zeros_like(noise)
        padded_prompt[..., :frames] = prompt
        # the embedding of the condition is the same at every step; without one it is that of zeros, not zeros
        embedded = self.estimator.text_embed(condition)
        without = self.estimator.text_embed(torch.zeros_like(condition)) if guidance > MIN_GUIDANCE else None
        x = noise * temperature
        x[..., :frames] = 0
        t, step = 0.0, 1 / steps
        for _ in range(steps):
            timesteps, step_sizes = noise.new_full((len(x),), t), noise.new_full((len(x),), step)
            velocity = self.estimator(x, padded_prompt, embedded, None, timesteps, step_sizes)
            if without is not None:  # v <- v + w (v - v_free): away from what it gives without prompt and condition
                free = self.estimator(x, torch.zeros_like(padded_prompt), without, None, timesteps, step_sizes)
                velocity = velocity + guidance * (velocity - free)
            x = x + step * velocity
            t += step
            x[..., :frames] = 0
        return x

    def loss(self, frames: Tensor, lens: Tensor, condition: Tensor, draws: TrainingNoise) -> Tensor:
        """How far the velocities are from those that lead to `frames`: the mean over clips, ().

        Args:
            frames: (B, M, F).
            lens: (B,) valid frames of each clip.
            condition: (B, U, F).
            draws: see `sample_training_noise`.
        """
        mask = length_mask(lens, frames.shape[-1])
        in_prompt = length_mask(draws.prompt_lens, frames.shape[-1])
        prompt = frames * in_prompt[:, None]
        t = draws.t[:, None, None]
        x = (draws.noise + t * (frames - draws.noise)).masked_fill(in_prompt[:, None], 0.0)
        embedded = self.estimator.text_embed(condition)
        target, step_sizes = frames - draws.noise, torch.zeros_like(draws.t)
        if draws.exponents is not None:
            step_sizes = torch.exp2(-draws.exponents.to(draws.t))
            target = self._shortcut_target(x, prompt, embedded, mask, draws.t, step_sizes)
            step_sizes = 2 * step_sizes
        velocity = self.estimator(x, prompt, embedded, mask, draws.t, step_sizes)
        counted = (mask & ~in_prompt)[:, None].float()
        squares = ((velocity.float() - target.float()).square() * counted).sum((1, 2))
        loss: Tensor = (squares / (counted.sum((1, 2)) * frames.shape[1]).clamp(min=1)).mean()
        return loss

    @torch.no_grad()
    def _shortcut_target(
        self, x: Tensor, prompt: Tensor, embedded: Tensor, mask: Tensor, t: Tensor, step_sizes: Tensor
    ) -> Tensor:
        """The mean velocity (B, M, F) of two steps of `step_sizes` (B,); the rest as in `Dit.forward`."""
        read_as = torch.where(step_sizes < MIN_STEP, torch.zeros_like(step_sizes), step_sizes)
        first = self.estimator(x, prompt, embedded, mask, t, read_as)
        midway = x + step_sizes[:, None, None] * first
        second = self.estimator(midway, prompt, embedded, mask, t + step_sizes, read_as)
        mean: Tensor = (first + second) / 2
        return mean


def sample_training_noise(frames: Tensor, lens: Tensor, *, shortcut: bool | None = None) -> TrainingNoise:
    """Draw what the loss needs for clips `frames` (B, M, F) of `lens` (B,) frames; `shortcut` decides that draw."""
    device = frames.device
    is_shortcut = float(torch.rand(())) < SHORTCUT_PROBABILITY if shortcut is None else shortcut
    return TrainingNoise(
        t=torch.rand(len(lens), device=device),
        noise=torch.randn_like(frames),
        prompt_lens=(torch.rand(len(lens), device=device) * lens * MAX_PROMPT_SHARE).long(),
        exponents=torch.randint(*SHORTCUT_EXPONENTS, (len(lens),), device=device) if is_shortcut else None,
    )
