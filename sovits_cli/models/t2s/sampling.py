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

    def __init__(self, rows: int, vocab: int, device: torch.device) -> None:
        self._generators = [torch.Generator() for _ in range(rows)]
        self._steps = [0] * rows
        self._block = torch.zeros(rows, self.BLOCK_STEPS, vocab, device=device)

    def start(self, row: int, seed: int) -> None:
        """Begin a row anew."""
        self._generators[row].manual_seed(seed)
        self._steps[row] = 0

    def next(self) -> Tensor:
        """Give the noise of one step, (B, V), good until the next call."""
        places = [step % self.BLOCK_STEPS for step in self._steps]
        for row, place in enumerate(places):
            if place == 0:
                self._block[row] = self._drawn(self._generators[row])
        self._steps = [step + 1 for step in self._steps]
        if len(set(places)) == 1:
            return self._block[:, places[0]]
        return torch.stack([self._block[row, place] for row, place in enumerate(places)])

    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self._generators = [self._generators[row] for row in order]
        self._steps = [self._steps[row] for row in order]
        self._block = self._block[torch.tensor(order, dtype=torch.long, device=self._block.device)]

    def _drawn(self, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(self._block.shape[1:], generator=generator).clamp_min_(SMALLEST_UNIFORM)
        return uniform.log_().neg_().clamp_min_(SMALLEST_UNIFORM).log_().neg_()
