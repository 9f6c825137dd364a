"""Utterances being decoded side by side: the network's memory of them and the logits of their next tokens.

Tokens come from outside: a session knows no sampling and no end of speech.

Legend: B rows (one an utterance), D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sovits_cli.models.t2s.cache import CacheSize, KVCache
from sovits_cli.models.t2s.guide import Guide
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.request import T2SRequest


class Session:
    """Rows of one decoding. `logits` (B, V) float32 always belongs to the next token of each row."""

    @torch.inference_mode()
    def __init__(self, model: Text2Semantic, *, rows: int, positions: int, guided: bool = False) -> None:
        """Make room for `rows` utterances of at most `positions` phones, prompt tokens and new tokens together.

        `guided` ones have no prompt.
        """
        assert not model.training, "decoding needs model.eval()"
        config = model.config
        weight = model.ar_audio_embedding.word_embeddings.weight
        size = CacheSize(config.layers, rows, config.heads, positions, config.head_dim)
        self._model = model
        self._stack = model.cached_stack()
        self._embedding = weight
        self._offsets = model.ar_audio_position.offsets(positions)
        self._position = torch.zeros(rows, dtype=torch.long, device=weight.device)
        self._cache = KVCache(size, device=weight.device, dtype=weight.dtype)
        self._guide = Guide(config.layers, rows, self._cache.positions, weight.device) if guided else None
        self.logits = torch.zeros(rows, config.vocab, device=weight.device)

    @torch.inference_mode()
    def read(self, row: int, request: T2SRequest) -> None:
        """Put a request, checked before, into a row that is free or given up; its first logits are ready after."""
        device, dtype = self._embedding.device, self._embedding.dtype
        bert = None if request.bert is None else request.bert.to(device, dtype)[None]
        text = self._model.embed_text(request.phones.to(device)[None], bert)
        audio = self._model.embed_audio(request.prompt.to(device)[None])
        hidden = self._stack.prefill(torch.cat((text, audio), dim=1)[0], text.shape[1], self._cache, row)
        self.logits[row] = self._stack.logits(hidden[None])[0]
        self._position[row] = audio.shape[1]
        if self._guide is not None:
            assert not audio.shape[1], "a guide begins at the beginning of the text"
            self._guide.open(row, text.shape[1])

    @torch.inference_mode()
    def push(self, tokens: Tensor) -> None:
        """Append one token (B,) to each row and renew `logits`."""
        x = self._embedding[tokens] + self._offsets[self._position]
        self._position += 1
        self.logits = self._stack.logits(self._stack.step(x, self._cache, self._guide))

    @torch.inference_mode()
    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order (see `KVCache.keep`); the others are forgotten."""
        index = torch.tensor(order, dtype=torch.long, device=self._position.device)
        self._cache.keep(order)
        if self._guide is not None:
            self._guide.keep(order)
        self._position = self._position[index]
        self.logits = self.logits[index]
