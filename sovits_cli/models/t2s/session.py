"""Utterances being decoded side by side: the network's memory of them and the logits of their next tokens.

Tokens come from outside: a session knows no sampling and no end of speech.

Legend: B rows (one an utterance), D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sovits_cli.models.t2s.cache import KVCache
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.request import T2SRequest, check


class Session:
    """Rows of one decoding. `logits` (B, V) float32 always belongs to the next token."""

    def __init__(self, model: Text2Semantic, requests: Sequence[T2SRequest], *, steps: int) -> None:
        """Read all requests; afterwards up to `steps` tokens can be pushed.

        Raises:
            SovitsError: a request that this model cannot read (see `request.check`).
        """
        assert not model.training, "decoding needs model.eval()"
        for request in requests:
            check(request, model.config)
        lengths = [len(request.phones) + len(request.prompt) for request in requests]
        prompts = [len(request.prompt) for request in requests]
        weight = model.ar_audio_embedding.word_embeddings.weight
        self._stack = model.cached_stack()
        self._embedding = weight
        self._positions = model.ar_audio_position.offsets(max(prompts) + steps)
        self._next = torch.tensor(prompts, device=weight.device)
        self._cache = KVCache(
            layers=model.config.layers,
            rows=len(requests),
            heads=model.config.heads,
            head_dim=model.config.head_dim,
            capacity=max(lengths) + steps,
            device=weight.device,
            dtype=weight.dtype,
        )
        self._bias = _padding_bias(lengths, self._cache.capacity, weight)
        self._cache.begin(max(lengths))
        hidden = [self._read(model, request, row) for row, request in enumerate(requests)]
        self.logits = self._stack.logits(torch.stack(hidden))

    def push(self, tokens: Tensor) -> None:
        """Append one token (B,) to each row and renew `logits`."""
        x = self._embedding[tokens] + self._positions[self._next]
        self._next += 1
        bias = None if self._bias is None else self._bias[..., : self._cache.length + 1]
        self.logits = self._stack.logits(self._stack.step(x, self._cache, bias))

    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order (see `KVCache.keep`); the others are forgotten."""
        index = torch.tensor(order, dtype=torch.long, device=self._next.device)
        self._cache.keep(order)
        self._next = self._next[index]
        self.logits = self.logits[index]
        self._bias = None if self._bias is None else self._bias[index]

    def _read(self, model: Text2Semantic, request: T2SRequest, row: int) -> Tensor:
        device = self._embedding.device
        bert = None if request.bert is None else request.bert.to(device, self._embedding.dtype)[None]
        text = model.embed_text(request.phones.to(device)[None], bert if model.config.bert_dim else None)
        audio = model.embed_audio(request.prompt.to(device)[None])
        x = torch.cat((text, audio), dim=1)[0]
        return self._stack.prefill(x, len(request.phones), self._cache, row)


def _padding_bias(lengths: Sequence[int], capacity: int, like: Tensor) -> Tensor | None:
    """Attention bias (B, 1, 1, capacity) that hides what lies before shorter rows; None if all are equally long."""
    if len(set(lengths)) == 1:
        return None
    starts = torch.tensor([max(lengths) - length for length in lengths], device=like.device)
    hidden = torch.arange(capacity, device=like.device) < starts[:, None]
    bias = torch.zeros(hidden.shape, device=like.device, dtype=like.dtype)
    return bias.masked_fill(hidden, float("-inf"))[:, None, None]
