"""Requests in, semantic tokens out: the decoding loop, many utterances at once.

A row's tokens depend on its own request and seed, not on the rows beside it. Knows no text, audio or files.

Legend: B rows still being decoded, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sovits_cli.models.t2s.cache import holes_filled
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.request import T2SRequest
from sovits_cli.models.t2s.sampling import RowNoise, Sampling, drawn, narrowed, penalised
from sovits_cli.models.t2s.session import Session

__all__ = ["MAX_TOKENS", "MIN_TOKENS", "Sampling", "T2SRequest", "T2SResult", "decode"]

MAX_TOKENS = 1500
"""Official limit: 60 s of speech."""

MIN_TOKENS = 11
"""Official: the end of speech cannot be chosen before this many tokens."""

CHECK_STEPS = {"cpu": 1}
OTHER_CHECK_STEPS = 16
"""How often the host asks an accelerator which rows have ended; asking makes it wait."""


@dataclass(frozen=True)
class T2SResult:
    """One utterance.

    Args:
        codes: (S,) generated tokens, without prompt and EOS, on the CPU.
        ended: False if `max_tokens` cut it off.
    """

    codes: Tensor
    ended: bool


def decode(
    model: Text2Semantic,
    requests: Sequence[T2SRequest],
    sampling: Sampling,
    *,
    max_tokens: int = MAX_TOKENS,
    min_tokens: int = MIN_TOKENS,
    on_step: Callable[[int, int], None] | None = None,
) -> list[T2SResult]:
    """Speak all requests side by side; results come in the order of requests.

    A row ends where EOS is drawn, or where EOS is the most likely token (official rule).

    Args:
        model: in evaluation mode; `model.prepare_for_inference()` makes it faster on a CPU.
        requests: one a row.
        sampling: how tokens are drawn.
        max_tokens: stop each row after so many.
        min_tokens: EOS cannot come before so many.
        on_step: called after each step with the steps done and the rows still going.

    Raises:
        SovitsError: a request that this model cannot read.
    """
    if not requests or max_tokens < 1:
        return [T2SResult(torch.empty(0, dtype=torch.long), ended=False) for _ in requests]
    with torch.inference_mode():
        rows = _Rows(model, requests, steps=max_tokens)
        every = CHECK_STEPS.get(rows.device.type, OTHER_CHECK_STEPS)
        for step in range(max_tokens):
            rows.choose(sampling, eos_allowed=step >= min_tokens)
            if (step + 1) % every == 0 or step + 1 == max_tokens:
                rows.collect()
            if on_step is not None:
                on_step(step + 1, rows.count)
            if not rows.count or step + 1 == max_tokens:
                break
            rows.push()
        found = rows.results()
    return [T2SResult(torch.tensor(codes, dtype=torch.long), ended=ended) for codes, ended in found]


class _Rows:
    """The rows still going: their session, what they said, where they ended, and the results of those that left."""

    def __init__(self, model: Text2Semantic, requests: Sequence[T2SRequest], *, steps: int) -> None:
        self._session = Session(model, requests, steps=steps)
        self.device = self._session.logits.device
        self._eos = model.config.eos
        self._noise = RowNoise([request.seed for request in requests], model.config.vocab, self.device)
        self._request = list(range(len(requests)))
        self._said = torch.zeros(len(requests), steps, dtype=torch.long, device=self.device)
        self._end = torch.full((len(requests),), steps, device=self.device)
        self._seen = torch.zeros(len(requests), model.config.vocab, dtype=torch.bool, device=self.device)
        for row, request in enumerate(requests):
            self._seen[row, request.prompt.to(self.device)] = True
        self._steps = 0
        self._limit = steps
        self._done: dict[int, tuple[list[int], bool]] = {}

    @property
    def count(self) -> int:
        """Rows still going."""
        return len(self._request)

    def choose(self, sampling: Sampling, *, eos_allowed: bool) -> None:
        """Choose each row's next token and note which rows end here."""
        logits = self._session.logits
        if not eos_allowed:
            logits[:, self._eos] = float("-inf")
        logits = penalised(logits, self._seen, sampling.repetition_penalty)
        token = drawn(narrowed(logits, sampling), self._noise.next())
        if eos_allowed:
            ends = (token == self._eos) | (logits.argmax(-1) == self._eos)
            self._end = torch.where(ends, self._end.clamp_max(self._steps), self._end)
        self._said[:, self._steps] = token
        self._seen.scatter_(1, token[:, None], True)
        self._steps += 1

    def push(self) -> None:
        """Give the network the tokens just chosen."""
        self._session.push(self._said[:, self._steps - 1])

    def collect(self) -> None:
        """Take rows that have ended out of the batch."""
        alive = (self._end >= self._steps).tolist()
        if all(alive):
            return
        for row in (row for row, going in enumerate(alive) if not going):
            self._take(row)
        order = holes_filled(alive)
        index = torch.tensor(order, dtype=torch.long, device=self.device)
        self._request = [self._request[row] for row in order]
        self._said, self._end, self._seen = self._said[index], self._end[index], self._seen[index]
        self._noise.keep(order)
        self._session.keep(order)

    def results(self) -> list[tuple[list[int], bool]]:
        """Give tokens and whether the row ended by itself, in the order of requests."""
        for row in range(self.count):
            self._take(row)
        return [self._done[request] for request in sorted(self._done)]

    def _take(self, row: int) -> None:
        end = int(self._end[row])
        ended = end < self._steps
        self._done[self._request[row]] = (self._said[row, : min(end, self._steps)].tolist(), ended)
