"""Text2Semantic ("GPT", s1): phones, text features and earlier tokens in, logits of the next semantic token out.

Holds the weights under the official key names (without the leading `model.`) and the training forward.
Decoding with a cache is in `decode.py`.

Legend: B batch, P phones, S semantic tokens, N places of all clips together, D width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits_cli.models.layers.blockwise import recomputed
from sovits_cli.models.t2s.alignment import HEAD, alignment_loss, taught_layer
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.layers import Row, SinePosition, Stack, TokenEmbedding
from sovits_cli.models.t2s.loss import T2SLoss, eos_padded, in_top3, share_of_tokens, target_logps
from sovits_cli.models.t2s.stack import CachedStack

LOGITS_BLOCK = 1024
"""Places whose logits are in memory at a time, in training."""


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
        self.h = Stack(config)
        self.ar_predict_layer = nn.Linear(config.width, config.vocab, bias=False)
        self._prepared: CachedStack | None = None

    def forward(
        self,
        phones: Tensor,
        text_keep: Tensor,
        bert: Tensor | None,
        codes: Tensor,
        code_lens: Tensor,
        *,
        ignore_padding: bool = False,
        heard: Tensor | None = None,
        align: bool = False,
    ) -> T2SLoss:
        """Teacher-forced training forward.

        The position of the last kept phone of a row predicts its first token, so text may be padded on either
        side (not between phones). The official trainer pads on the right but masks on the left: give it that
        `text_keep` to get its numbers.

        Args:
            phones: (B, P) ids.
            text_keep: (B, P) bool, True for real phones; at least one a row.
            bert: (B, bert_dim, P) text feature; None counts as zeros.
            codes: (B, S) semantic tokens; what lies behind a row's length is not read.
            code_lens: (B,).
            ignore_padding: leave padding out of the computation and the EOS there out of the loss, which the official
                one counts.
            heard: (B, S) tokens that the network reads in the place of `codes`, which it still has to predict.
            align: give the alignment loss too; text must be padded on the right.
        """
        rows = _rows(text_keep, codes.shape[1], code_lens, packed=ignore_padding)
        steps, hidden = self._read(rows, phones, text_keep, bert, codes if heard is None else heard, code_lens)
        padded = eos_padded(codes, code_lens, self.config.eos)
        targets = torch.cat([one[: row.audio + 1] for one, row in zip(padded, rows, strict=True)])
        blocks = [
            recomputed(self._judge, seen, wanted)
            for seen, wanted in zip(torch.split(hidden, LOGITS_BLOCK), torch.split(targets, LOGITS_BLOCK), strict=True)
        ]
        logps = torch.cat([block[0] for block in blocks])
        return T2SLoss(
            loss=-logps.sum(),
            row_logps=torch.stack([row.sum() for row in torch.split(logps, [row.audio + 1 for row in rows])]),
            top3_accuracy=share_of_tokens(torch.cat([block[1] for block in blocks]), targets, self.config.eos),
            alignment=self._alignment(steps, rows) if align else None,
        )

    def logits(
        self, phones: Tensor, text_keep: Tensor, bert: Tensor | None, codes: Tensor, code_lens: Tensor
    ) -> Tensor:
        """What `forward` judges, (B, S+1, V); arguments as there. For looking at: a training needs no such tensor."""
        rows = _rows(text_keep, codes.shape[1], code_lens, packed=False)
        _, hidden = self._read(rows, phones, text_keep, bert, codes, code_lens)
        found: Tensor = self.ar_predict_layer(hidden)
        return found.view(len(rows), codes.shape[1] + 1, -1)

    def adrift(self, phones: Tensor, bert: Tensor | None, codes: Tensor) -> float:
        """How far tokens leave their text, 0 or more: the alignment loss per token.

        Words said twice or left out cost 0.2 and more. It says something of networks trained with that loss only.

        Args:
            phones: (P,) ids.
            bert: (bert_dim, P) text feature; None counts as zeros.
            codes: (S,) semantic tokens, at least one.
        """
        if len(codes) < len(phones):
            return math.inf
        lens = torch.tensor([len(codes)], device=phones.device)
        keep = torch.ones_like(phones, dtype=torch.bool)[None]
        rows = _rows(keep, len(codes), lens, packed=True)
        with torch.no_grad():
            steps, _ = self._read(rows, phones[None], keep, None if bert is None else bert[None], codes[None], lens)
            return float(self._alignment(steps, rows))

    def _read(
        self,
        rows: Sequence[Row],
        phones: Tensor,
        text_keep: Tensor,
        bert: Tensor | None,
        codes: Tensor,
        code_lens: Tensor,
    ) -> tuple[list[Tensor], Tensor]:
        """What went into each block and came out of the last (N, D), and the vectors of it that predict."""
        history = eos_padded(codes, code_lens, self.config.eos)[:, :-1]
        embedded = zip(rows, text_keep, self.embed_text(phones, bert), self.embed_audio(history), strict=True)
        parts = [
            part
            for row, keep, text, audio in embedded
            for part in (text if row.text == len(text) else text[keep], audio[: row.audio])
        ]
        steps = self.h.steps(torch.cat(parts), rows)
        predicting = [
            part
            for row in rows
            for part in (
                steps[-1][row.start + row.seen_text[1] - 1][None],
                steps[-1][row.start + row.text : row.stop],
            )
        ]
        return steps, torch.cat(predicting)

    def _judge(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of each target (N,), and whether it is among the three likeliest."""
        logits = self.ar_predict_layer(hidden)
        return target_logps(logits, targets), in_top3(logits, targets)

    def _alignment(self, steps: list[Tensor], rows: Sequence[Row]) -> Tensor:
        """Alignment loss of the taught head."""
        layer = taught_layer(self.config.layers)
        lens = torch.tensor([(row.seen_text[1], row.seen_audio) for row in rows], device=steps[0].device)
        text, audio = (
            nn.utils.rnn.pad_sequence(
                [steps[layer][first : first + count] for first, count in places], batch_first=True
            )
            for places in (
                [(row.start, row.seen_text[1]) for row in rows],
                [(row.start + row.text, row.seen_audio) for row in rows],
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

    def embed_audio(self, codes: Tensor) -> Tensor:
        """Tokens (B, S) to vectors with positions counted from 0 (B, S, D)."""
        out: Tensor = self.ar_audio_position(self._drop(self.ar_audio_embedding(codes)))
        return out

    def prepare_for_inference(self) -> None:
        """Lay the weights out for fast decoding where the device has such a layout (CPU), once; a copy.

        Any later change of the weights through this module (training, loading, moving) undoes it.
        """
        self._prepared = self.cached_stack(pack=True)

    def cached_stack(self, *, pack: bool = False) -> CachedStack:
        """Give the blocks as decoding runs them: prepared ones if there are, else plain views of the weights."""
        if self._prepared is not None:
            return self._prepared
        return CachedStack(self.h.blocks(), self.ar_predict_layer.weight, pack=pack)

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


def _rows(text_keep: Tensor, tokens: int, code_lens: Tensor, *, packed: bool) -> list[Row]:
    """Lay the clips of a batch out in one sequence, with their padding or `packed` without."""
    places = torch.arange(text_keep.shape[1], device=text_keep.device)
    last = (places * text_keep).amax(1).tolist()
    rows: list[Row] = []
    for end, count, audio in zip(last, text_keep.sum(1).tolist(), code_lens.tolist(), strict=True):
        start = rows[-1].stop if rows else 0
        if packed:
            rows.append(Row(start, count, audio, (0, count), audio))
        else:
            rows.append(Row(start, text_keep.shape[1], tokens, (end + 1 - count, end + 1), audio))
    return rows
