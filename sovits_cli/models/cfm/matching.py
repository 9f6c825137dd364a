"""Flow matching: frames drawn from noise along learned velocities (Lipman et al. 2023), and the loss that teaches them.

The official variant also learns large steps from pairs of small ones (shortcut models, Frans et al. 2024).
Legend: B batch, F mel frames, M mel bands, R frames of the prompt, U width of the condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.dit import Dit, DitConfig
from sovits_cli.models.layers.masks import keep_mask

LEAST_GUIDANCE = 1e-5
"""Weaker guidance is none, which spares half the work."""

MOST_PROMPT = 2 / 3
"""Share of a clip that may be its prompt in training."""

PAIRS_CHANCE = 0.3
"""How often a batch learns a step from two of half its size."""

EXPONENTS = (2, 8)
"""Those half steps are 2^-2 to 2^-7."""

LEAST_STEP = 0.01
"""A smaller step is told to the network as 0."""


@dataclass(frozen=True)
class Draws:
    """Everything random in the loss of one batch.

    Args:
        t: (B,) moments.
        noise: (B, M, F) where the flow begins.
        prompt_lens: (B,) frames at the beginning that are known.
        exponents: (B,) if this batch learns steps of 2 * 2^-exponent from pairs of half of them, else None.
    """

    t: Tensor
    noise: Tensor
    prompt_lens: Tensor
    exponents: Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Draws:
        """Move them to another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def part(self, rows: slice) -> Draws:
        """Those of some clips, padding included."""
        return self._each(lambda tensor: tensor[rows])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        exponents = None if self.exponents is None else change(self.exponents)
        return Draws(change(self.t), change(self.noise), change(self.prompt_lens), exponents)


class FlowMatching(nn.Module):
    """The network of velocities (official key `estimator`), walked along or taught."""

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
        """Draw frames that go on from a prompt.

        Args:
            condition: (B, U, F), that of the prompt at the beginning.
            prompt: (B, M, R) its frames; R may be 0.
            noise: (B, M, F) standard normal.
            steps: more follow the flow more closely and take longer.
            temperature: factor on the noise.
            guidance: how far to move away from what the network would say without prompt and condition.

        Returns:
            (B, M, F), zero in the prompt's frames.

        Raises:
            ModelError: no step, or a prompt longer than the condition.
        """
        frames = prompt.shape[-1]
        if steps < 1 or frames > condition.shape[-1]:
            raise ModelError(f"flow of {steps} steps over {condition.shape[-1]} frames, {frames} of them the prompt's")
        known = torch.zeros_like(noise)
        known[..., :frames] = prompt
        heard = self.estimator.text_embed(condition)
        nothing = self.estimator.text_embed(torch.zeros_like(condition)) if guidance > LEAST_GUIDANCE else None
        x = noise * temperature
        x[..., :frames] = 0
        t, step = 0.0, 1 / steps
        for _ in range(steps):
            moments, sizes = noise.new_full((len(x),), t), noise.new_full((len(x),), step)
            velocity = self.estimator(x, known, heard, None, moments, sizes)
            if nothing is not None:
                free = self.estimator(x, torch.zeros_like(known), nothing, None, moments, sizes)
                velocity = velocity + guidance * (velocity - free)
            x = x + step * velocity
            t += step
            x[..., :frames] = 0
        return x

    def loss(self, frames: Tensor, lens: Tensor, condition: Tensor, draws: Draws) -> Tensor:
        """How far the velocities are from those that lead to `frames`: the mean over clips, ().

        Args:
            frames: (B, M, F); lens: (B,) those of each clip.
            condition: (B, U, F).
            draws: see `draw`.
        """
        keep = keep_mask(lens, frames.shape[-1])
        known = keep_mask(draws.prompt_lens, frames.shape[-1])
        prompt = frames * known[:, None]
        t = draws.t[:, None, None]
        x = (draws.noise + t * (frames - draws.noise)).masked_fill(known[:, None], 0.0)
        heard = self.estimator.text_embed(condition)
        wanted, sizes = frames - draws.noise, torch.zeros_like(draws.t)
        if draws.exponents is not None:
            sizes = torch.exp2(-draws.exponents.to(draws.t))
            wanted = self._paired(x, prompt, heard, keep, draws.t, sizes)
            sizes = 2 * sizes
        got = self.estimator(x, prompt, heard, keep, draws.t, sizes)
        counted = (keep & ~known)[:, None].float()
        squares = ((got.float() - wanted.float()).square() * counted).sum((1, 2))
        loss: Tensor = (squares / (counted.sum((1, 2)) * frames.shape[1]).clamp(min=1)).mean()
        return loss

    @torch.no_grad()
    def _paired(self, x: Tensor, prompt: Tensor, heard: Tensor, keep: Tensor, t: Tensor, sizes: Tensor) -> Tensor:
        """The mean velocity of two steps of these sizes."""
        told = torch.where(sizes < LEAST_STEP, torch.zeros_like(sizes), sizes)
        first = self.estimator(x, prompt, heard, keep, t, told)
        second = self.estimator(x + sizes[:, None, None] * first, prompt, heard, keep, t + sizes, told)
        mean: Tensor = (first + second) / 2
        return mean


def draw(frames: Tensor, lens: Tensor, *, pairs: bool | None = None) -> Draws:
    """Draw what the loss needs for clips `frames` (B, M, F) of `lens` (B,) frames; `pairs` decides that draw."""
    device = frames.device
    learns_pairs = float(torch.rand(())) < PAIRS_CHANCE if pairs is None else pairs
    return Draws(
        t=torch.rand(len(lens), device=device),
        noise=torch.randn_like(frames),
        prompt_lens=(torch.rand(len(lens), device=device) * lens * MOST_PROMPT).long(),
        exponents=torch.randint(*EXPONENTS, (len(lens),), device=device) if learns_pairs else None,
    )
