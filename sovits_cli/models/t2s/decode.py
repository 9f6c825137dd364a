"""Requests in, semantic tokens out: the decoding loop, many utterances at once.

A row's tokens depend on its own request and seed, not on the rows beside it. Knows no text, audio or files.

Legend: B rows being decoded, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sovits_cli.models.t2s.cache import holes_filled
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.request import T2SRequest, check
from sovits_cli.models.t2s.sampling import RowNoise, Sampling, drawn, narrowed, penalised
from sovits_cli.models.t2s.session import Session

__all__ = ["MAX_ROWS", "MAX_TOKENS", "MIN_TOKENS", "Sampling", "T2SRequest", "T2SResult", "decode", "decode_each"]

MAX_TOKENS = 1500
"""Official limit: 60 s of speech."""

MIN_TOKENS = 11
"""Official: the end of speech cannot be chosen before this many tokens."""

MAX_ROWS = 8
"""Utterances side by side. More is faster for long texts, and needs more memory."""

ACCELERATOR_CHECK_STEPS = 16
"""How often the host asks an accelerator which rows have ended; asking makes it wait. A CPU is asked every step."""

_NOT_NUMBERS = -1
"""In place of where a row ends: its logits are NaN or infinite."""


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
    max_rows: int = MAX_ROWS,
    guided: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> list[T2SResult]:
    """Speak all requests; results come in the order of requests. See `decode_each`."""
    found = dict(
        decode_each(
            model,
            requests,
            sampling,
            max_tokens=max_tokens,
            min_tokens=min_tokens,
            max_rows=max_rows,
            guided=guided,
            on_step=on_step,
        )
    )
    return [found[index] for index in range(len(requests))]


def decode_each(
    model: Text2Semantic,
    requests: Sequence[T2SRequest],
    sampling: Sampling,
    *,
    max_tokens: int = MAX_TOKENS,
    min_tokens: int = MIN_TOKENS,
    max_rows: int = MAX_ROWS,
    guided: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, T2SResult]]:
    """Speak requests side by side, giving each with its index as soon as it ends; a free row takes the next one.

    A row ends where EOS is drawn, or where EOS is the most likely token (official rule).

    Args:
        model: in evaluation mode; `model.prepare_for_inference()` makes it faster on a CPU.
        requests: what to speak.
        sampling: how tokens are drawn.
        max_tokens: stop each row after so many, 1 or more.
        min_tokens: EOS cannot come before so many.
        max_rows: at most so many side by side, 1 or more.
        guided: keep each row at its place in the text; for networks that were taught it, and requests without a prompt.
        on_step: called after each step with the steps done and the rows going.

    Raises:
        SovitsError: a request that this model cannot read, before anything is decoded.
        FloatingPointError: the network gives logits that are no numbers.
    """
    assert max_tokens >= 1, "max_tokens must be 1 or more"
    assert max_rows >= 1, "max_rows must be 1 or more"
    for request in requests:
        check(request, model.config)
    if not requests:
        return
    session = Session(
        model,
        rows=min(max_rows, len(requests)),
        positions=max(len(request.phones) + len(request.prompt) for request in requests) + max_tokens,
        guided=guided,
    )
    rows = _Rows(session, requests, sampling, model.config, max_tokens=max_tokens, min_tokens=min_tokens)
    steps = 0
    while rows.going:
        rows.choose()
        for index, codes, ended in rows.take_ended():
            yield index, T2SResult(torch.tensor(codes, dtype=torch.long), ended=ended)
        rows.move_on()
        steps += 1
        if on_step is not None:
            on_step(steps, rows.going)


class _Rows:
    """The rows going: their session, what each said and where it ended; and the requests still waiting."""

    def __init__(
        self,
        session: Session,
        requests: Sequence[T2SRequest],
        sampling: Sampling,
        config: T2SConfig,
        *,
        max_tokens: int,
        min_tokens: int,
    ) -> None:
        count, device = len(session.logits), session.logits.device
        self._session = session
        self._requests = requests
        self._waiting = iter(range(count, len(requests)))
        self._sampling = sampling
        self._min_tokens, self._max_tokens = min_tokens, max_tokens
        self._eos = config.eos
        self._noise = RowNoise(count, config.vocab, device)
        self._until_check = self._check_steps = 1 if device.type == "cpu" else ACCELERATOR_CHECK_STEPS
        self._who = list(range(count))  # the request that each row speaks
        self._new: dict[int, int] = {}  # rows to be read anew, and their requests
        self._said = torch.zeros(count, max_tokens, dtype=torch.long, device=device)
        self._seen = torch.zeros(count, config.vocab, dtype=torch.bool, device=device)
        self._counts = [0] * count  # tokens said, also after an end not noticed yet
        self._count = torch.zeros(count, dtype=torch.long, device=device)  # the same on the device
        self._ends = torch.zeros(count, dtype=torch.long, device=device)  # tokens before EOS, once it came
        for row in range(count):
            self._start(row, row)

    @property
    def going(self) -> int:
        """Rows being decoded."""
        return len(self._who)

    @torch.inference_mode()
    def choose(self) -> None:
        """Choose each row's next token and note which rows end here."""
        logits = self._session.logits
        if min(self._counts) < self._min_tokens:
            logits[:, self._eos].masked_fill_(self._count < self._min_tokens, float("-inf"))
        logits = penalised(logits, self._seen, self._sampling.repetition_penalty)
        token = drawn(narrowed(logits, self._sampling), self._noise.next())
        ends = (token == self._eos) | (logits.argmax(-1) == self._eos)
        self._ends = torch.where(ends, torch.minimum(self._ends, self._count), self._ends)
        self._ends.masked_fill_(~logits.amax(-1).isfinite(), _NOT_NUMBERS)
        self._said.scatter_(1, self._count[:, None], token[:, None])
        self._seen.scatter_(1, token[:, None], True)
        self._newest = token
        self._count += 1
        self._counts = [count + 1 for count in self._counts]
        self._until_check -= 1

    @torch.inference_mode()
    def take_ended(self) -> list[tuple[int, list[int], bool]]:
        """Take out rows that have ended: request, tokens, and whether it ended by itself."""
        if self._until_check and max(self._counts) < self._max_tokens:
            return []
        self._until_check = self._check_steps
        found, alive = [], [True] * self.going
        for row, (end, count) in enumerate(zip(self._ends.tolist(), self._counts, strict=True)):
            if end == _NOT_NUMBERS:
                raise FloatingPointError("the logits of the next token are NaN or infinite")
            if end >= count and count < self._max_tokens:
                continue
            found.append((self._who[row], self._said[row, : min(end, count)].tolist(), end < count))
            waiting = next(self._waiting, None)
            alive[row] = waiting is not None
            if waiting is not None:
                self._new[row] = waiting
        if not all(alive):
            self._keep(holes_filled(alive))
        return found

    @torch.inference_mode()
    def move_on(self) -> None:
        """Give the network the tokens just chosen, and let waiting requests have the rows that became free."""
        if len(self._new) < self.going:
            self._session.push(self._newest)
        for row, request in self._new.items():
            self._start(row, request)
        self._new = {}

    @torch.inference_mode()
    def _start(self, row: int, index: int) -> None:
        request = self._requests[index]
        self._session.read(row, request)
        self._noise.start(row, request.seed)
        self._who[row] = index
        self._counts[row] = 0
        self._count[row] = 0
        self._ends[row] = self._max_tokens
        self._seen[row] = False
        self._seen[row, request.prompt.to(self._seen.device)] = True

    def _keep(self, order: list[int]) -> None:
        index = torch.tensor(order, dtype=torch.long, device=self._said.device)
        self._who = [self._who[row] for row in order]
        self._counts = [self._counts[row] for row in order]
        self._new = {place: self._new[row] for place, row in enumerate(order) if row in self._new}
        self._said, self._seen, self._newest = self._said[index], self._seen[index], self._newest[index]
        self._count, self._ends = self._count[index], self._ends[index]
        self._noise.keep(order)
        self._session.keep(order)
