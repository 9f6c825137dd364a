"""Requests in, semantic tokens out: the decoding loop, many utterances at once (continuous batching).

A row that ends takes the next request at once, where the official program decodes fixed batches and waits for the
longest (AR/models/t2s_model.py, `infer_panel_batch_infer`). A row's tokens depend on its own request and seed, not on
the rows beside it: see `GumbelNoise`, `KVCache` and `PackedLinear`. Knows no text, audio or files.

Legend: B rows being decoded, P phones, S semantic tokens, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sovits_cli.errors import InputError, ModelError, TextError
from sovits_cli.models.t2s.alignment import MonotonicAttentionWindow
from sovits_cli.models.t2s.cache import CacheSize, KVCache, compact_rows
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.sampling import (
    GumbelNoise,
    Sampling,
    apply_repetition_penalty,
    filter_top_k_top_p,
    sample,
)
from sovits_cli.terms import SEMANTIC_RATE_HZ

__all__ = ["MAX_ROWS", "MAX_TOKENS", "DecoderState", "Sampling", "T2SRequest", "T2SResult", "decode", "decode_each"]

MAX_TOKENS = 1500
"""60 s of speech, the limit of AR/models/t2s_model.py, `infer_panel_naive`."""

MAX_ROWS = 8
"""Utterances side by side. More is faster for long texts, and needs more memory."""

MAX_PROMPT_S = 54
"""The longest recording the official models saw in training."""

ACCELERATOR_CHECK_STEPS = 16
"""How often the host asks an accelerator which rows have ended; asking makes it wait. A CPU is asked every step."""

_NOT_FINITE = -1
"""Stands for the end of a row whose logits are NaN or infinite."""


@dataclass(frozen=True)
class T2SRequest:
    """One utterance to decode.

    Args:
        phones: (P,) ids of the prompt's text, then of the text to speak.
        bert: (bert_dim, P) text feature; None counts as zeros.
        prompt: (S,) semantic tokens of the reference, possibly none.
        seed: decides every draw of this utterance, whatever is decoded beside it.
    """

    phones: Tensor
    bert: Tensor | None
    prompt: Tensor
    seed: int


@dataclass(frozen=True)
class T2SResult:
    """One utterance.

    Args:
        tokens: (S,) int64 generated tokens, without prompt and EOS, on the CPU.
        ended: False if `max_tokens` cut it off.
    """

    tokens: Tensor
    ended: bool


def decode(
    model: Text2Semantic,
    requests: Sequence[T2SRequest],
    sampling: Sampling,
    *,
    max_tokens: int = MAX_TOKENS,
    max_rows: int = MAX_ROWS,
    monotonic: bool = False,
) -> list[T2SResult]:
    """Decode all requests; results come in the order of requests.

    Args:
        model, requests, sampling, max_tokens, max_rows, monotonic: as in `decode_each`, errors too.
    """
    found = dict(decode_each(model, requests, sampling, max_tokens=max_tokens, max_rows=max_rows, monotonic=monotonic))
    return [found[index] for index in range(len(requests))]


def decode_each(
    model: Text2Semantic,
    requests: Sequence[T2SRequest],
    sampling: Sampling,
    *,
    max_tokens: int = MAX_TOKENS,
    max_rows: int = MAX_ROWS,
    monotonic: bool = False,
) -> Iterator[tuple[int, T2SResult]]:
    """Decode requests side by side, giving each with its index as soon as it ends; a free row takes the next one.

    A row ends where EOS is drawn, or where EOS is the most likely token (AR/models/t2s_model.py, `infer_panel_naive`).

    Args:
        model: in evaluation mode; `model.prepare_for_inference()` makes it faster on a CPU.
        requests: what to speak.
        sampling: how tokens are drawn.
        max_tokens: stop each row after so many, 1 or more.
        max_rows: at most so many side by side, 1 or more.
        monotonic: let each row see only the phones it is at (`MonotonicAttentionWindow`); for networks that were
            taught the alignment, and requests without a prompt.

    Raises:
        SovitsError: a request that this model cannot read, before anything is decoded.
        FloatingPointError: the network gives logits that are NaN or infinite.
    """
    assert max_tokens >= 1, "max_tokens must be 1 or more"
    assert max_rows >= 1, "max_rows must be 1 or more"
    for request in requests:
        check_request(request, model.config)
    if not requests:
        return
    state = DecoderState(
        model,
        rows=min(max_rows, len(requests)),
        positions=max(len(request.phones) + len(request.prompt) for request in requests) + max_tokens,
        monotonic=monotonic,
    )
    scheduler = _Scheduler(state, requests, sampling, model.config, max_tokens=max_tokens)
    while scheduler.active_rows:
        scheduler.choose_tokens()
        for index, tokens, ended in scheduler.pop_ended():
            yield index, T2SResult(torch.tensor(tokens, dtype=torch.long), ended=ended)
        scheduler.step()


# Rows over time, here three for five requests:
#
# row 0   │ 0 0 0 0 0 0 0 │ 3 3 3 3 3 3 3 3 3 3 3 │           each digit: one token of that request
# row 1   │ 1 1 1 1 1 1 1 1 1 1 │ 4 4 4 4 4 4 4 4 4 4 4 4 │    │: prefill of the next request in that row
# row 2   │ 2 2 2 2 2 2 2 2 2 2 2 2 2 │ ◄── nobody waits: the row goes, the last living row moves in
#         └────────────────────────────────────────────► steps
class _Scheduler:
    """Which request each row decodes, its tokens so far and where it ended; and the requests still waiting."""

    def __init__(
        self,
        state: DecoderState,
        requests: Sequence[T2SRequest],
        sampling: Sampling,
        config: T2SConfig,
        *,
        max_tokens: int,
    ) -> None:
        count, device = len(state.logits), state.logits.device
        self._state = state
        self._requests = requests
        self._waiting = iter(range(count, len(requests)))
        self._sampling = sampling
        self._max_tokens = max_tokens
        self._eos = config.eos
        self._noise = GumbelNoise(count, config.vocab, device)
        self._until_check = self._check_steps = 1 if device.type == "cpu" else ACCELERATOR_CHECK_STEPS
        self._request_of = list(range(count))  # of each row
        self._refill: dict[int, int] = {}  # rows that are free, and the requests they take
        self._tokens = torch.zeros(count, max_tokens, dtype=torch.long, device=device)
        self._seen = torch.zeros(count, config.vocab, dtype=torch.bool, device=device)
        # tokens of each row, also after an end that was not noticed yet: for the host, and the same on the device
        self._counts = [0] * count
        self._device_counts = torch.zeros(count, dtype=torch.long, device=device)
        self._ends = torch.zeros(count, dtype=torch.long, device=device)  # tokens before EOS, once it came
        for row in range(count):
            self._start(row, row)

    @property
    def active_rows(self) -> int:
        """Rows being decoded."""
        return len(self._request_of)

    @torch.inference_mode()
    def choose_tokens(self) -> None:
        """Choose each row's next token and note which rows end here."""
        logits = self._state.logits
        if min(self._counts) < self._sampling.min_tokens:
            too_early = self._device_counts < self._sampling.min_tokens
            logits[:, self._eos].masked_fill_(too_early, float("-inf"))
        logits = apply_repetition_penalty(logits, self._seen, self._sampling.repetition_penalty)
        token = sample(filter_top_k_top_p(logits, self._sampling), self._noise.next())
        is_end = (token == self._eos) | (
            logits.argmax(-1) == self._eos
        )  # of the penalised logits, as the official test
        self._ends = torch.where(is_end, torch.minimum(self._ends, self._device_counts), self._ends)
        self._ends.masked_fill_(~logits.amax(-1).isfinite(), _NOT_FINITE)
        self._tokens.scatter_(1, self._device_counts[:, None], token[:, None])
        self._seen.scatter_(1, token[:, None], True)
        self._newest = token
        self._device_counts += 1
        self._counts = [count + 1 for count in self._counts]
        self._until_check -= 1

    @torch.inference_mode()
    def pop_ended(self) -> list[tuple[int, list[int], bool]]:
        """Take out rows that have ended: request, tokens, and whether it ended by itself."""
        # An accelerator runs ahead of the host; reading `_ends` makes the host wait for it. So it is read every few
        # steps only, and what a row drew after its end is cut off here:
        #
        #     step       1  2  3  4  5  6  7  8         count 8
        #     tokens     a  b  c  E  x  x  x  x         end   3: `_ends` keeps the smallest
        #                                     ▲ check
        if self._until_check and max(self._counts) < self._max_tokens:
            return []
        self._until_check = self._check_steps
        found, alive = [], [True] * self.active_rows
        for row, (end, count) in enumerate(zip(self._ends.tolist(), self._counts, strict=True)):
            if end == _NOT_FINITE:
                raise FloatingPointError("the logits of the next token are NaN or infinite")
            if end >= count and count < self._max_tokens:
                continue
            found.append((self._request_of[row], self._tokens[row, : min(end, count)].tolist(), end < count))
            waiting = next(self._waiting, None)
            alive[row] = waiting is not None
            if waiting is not None:
                self._refill[row] = waiting
        if not all(alive):
            self._reorder(compact_rows(alive))
        return found

    @torch.inference_mode()
    def step(self) -> None:
        """Give the network the tokens just chosen, and let waiting requests have the rows that became free."""
        if len(self._refill) < self.active_rows:
            self._state.step(self._newest)
        for row, request in self._refill.items():
            self._start(row, request)
        self._refill = {}

    @torch.inference_mode()
    def _start(self, row: int, index: int) -> None:
        request = self._requests[index]
        self._state.prefill(row, request)
        self._noise.reset(row, request.seed)
        self._request_of[row] = index
        self._counts[row] = 0
        self._device_counts[row] = 0
        self._ends[row] = self._max_tokens
        self._seen[row] = False
        self._seen[row, request.prompt.to(self._seen.device)] = True

    def _reorder(self, order: list[int]) -> None:
        index = torch.tensor(order, dtype=torch.long, device=self._tokens.device)
        self._request_of = [self._request_of[row] for row in order]
        self._counts = [self._counts[row] for row in order]
        self._refill = {target: self._refill[row] for target, row in enumerate(order) if row in self._refill}
        self._tokens, self._seen, self._newest = self._tokens[index], self._seen[index], self._newest[index]
        self._device_counts, self._ends = self._device_counts[index], self._ends[index]
        self._noise.reorder(order)
        self._state.reorder(order)


class DecoderState:
    """What the network remembers of utterances decoded side by side, and the logits of their next tokens.

    Tokens come from outside: it knows no sampling and no end of speech. `logits` (B, V) float32 always belongs to the
    next token of each row.
    """

    @torch.inference_mode()
    def __init__(self, model: Text2Semantic, *, rows: int, positions: int, monotonic: bool = False) -> None:
        """Make room for `rows` utterances of at most `positions` phones, prompt tokens and new tokens together.

        With `monotonic` they have no prompt.
        """
        assert not model.training, "decoding needs model.eval()"
        config = model.config
        weight = model.ar_audio_embedding.word_embeddings.weight
        size = CacheSize(config.layers, rows, config.heads, positions, config.head_dim)
        self._model = model
        self._transformer = model.inference_transformer()
        self._embedding = weight
        self._offsets = model.ar_audio_position.offsets(positions)
        self._position = torch.zeros(rows, dtype=torch.long, device=weight.device)
        self._cache = KVCache(size, device=weight.device, dtype=weight.dtype)
        self._window = None
        if monotonic:
            self._window = MonotonicAttentionWindow(config.layers, rows, self._cache.positions, weight.device)
        self.logits = torch.zeros(rows, config.vocab, device=weight.device)

    @torch.inference_mode()
    def prefill(self, row: int, request: T2SRequest) -> None:
        """Put a request, checked before, into a row that is free or given up; its first logits are ready after."""
        device, dtype = self._embedding.device, self._embedding.dtype
        bert = None if request.bert is None else request.bert.to(device, dtype)[None]
        text = self._model.embed_text(request.phones.to(device)[None], bert)
        audio = self._model.embed_audio(request.prompt.to(device)[None])
        hidden = self._transformer.prefill(torch.cat((text, audio), dim=1)[0], text.shape[1], self._cache, row)
        self.logits[row] = self._transformer.logits(hidden[None])[0]
        self._position[row] = audio.shape[1]  # audio positions count from 0, apart from those of the text
        if self._window is not None:
            assert not audio.shape[1], "the monotonic window begins at the beginning of the text"
            self._window.reset(row, text.shape[1])

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> None:
        """Append one token (B,) to each row and renew `logits`."""
        x = self._embedding[tokens] + self._offsets[self._position]
        self._position += 1
        self.logits = self._transformer.logits(self._transformer.step(x, self._cache, self._window))

    @torch.inference_mode()
    def reorder(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order (see `KVCache.reorder`); the others are forgotten."""
        index = torch.tensor(order, dtype=torch.long, device=self._position.device)
        self._cache.reorder(order)
        if self._window is not None:
            self._window.reorder(order)
        self._position = self._position[index]
        self.logits = self.logits[index]


def check_request(request: T2SRequest, config: T2SConfig) -> None:
    """Refuse what the network cannot read.

    Raises:
        TextError: no phones.
        InputError: a prompt that is too long.
        ModelError: ids or features made for another model.
    """
    if request.phones.ndim != 1 or not len(request.phones):
        raise TextError("nothing to speak: the text has no phones")
    if len(request.prompt) > MAX_PROMPT_S * SEMANTIC_RATE_HZ:
        seconds = len(request.prompt) / SEMANTIC_RATE_HZ
        raise InputError(
            f"the reference is {seconds:.1f} s long, expected at most {MAX_PROMPT_S} s",
            hint="use a reference of 3 to 10 seconds",
        )
    _check_ids(request.phones, config.phones, "phone", "the text was made with another phone table")
    _check_ids(request.prompt, config.eos, "semantic token", "the reference was read by another SoVITS model")
    expected = (config.bert_dim, len(request.phones))
    if request.bert is not None and tuple(request.bert.shape) != expected:
        raise ModelError(f"text feature of shape {tuple(request.bert.shape)}, the GPT model expects {expected}")


def _check_ids(ids: Tensor, count: int, what: str, reason: str) -> None:
    if not ids.numel():
        return
    low, high = (int(end) for end in ids.aminmax())
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise ModelError(f"{what} id {wrong} is outside this GPT model's table of {count}: {reason}")
