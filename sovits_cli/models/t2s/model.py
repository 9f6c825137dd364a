"""Text2Semantic ("GPT", s1): phones, text features and earlier tokens in, logits of the next semantic token out.

Holds the weights under the official key names (without the leading `model.`) and the training forward.
Decoding with a cache is in `decode.py`.

Legend: B batch, P phones, S semantic tokens, L = P + S, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits_cli.models.t2s.alignment import HEAD, alignment_loss, taught_layer
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.layers import SinePosition, Stack, TokenEmbedding
from sovits_cli.models.t2s.loss import T2SLoss, eos_padded, summed_cross_entropy, top3_accuracy
from sovits_cli.models.t2s.stack import CachedStack


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
        side. The official trainer pads on the right but masks on the left: give it that `text_keep` to get its
        numbers.

        Args:
            phones: (B, P) ids.
            text_keep: (B, P) bool, True for real phones; at least one a row.
            bert: (B, bert_dim, P) text feature; None counts as zeros.
            codes: (B, S) semantic tokens; what lies behind a row's length is not read.
            code_lens: (B,).
            ignore_padding: leave the EOS of padded places out of the loss (the official loss counts them).
            heard: (B, S) tokens that the network reads in the place of `codes`, which it still has to predict.
            align: give the alignment loss too; text must be padded on the right.
        """
        targets = eos_padded(codes, code_lens, self.config.eos)
        audio_keep = torch.arange(codes.shape[1], device=codes.device) < code_lens[:, None]
        history = targets[:, :-1] if heard is None else eos_padded(heard, code_lens, self.config.eos)[:, :-1]
        x = torch.cat((self.embed_text(phones, bert), self.embed_audio(history)), dim=1)
        steps = self.h.steps(x, attention_keep(text_keep, audio_keep))
        logits = self.ar_predict_layer(_predicting(steps[-1], text_keep))
        return T2SLoss(
            loss=summed_cross_entropy(logits, targets, code_lens if ignore_padding else None),
            logits=logits,
            targets=targets,
            top3_accuracy=top3_accuracy(logits, targets, self.config.eos),
            alignment=self._alignment(steps, text_keep.sum(1), code_lens) if align else None,
        )

    def _alignment(self, steps: list[Tensor], phone_lens: Tensor, code_lens: Tensor) -> Tensor:
        """Alignment loss of the taught head."""
        layer = taught_layer(self.config.layers)
        tokens = int(code_lens.max())
        text, audio = steps[layer][:, :-tokens], steps[layer][:, -tokens:]
        scores = self.h.blocks()[layer].self_attn.scores(audio, text, head=HEAD)
        return alignment_loss(scores, phone_lens, code_lens)

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


def attention_keep(text_keep: Tensor, audio_keep: Tensor) -> Tensor:
    """Which query sees which key, (B, 1, L, L), True = keep.

    Text sees text; audio sees text and audio up to itself; nobody sees padding (`text_keep` (B, P),
    `audio_keep` (B, S), True = real).
    """
    phones, tokens = text_keep.shape[1], audio_keep.shape[1]
    length = phones + tokens
    position = torch.arange(length, device=text_keep.device)
    allowed = (position < phones) | ((position[:, None] >= phones) & (position <= position[:, None]))
    return (allowed & torch.cat((text_keep, audio_keep), dim=1)[:, None])[:, None]


def _predicting(hidden: Tensor, text_keep: Tensor) -> Tensor:
    """Pick the vectors (B, S+1, D) that predict: each row's last kept phone, then all audio positions."""
    phones = text_keep.shape[1]
    last = (torch.arange(phones, device=hidden.device) * text_keep).amax(1)
    first = hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[-1]))
    return torch.cat((first, hidden[:, phones:]), dim=1)
