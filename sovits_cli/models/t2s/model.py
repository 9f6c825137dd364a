"""Text2Semantic ("GPT", s1): phones, text features and earlier tokens in, logits of the next semantic token out.

Holds the weights under the official key names (without the leading `model.`) and the training forward of
AR/models/t2s_model.py, `Text2SemanticDecoder`. Decoding with a cache is in `decode.py`.

Legend: B batch, P phones, S semantic tokens, N positions of all clips together, D width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class T2SInputs:
    """The clips of a batch.

    Args:
        phones: (B, P) ids.
        phone_mask: (B, P) bool, True for real phones; at least one a row. Padding may be on either side.
        bert: (B, bert_dim, P) text feature; None counts as zeros.
        tokens: (B, S) semantic tokens; what lies behind a row's length is not read.
        token_lens: (B,).
        input_tokens: (B, S) tokens that the network reads in the place of `tokens`, which it still has to predict.
    """

    phones: Tensor
    phone_mask: Tensor
    bert: Tensor | None
    tokens: Tensor
    token_lens: Tensor
    input_tokens: Tensor | None = None


# phones ─ embedding (+ BERT feature) + positions ─┐
#                                                  ├─ transformer blocks ─ logits of the next token
# tokens ─ embedding ─────────────────+ positions ─┘
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

    def forward(self, clips: T2SInputs, *, ignore_padding: bool = False, align: bool = False) -> T2SLoss:
        """Teacher-forced training forward.

        The position of the last real phone of a row predicts its first token. The official trainer pads phones on
        the right but masks them on the left (AR/models/utils.py, `make_pad_mask_left`): give it that `phone_mask` to
        get its numbers.

        Args:
            clips: the batch.
            ignore_padding: leave padding out of the computation and the EOS there out of the loss, which the official
                one counts.
            align: give the alignment loss too; phones must be padded on the right.
        """
        rows = _rows(clips, packed=ignore_padding)
        states, hidden = self._hidden_states(rows, clips)
        padded = pad_with_eos(clips.tokens, clips.token_lens, self.config.eos)
        targets = torch.cat([one[: row.audio_len + 1] for one, row in zip(padded, rows, strict=True)])
        # logits of a whole batch, (N, V), would be the largest tensor of the step: a block at a time, made again in
        # the backward pass
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

    def logits(self, clips: T2SInputs) -> Tensor:
        """Logits of every target, (B, S+1, V). A training needs no such tensor."""
        rows = _rows(clips, packed=False)
        _, hidden = self._hidden_states(rows, clips)
        found: Tensor = self.ar_predict_layer(hidden)
        return found.view(len(rows), clips.tokens.shape[1] + 1, -1)

    def text_deviation(self, phones: Tensor, bert: Tensor | None, tokens: Tensor) -> float:
        """How far tokens deviate from their text, 0 or more: the alignment loss per token.

        Words repeated or left out cost 0.2 and more. It means something for networks trained with that loss only.

        Args:
            phones: (P,) ids.
            bert: (bert_dim, P) text feature; None counts as zeros.
            tokens: (S,) semantic tokens, at least one.
        """
        if len(tokens) < len(phones):
            return math.inf
        lens = torch.tensor([len(tokens)], device=phones.device)
        mask = torch.ones_like(phones, dtype=torch.bool)[None]
        clips = T2SInputs(phones[None], mask, None if bert is None else bert[None], tokens[None], lens)
        rows = _rows(clips, packed=True)
        with torch.no_grad():
            states, _ = self._hidden_states(rows, clips)
            return float(self._alignment(states, rows))

    def _hidden_states(self, rows: Sequence[PackedRow], clips: T2SInputs) -> tuple[list[Tensor], Tensor]:
        """Run the blocks on a batch, its clips laid out in the packed sequence by `rows`.

        Returns:
            What went into each block and came out of the last, each (N, D); and of the last the vectors that predict,
            those of a row's last phone and of its audio: audio_len + 1 a row.
        """
        read = clips.tokens if clips.input_tokens is None else clips.input_tokens
        history = pad_with_eos(read, clips.token_lens, self.config.eos)[:, :-1]
        texts, audios = self.embed_text(clips.phones, clips.bert), self.embed_audio(history)
        parts = [
            part
            for row, mask, text, audio in zip(rows, clips.phone_mask, texts, audios, strict=True)
            for part in (text if row.text_len == len(text) else text[mask], audio[: row.audio_len])
        ]
        states = self.h.hidden_states(torch.cat(parts), rows)
        # a row        p p p p a a a a .      p phone, a audio, . padding
        # predict            ^ ^ ^ ^ ^        its first token, .., EOS (with padding: more EOS)
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


def _rows(clips: T2SInputs, *, packed: bool) -> list[PackedRow]:
    """Lay the clips of a batch out in one sequence, with their padding or `packed` without."""
    phone_mask, (_, audio_len) = clips.phone_mask, clips.tokens.shape
    positions = torch.arange(phone_mask.shape[1], device=phone_mask.device)
    last = (positions * phone_mask).amax(1).tolist()
    rows: list[PackedRow] = []
    for end, count, tokens in zip(last, phone_mask.sum(1).tolist(), clips.token_lens.tolist(), strict=True):
        start = rows[-1].stop if rows else 0
        if packed:
            rows.append(PackedRow(start, count, tokens, (0, count), tokens))
        else:
            rows.append(PackedRow(start, phone_mask.shape[1], audio_len, (end + 1 - count, end + 1), tokens))
    return rows
