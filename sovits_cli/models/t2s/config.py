"""Dimensions of the Text2Semantic model ("GPT", s1): enough to rebuild the network, in official words or ours.

Knows nothing of weights, training settings or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sovits_cli.models.dimensions import (
    ABSENT_OR_SIZE,
    DROPOUT,
    LAYERS,
    SIZE,
    DimensionError,
    bounds,
    check_fields,
    check_relations,
)

OFFICIAL_BERT_DIM = 1024
OFFICIAL_DROPOUT = 0.1


@dataclass(frozen=True)
class T2SConfig:
    """What a Text2Semantic network is made of.

    Args:
        width: size of every hidden vector; the feed-forward part is four times as wide.
        heads: attention heads; must divide `width`.
        layers: transformer blocks.
        vocab: semantic tokens plus one; the last id is the end of speech (EOS).
        phones: rows of the phone table.
        bert_dim: channels of the text feature, 0 for a model that takes none.
        embedding_dropout: on both token embeddings (official key `dropout`).
        position_dropout: after positions are added (official: fixed at 0.1).
        block_dropout: in blocks, after attention, activation and feed-forward (official: fixed at 0.1).
        attention_dropout: on attention weights (official: fixed at 0.1; 0 is much faster on a CPU).
    """

    width: int = 512
    heads: int = 16
    layers: int = field(default=24, metadata=LAYERS)
    vocab: int = field(default=1025, metadata=bounds(2, SIZE[1]))
    phones: int = 732
    bert_dim: int = field(default=OFFICIAL_BERT_DIM, metadata=ABSENT_OR_SIZE)
    embedding_dropout: float = field(default=0.0, metadata=DROPOUT)
    position_dropout: float = field(default=OFFICIAL_DROPOUT, metadata=DROPOUT)
    block_dropout: float = field(default=OFFICIAL_DROPOUT, metadata=DROPOUT)
    attention_dropout: float = field(default=OFFICIAL_DROPOUT, metadata=DROPOUT)

    def __post_init__(self) -> None:
        check_fields(self, "GPT config")
        check_relations(
            "GPT config",
            {
                f"width {self.width} must be even and a multiple of heads {self.heads}": (
                    self.width % self.heads == 0 and self.width % 2 == 0
                )
            },
        )

    @property
    def eos(self) -> int:
        """The token that ends speech: the last of the vocabulary."""
        return self.vocab - 1

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @classmethod
    def from_official(cls, config: Mapping[str, Any]) -> T2SConfig:
        """Read the official layout: a mapping with a `model` section. Keys of ours may be absent.

        Raises:
            DimensionError: a key is missing, or the values contradict each other.
        """
        section = config.get("model")
        if not isinstance(section, Mapping):
            raise DimensionError("GPT config: no `model` section")
        width, vocab = _integer(section, "embedding_dim"), _integer(section, "vocab_size")
        if _integer(section, "hidden_dim", width) != width:
            raise DimensionError(f"GPT config: hidden_dim {section['hidden_dim']} differs from embedding_dim {width}")
        if _integer(section, "EOS", vocab - 1) != vocab - 1:
            raise DimensionError(f"GPT config: EOS is {section['EOS']}, expected vocab_size - 1 = {vocab - 1}")
        return cls(
            width=width,
            heads=_integer(section, "head"),
            layers=_integer(section, "n_layer"),
            vocab=vocab,
            phones=_integer(section, "phoneme_vocab_size"),
            bert_dim=_integer(section, "bert_dim", OFFICIAL_BERT_DIM),
            embedding_dropout=_share(section, "dropout", 0.0),
            position_dropout=_share(section, "position_dropout", OFFICIAL_DROPOUT),
            block_dropout=_share(section, "block_dropout", OFFICIAL_DROPOUT),
            attention_dropout=_share(section, "attention_dropout", OFFICIAL_DROPOUT),
        )

    def to_official(self) -> dict[str, Any]:
        """Give the `model` section back. Keys of ours appear only where they differ from the official value."""
        section: dict[str, Any] = {
            "vocab_size": self.vocab,
            "phoneme_vocab_size": self.phones,
            "embedding_dim": self.width,
            "hidden_dim": self.width,
            "head": self.heads,
            "linear_units": 4 * self.width,
            "n_layer": self.layers,
            "dropout": self.embedding_dropout,
            "EOS": self.eos,
            "random_bert": 0,
        }
        ours = {
            "bert_dim": (self.bert_dim, OFFICIAL_BERT_DIM),
            "position_dropout": (self.position_dropout, OFFICIAL_DROPOUT),
            "block_dropout": (self.block_dropout, OFFICIAL_DROPOUT),
            "attention_dropout": (self.attention_dropout, OFFICIAL_DROPOUT),
        }
        section.update({key: value for key, (value, official) in ours.items() if value != official})
        return {"model": section}


def _integer(section: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DimensionError(f"GPT config: model.{key} is {value!r}, expected a whole number")
    return value


def _share(section: Mapping[str, Any], key: str, default: float) -> float:
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise DimensionError(f"GPT config: model.{key} is {value!r}, expected a number from 0 to below 1")
    return float(value)
