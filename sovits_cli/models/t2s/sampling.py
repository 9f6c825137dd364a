"""How the next token is chosen from logits: small pure functions, in the official order, and the noise of draws.

Order: repetition penalty, top-p, temperature, top-k, draw. Knows no network.

Legend: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sovits_cli.errors import UsageError

MIN_TEMPERATURE = 1e-5
SMALLEST_UNIFORM = 2.0**-26


@dataclass(frozen=True)
class Sampling:
    """The policy.

    Args:
        top_k: only the k most likely tokens may be drawn; None: all. 1 is greedy.
        top_p: only the most likely tokens whose probabilities sum up to at most p, but always the best one.
        temperature: divides the logits; near 0 is greedy.
        repetition_penalty: makes every token already in the row, prompt included, less likely; 1 is off.
    """

    top_k: int | None = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k is {self.top_k}, expected 1 or more")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}, expected above 0 and up to 1")
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}, expected 0 or more")
        if not 0 < self.repetition_penalty < float("inf"):
            raise UsageError(f"repetition_penalty is {self.repetition_penalty}, expected above 0")


def penalised(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Move `logits` (B, V) of tokens `seen` (B, V) bool away from being chosen: divided above 0, multiplied below."""
    if penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def within_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Leave the best tokens of `logits` (B, V) whose running probability stays within `top_p`, others to -inf.

    As in the official program the token that crosses the limit is dropped too, but never the best one.
    """
    if top_p >= 1:
        return logits
    ordered, index = logits.sort(dim=-1, descending=True)
    dropped = ordered.softmax(-1).cumsum(-1) > top_p
    dropped[..., 0] = False
    return logits.masked_fill(dropped.scatter(-1, index, dropped), float("-inf"))


def within_top_k(logits: Tensor, top_k: int | None) -> Tensor:
    """Leave the `top_k` largest of `logits` (B, V) and whatever equals the last of them, others to -inf."""
    if top_k is None or top_k >= logits.shape[-1]:
        return logits
    limit = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < limit, float("-inf"))


def narrowed(logits: Tensor, sampling: Sampling) -> Tensor:
    """Apply top-p, temperature and top-k to penalised `logits` (B, V); their softmax is what is drawn from."""
    logits = within_top_p(logits, sampling.top_p)
    if sampling.temperature != 1:
        logits = logits / max(sampling.temperature, MIN_TEMPERATURE)
    return within_top_k(logits, sampling.top_k)


def drawn(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw one token a row from softmax(`logits`) (B, V), given Gumbel `noise` (B, V) -> (B,).

    The largest of logits plus Gumbel noise is distributed as the official argmax(probability / exponential).
    """
    return (logits + noise).argmax(-1)


class RowNoise:
    """Gumbel noise for each row from its own generator: a row draws the same whoever is decoded beside it.

    Made on the CPU in blocks of steps, from plain uniform numbers, so that every machine and device draws alike.
    """

    BLOCK_STEPS = 32

    def __init__(self, seeds: Sequence[int], vocab: int, device: torch.device) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._vocab = vocab
        self._device = device
        self._block = torch.empty(0)
        self._used = self.BLOCK_STEPS

    def next(self) -> Tensor:
        """Give the noise of one step, (B, V)."""
        if self._used == self.BLOCK_STEPS:
            uniform = [torch.rand(self.BLOCK_STEPS, self._vocab, generator=each) for each in self._generators]
            exponential = -torch.stack(uniform, dim=1).clamp_min_(SMALLEST_UNIFORM).log_()
            self._block = -exponential.clamp_min_(SMALLEST_UNIFORM).log_().to(self._device)
            self._used = 0
        self._used += 1
        return self._block[self._used - 1]

    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self._generators = [self._generators[row] for row in order]
        self._block = self._block[:, torch.tensor(order, dtype=torch.long, device=self._block.device)]
