"""How the next token is chosen from logits: small pure functions in the official order, and the noise of the draws.

The order is that of GPT-SoVITS, AR/models/utils.py, `logits_to_probs` and `multinomial_sample_one_no_sync`.
Knows no network. Legend: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sovits_cli.errors import UsageError

MIN_TEMPERATURE = 1e-5
MIN_UNIFORM = 2.0**-26
"""Below any float32 that `torch.rand` gives but 0, whose logarithm is infinite."""


# logits ─ repetition penalty ─ top-p ─ / temperature ─ top-k ─ softmax ─ draw
#
# top-p looks at the logits *before* the temperature. Worked example: logits (2, 1, .5, -1, 0), tokens seen {0, 3},
# penalty 1.35, top-p .9, temperature .7, top-k 3
#
#     penalty      (1.48, 1, .5, -1.35, 0)     2 / 1.35 and -1 * 1.35: both move down
#     top-p .9     tokens 3 and 4 go           their running probability is above .9
#     / .7, top-k  three are left              p = (.572, .287, .141, 0, 0)
@dataclass(frozen=True)
class Sampling:
    """The sampling policy.

    Args:
        top_k: only the k most likely tokens may be drawn; None: all. 1 is greedy.
        top_p: only the most likely tokens whose probabilities sum up to at most p, but always the best one.
        temperature: divides the logits; near 0 is greedy.
        repetition_penalty: makes every token already in the row, prompt included, less likely; 1 is off.
        min_tokens: the end of speech cannot be chosen before so many new tokens (AR/models/t2s_model.py,
            `infer_panel_naive`, leaves its logit out of the first 11 steps).
    """

    top_k: int | None = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    min_tokens: int = 11

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise UsageError(f"top_k is {self.top_k}, expected 1 or more")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}, expected above 0 and up to 1")
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(f"temperature is {self.temperature}, expected 0 or more")
        if not 0 < self.repetition_penalty < float("inf"):
            raise UsageError(f"repetition_penalty is {self.repetition_penalty}, expected above 0")


def apply_repetition_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make tokens that were seen less likely: `logits` (B, V) and `seen` (B, V) bool to (B, V).

    A logit is divided by the penalty above 0 and multiplied by it below (Keskar et al. 2019, CTRL), once per distinct
    token however often it came.
    """
    if penalty == 1:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def filter_top_k_top_p(logits: Tensor, sampling: Sampling) -> Tensor:
    """Apply top-p, temperature and top-k to penalised `logits` (B, V): (B, V), whose softmax is what is drawn from."""
    logits = filter_top_p(logits, sampling.top_p)
    if sampling.temperature != 1:
        logits = logits / max(sampling.temperature, MIN_TEMPERATURE)
    return filter_top_k(logits, sampling.top_k)


def filter_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the best tokens of `logits` (B, V) whose running probability stays within `top_p`; others become -inf.

    As in the official program the token that crosses the limit is dropped too (nucleus sampling as published keeps
    it), but never the best one.
    """
    if top_p >= 1:
        return logits
    ordered, index = logits.sort(dim=-1, descending=True)
    dropped = ordered.softmax(-1).cumsum(-1) > top_p
    dropped[..., 0] = False
    return logits.masked_fill(dropped.scatter(-1, index, dropped), float("-inf"))


def filter_top_k(logits: Tensor, top_k: int | None) -> Tensor:
    """Keep the `top_k` largest of `logits` (B, V) and whatever equals the last of them; others become -inf."""
    if top_k is None or top_k >= logits.shape[-1]:
        return logits
    limit = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < limit, float("-inf"))


def sample(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw one token a row from softmax(`logits`) (B, V), given Gumbel `noise` (B, V): (B,) int64.

    The Gumbel-max trick. The official program divides by exponential noise instead; both draw i with probability p_i.
    """
    # with q ~ Exponential(1) and g = -log q:   argmax(logits + g) = argmax(log p - log q) = argmax(p / q)
    return (logits + noise).argmax(-1)


class GumbelNoise:
    """Gumbel noise g = -log(-log u), u uniform, for each row from a random generator of its own.

    One generator for the whole batch would give row r other numbers whenever the number of rows changes: an utterance
    would then sound different for the company it is decoded in. With a stream per row, seeded by the request, a row
    draws the same tokens alone, in a batch of eight, and in whichever row it lands.

    Made on the CPU in blocks of steps, from plain uniform numbers, so that every machine and device draws alike.
    """

    BLOCK_STEPS = 32

    def __init__(self, rows: int, vocab: int, device: torch.device) -> None:
        self._generators = [torch.Generator() for _ in range(rows)]
        self._steps = [0] * rows
        self._block = torch.zeros(rows, self.BLOCK_STEPS, vocab, device=device)

    def reset(self, row: int, seed: int) -> None:
        """Begin the stream of a row anew."""
        self._generators[row].manual_seed(seed)
        self._steps[row] = 0

    def next(self) -> Tensor:
        """Give the noise of one step, (B, V) float32, valid until the next call."""
        indices = [step % self.BLOCK_STEPS for step in self._steps]
        for row, index in enumerate(indices):
            if index == 0:
                self._block[row] = self._draw_block(self._generators[row])
        self._steps = [step + 1 for step in self._steps]
        if len(set(indices)) == 1:
            return self._block[:, indices[0]]
        return torch.stack([self._block[row, index] for row, index in enumerate(indices)])

    def reorder(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        self._generators = [self._generators[row] for row in order]
        self._steps = [self._steps[row] for row in order]
        self._block = self._block[torch.tensor(order, dtype=torch.long, device=self._block.device)]

    def _draw_block(self, generator: torch.Generator) -> Tensor:
        """Noise of the next `BLOCK_STEPS` steps of one row, (BLOCK_STEPS, V)."""
        uniform = torch.rand(self._block.shape[1:], generator=generator).clamp_min_(MIN_UNIFORM)
        return uniform.log_().neg_().clamp_min_(MIN_UNIFORM).log_().neg_()
