"""BERT: which layers are built, and the forward pass written out."""

import torch
from torch.nn import functional as F

from sovits_cli.models.bert import UNUSED_LAYERS, Bert, BertConfig

TINY = BertConfig(
    vocab_size=30, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=12, type_vocab_size=2
)


def test_the_last_layers_are_not_built():
    model = Bert(TINY)
    assert len(model.encoder.layer) == 3 - UNUSED_LAYERS
    assert TINY.unused_keys[-2:] == ("encoder.layer.1.", "encoder.layer.2.")
    assert not any(key.startswith(TINY.unused_keys) for key in model.state_dict())


def test_forward_by_the_definition():
    torch.manual_seed(0)
    model, ids = Bert(TINY).requires_grad_(False), torch.tensor([[3, 7, 1, 3]])
    tables, (layer,) = model.embeddings, model.encoder.layer
    x = (
        tables.word_embeddings.weight[ids[0]]
        + tables.position_embeddings.weight[:4]
        + tables.token_type_embeddings.weight[0]
    )
    x = tables.LayerNorm(x)
    heads = layer.attention.self
    mixed = []
    for head in range(2):
        own = slice(4 * head, 4 * head + 4)
        q, k, v = (part(x)[:, own] for part in (heads.query, heads.key, heads.value))
        mixed.append((q @ k.T / 2).softmax(-1) @ v)
    out = layer.attention.output
    x = out.LayerNorm(out.dense(torch.cat(mixed, -1)) + x)
    expected = layer.output.LayerNorm(layer.output.dense(F.gelu(layer.intermediate.dense(x))) + x)
    torch.testing.assert_close(model(ids)[0], expected)
