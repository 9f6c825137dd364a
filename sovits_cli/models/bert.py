"""BERT (Devlin et al. 2019), as far as text features need it: token ids to the third hidden state from the end.

The last two layers, the pooler and the language-model head are not built: GPT-SoVITS reads `hidden_states[-3:-2]`
(TTS_infer_pack/TextPreprocessor.py, `get_bert_feature`). Key names are the published ones without their leading
`bert.`. Knows nothing of files or tokenising.

Legend: B batch, L tokens, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.dimensions import SIZE, DimensionError, bounds, check_fields, check_relations, read_fields

UNUSED_LAYERS = 2
"""The feature is hidden state -3: the last two layers do not take part in it."""
# hidden states    0 embeddings   1   2  ..  22   23   24          of the 24 layers of the published model;
#                                             ▲                    -3 is the output of layer 22


@dataclass(frozen=True)
class BertConfig:
    """Dimensions, named as in the published `config.json`."""

    vocab_size: int = field(default=21_128, metadata=bounds(1, 1 << 20))
    hidden_size: int = 1024
    num_hidden_layers: int = field(default=24, metadata=bounds(UNUSED_LAYERS, 256))
    num_attention_heads: int = 16
    intermediate_size: int = 4096
    max_position_embeddings: int = field(default=512, metadata=bounds(3, SIZE[1]))
    type_vocab_size: int = 2
    layer_norm_eps: float = field(default=1e-12, metadata=bounds(1e-20, 0.1))

    def __post_init__(self) -> None:
        check_fields(self, _NAME)
        check_relations(
            _NAME,
            {"hidden_size is no multiple of num_attention_heads": self.hidden_size % self.num_attention_heads == 0},
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BertConfig:
        """Read a published config; other keys are ignored.

        Raises:
            DimensionError: a variant this network does not follow, or sizes that contradict each other.
        """
        for key, expected in _PLAIN_FORM.items():
            if values.get(key, expected) != expected:
                raise DimensionError(f"{_NAME}: {key} is {values[key]!r}, expected {expected!r}")
        return cls(**read_fields(cls, values))

    @property
    def used_layers(self) -> int:
        """Layers that are built."""
        return self.num_hidden_layers - UNUSED_LAYERS

    @property
    def unused_keys(self) -> tuple[str, ...]:
        """Beginnings of published keys (without `bert.`) that are not built."""
        skipped = range(self.used_layers, self.num_hidden_layers)
        layers = tuple(f"encoder.layer.{index}." for index in skipped)
        return ("cls.", "pooler.", "embeddings.position_ids", *layers)


_NAME = "BERT config"
_PLAIN_FORM = {"hidden_act": "gelu", "position_embedding_type": "absolute"}


class Bert(nn.Module):
    """Embeddings and the layers whose output is used."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (B, L), L up to the position limit, all real and of the first segment, to features (B, L, D)."""
        hidden: Tensor = self.encoder(self.embeddings(ids))
        return hidden


class BertEmbeddings(nn.Module):
    """Words, positions and segments, added and normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        """Embed (B, L) -> (B, L, D)."""
        positions = self.position_embeddings.weight[: ids.shape[-1]]
        segment = self.token_type_embeddings.weight[0]
        hidden: Tensor = self.LayerNorm(self.word_embeddings(ids) + positions + segment)
        return hidden


class BertEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.used_layers))

    def forward(self, hidden: Tensor) -> Tensor:
        """Run all layers: (B, L, D) -> (B, L, D)."""
        for layer in self.layer:
            hidden = layer(hidden)
        return hidden


class BertLayer(nn.Module):
    """Attention and feed-forward, each added and then normalised (post-norm): (B, L, D) -> (B, L, D)."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = _Dense(config.hidden_size, config.intermediate_size)
        self.output = _AddedDense(config.intermediate_size, config)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform (B, L, D) -> (B, L, D)."""
        # h <- norm( h + attention(h) )
        # h <- norm( h + W2 gelu(W1 h) )
        hidden = self.attention(hidden)
        out: Tensor = self.output(F.gelu(self.intermediate.dense(hidden)), hidden)
        return out


class BertAttention(nn.Module):
    """Self-attention, added to its input and normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = _Heads(config.hidden_size, config.num_attention_heads)
        self.output = _AddedDense(config.hidden_size, config)

    def forward(self, hidden: Tensor) -> Tensor:
        """Attend, add and normalise: (B, L, D) -> (B, L, D)."""
        out: Tensor = self.output(self.self(hidden), hidden)
        return out


class _Heads(nn.Module):
    """Multi-head attention, (B, L, D) -> (B, L, D), every token over every token: windows of text have no padding."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, hidden: Tensor) -> Tensor:
        query, key, value = (
            project(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class _Dense(nn.Module):
    """A linear map under the published name `dense`; its owner applies it."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.dense = nn.Linear(before, after)


class _AddedDense(nn.Module):
    """A linear map back to the width, added to what came before, then normalised: two (B, L, ..) -> (B, L, D)."""

    def __init__(self, before: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(before, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, before: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(self.dense(hidden) + before)
        return out
