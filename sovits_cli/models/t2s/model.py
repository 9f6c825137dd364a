"""Text2Semantic ("GPT", s1): phones, text features and earlier tokens in, logits of the next semantic token out.

    phones ─ embedding (+ BERT feature) + positions ─┐
                                                     ├─ transformer blocks ─ logits of the next token
    tokens ─ embedding ─────────────────+ positions ─┘

Holds the weights under the official key names (without the leading `model.`) and the training forward of
AR/models/t2s_model.py, `Text2SemanticDecoder`. Decoding with a cache is in `decode.py`.

Legend: B batch, P phones, S semantic tokens, N positions of all clips together, D width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits_cli.models.layers.chunked import checkpoint
from sovits_cli.models.t2s.alignment import HEAD, alignment_loss, taught_layer
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.inference_transformer import InferenceTransformer
from sovits_cli.models.t2s.layers import PackedRow, SinePosition, TokenEmbedding, TransformerStack
from sovits_cli.models.t2s.loss import T2SLoss, in_top3, pad_with_eos, share_of_tokens, target_logps

LOGITS_BLOCK = 1024
"""Positions whose logits are in memory at a time, in training."""


class Text2Semantic(nn.Module):
    """The network. Text is read in both directions; each token sees all the text and the tokens before it."""

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        self.config = config
        self.bert_proj = nn.Linear(config.bert_dim, config.width) if config.bert_dim else None
        self.ar_text_embedding = TokenEmbedding(config.phones, config.width)
        self.ar_text_position = SinePosition(config.width, config.position_dropout)
        self.ar_audio_embedding = TokenEmbedding(config.vocab, config.width)
        self.ar_audio_position = SinePosition(config.width, config.position_dropout)
        self.h = TransformerStack(config)
        self.ar_predict_layer = nn.Linear(config.width, config.vocab, bias=False)
        self._prepared: InferenceTransformer | None = None

    def forward(
        self,
        phones: Tensor,
        phone_mask: Tensor,
        bert: Tensor | None,
        tokens: Tensor,
        token_lens: Tensor,
        *,
        ignore_padding: bool = False,
        input_tokens: Tensor | None = None,
        align: bool = False,
    ) -> T2SLoss:
        """Teacher-forced training forward.

        The position of the last real phone of a row predicts its first token, so text may be padded on either
        side (not between phones). The official trainer pads on the right but masks on the left (AR/models/utils.py,
        `make_pad_mask_left`): give it that `phone_mask` to get its numbers.

        Args:
            phones: (B, P) ids.
            phone_mask: (B, P) bool, True for real phones; at least one a row.
            bert: (B, bert_dim, P) text feature; None counts as zeros.
            tokens: (B, S) semantic tokens; what lies behind a row's length is not read.
            token_lens: (B,).
            ignore_padding: leave padding out of the computation and the EOS there out of the loss, which the official
                one counts.
            input_tokens: (B, S) tokens that the network reads in the place of `tokens`, which it still has to predict.
            align: give the alignment loss too; text must be padded on the right.
        """
        rows = _rows(phone_mask, tokens.shape[1], token_lens, packed=ignore_padding)
        history = tokens if input_tokens is None else input_tokens
        states, hidden = self._hidden_states(
            rows, phones, phone_mask, bert, pad_with_eos(history, token_lens, self.config.eos)
        )
        padded = pad_with_eos(tokens, token_lens, self.config.eos)
        targets = torch.cat([one[: row.audio_len + 1] for one, row in zip(padded, rows, strict=True)])
        blocks = [
            checkpoint(self._score_targets, some, wanted)
            for some, wanted in zip(torch.split(hidden, LOGITS_BLOCK), torch.split(targets, LOGITS_BLOCK), strict=True)
        ]
        logps = torch.cat([block[0] for block in blocks])
        return T2SLoss(
            loss=-logps.sum(),
            row_logps=torch.stack([row.sum() for row in torch.split(logps, [row.audio_len + 1 for row in rows])]),
            top3_accuracy=share_of_tokens(torch.cat([block[1] for block in blocks]), targets, self.config.eos),
            alignment=self._alignment(states, rows) if align else None,
        )

    def logits(
        self, phones: Tensor, phone_mask: Tensor, bert: Tensor | None, tokens: Tensor, token_lens: Tensor
    ) -> Tensor:
        """Logits of every target, (B, S+1, V); arguments as in `forward`. A training needs no such tensor."""
        rows = _rows(phone_mask, tokens.shape[1], token_lens, packed=False)
        _, hidden = self._hidden_states(
            rows, phones, phone_mask, bert, pad_with_eos(tokens, token_lens, self.config.eos)
        )
        found: Tensor = self.ar_predict_layer(hidden)
        return found.view(len(rows), tokens.shape[1] + 1, -1)

    def text_deviation(self, phones: Tensor, bert: Tensor | None, tokens: Tensor) -> float:
        """How far tokens deviate from their text, 0 or more: the alignment loss per token.

        Words repeated or left out cost 0.2 and more. It says something of networks trained with that loss only.

        Args:
            phones: (P,) ids.
            bert: (bert_dim, P) text feature; None counts as zeros.
            tokens: (S,) semantic tokens, at least one.
        """
        if len(tokens) < len(phones):
            return math.inf
        lens = torch.tensor([len(tokens)], device=phones.device)
        mask = torch.ones_like(phones, dtype=torch.bool)[None]
        rows = _rows(mask, len(tokens), lens, packed=True)
        padded = pad_with_eos(tokens[None], lens, self.config.eos)
        with torch.no_grad():
            states, _ = self._hidden_states(rows, phones[None], mask, None if bert is None else bert[None], padded)
            return float(self._alignment(states, rows))

    def _hidden_states(
        self, rows: Sequence[PackedRow], phones: Tensor, phone_mask: Tensor, bert: Tensor | None, padded_tokens: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Run the blocks on a batch.

        Args:
            rows: where each clip lies in the packed sequence.
            phones: (B, P) ids.
            phone_mask: (B, P) bool, True for real phones.
            bert: (B, bert_dim, P) text feature, or None.
            padded_tokens: (B, S+1) tokens and EOS, of which the last column is not read.

        Returns:
            What went into each block and came out of the last, each (N, D); and of the last the vectors that predict,
            those of a row's last phone and of its audio: audio_len + 1 a row.
        """
        audio_vectors = self.embed_audio(padded_tokens[:, :-1])
        embedded = zip(rows, phone_mask, self.embed_text(phones, bert), audio_vectors, strict=True)
        parts = [
            part
            for row, mask, text, audio in embedded
            for part in (text if row.text_len == len(text) else text[mask], audio[: row.audio_len])
        ]
        states = self.h.hidden_states(torch.cat(parts), rows)
        predicting = [
            part
            for row in rows
            for part in (
                states[-1][row.start + row.phone_span[1] - 1][None],
                states[-1][row.start + row.text_len : row.stop],
            )
        ]
        return states, torch.cat(predicting)

    def _score_targets(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of each target, and whether it is among the three likeliest: (N, D), (N,) -> (N,), (N,)."""
        logits = self.ar_predict_layer(hidden)
        return target_logps(logits, targets), in_top3(logits, targets)

    def _alignment(self, states: list[Tensor], rows: Sequence[PackedRow]) -> Tensor:
        """Alignment loss of the taught head, a scalar, from the hidden states (N, D) that enter its block."""
        layer = taught_layer(self.config.layers)
        lens = torch.tensor([(row.phone_span[1], row.token_count) for row in rows], device=states[0].device)
        text, audio = (
            nn.utils.rnn.pad_sequence(
                [states[layer][first : first + count] for first, count in spans], batch_first=True
            )
            for spans in (
                [(row.start, row.phone_span[1]) for row in rows],
                [(row.start + row.text_len, row.token_count) for row in rows],
            )
        )
        scores = self.h.blocks()[layer].self_attn.scores(audio, text, head=HEAD)
        return alignment_loss(scores, lens[:, 0], lens[:, 1])

    def embed_text(self, phones: Tensor, bert: Tensor | None) -> Tensor:
        """Phones (B, P) and text feature (B, bert_dim, P) to vectors with positions (B, P, D)."""
        x = self._drop(self.ar_text_embedding(phones))
        if self.bert_proj is not None:
            x = x + (self.bert_proj.bias if bert is None else self.bert_proj(bert.transpose(1, 2)))
        out: Tensor = self.ar_text_position(x)
        return out

    def embed_audio(self, tokens: Tensor) -> Tensor:
        """Tokens (B, S) to vectors with positions counted from 0 (B, S, D)."""
        out: Tensor = self.ar_audio_position(self._drop(self.ar_audio_embedding(tokens)))
        return out

    def prepare_for_inference(self) -> None:
        """Lay the weights out for fast decoding where the device has such a layout (CPU), once; a copy.

        Any later change of the weights through this module (training, loading, moving) undoes it.
        """
        self._prepared = self.inference_transformer(pack=True)

    def inference_transformer(self, *, pack: bool = False) -> InferenceTransformer:
        """Give the blocks as decoding runs them: prepared ones if there are, else plain views of the weights."""
        if self._prepared is not None:
            return self._prepared
        return InferenceTransformer(self.h.blocks(), self.ar_predict_layer.weight, pack=pack)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; training forgets prepared weights, which would grow stale."""
        if mode:
            self._prepared = None
        return super().train(mode)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights as any module does, forgetting prepared ones."""
        self._prepared = None
        return super().load_state_dict(*args, **kwargs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._prepared = None  # the device or number format changes
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.config.embedding_dropout, self.training)


def _rows(phone_mask: Tensor, audio_len: int, token_lens: Tensor, *, packed: bool) -> list[PackedRow]:
    """Lay the clips of a batch out in one sequence, with their padding or `packed` without.

    Args:
        phone_mask: (B, P) bool, True for real phones.
        audio_len: tokens of the longest row.
        token_lens: (B,) tokens of each row.
        packed: leave the padding out.
    """
    positions = torch.arange(phone_mask.shape[1], device=phone_mask.device)
    last = (positions * phone_mask).amax(1).tolist()
    rows: list[PackedRow] = []
    for end, count, tokens in zip(last, phone_mask.sum(1).tolist(), token_lens.tolist(), strict=True):
        start = rows[-1].stop if rows else 0
        if packed:
            rows.append(PackedRow(start, count, tokens, (0, count), tokens))
        else:
            rows.append(PackedRow(start, phone_mask.shape[1], audio_len, (end + 1 - count, end + 1), tokens))
    return rows
