"""Semantic tokens: the codebook alone gives what the whole acoustic model gives."""

from __future__ import annotations

import pytest
import torch

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.networks import CODEBOOK, load_vits, read_quantizer_weights
from sovits_cli.errors import ModelError
from sovits_cli.features.semantic_tokens import SemanticTokenizer
from tests.checkpoints import synthetic
from tests.differences import every_case


def test_same_tokens_as_the_acoustic_model():
    synthetic.install("base")
    bundle = find_model("base")
    ssl = torch.randn(1, 48, 21, generator=torch.Generator().manual_seed(0))
    tokens = SemanticTokenizer(bundle).tokens(ssl)
    assert tokens.shape == (10,)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, load_vits(bundle).extract_tokens(ssl)[0, 0])


def test_the_key_follows_the_codebook():
    synthetic.install("one")
    synthetic.install("two")
    synthetic.write_sovits(find_model("two").sovits, synthetic.TINY_SOVITS, seed=5)
    keys = [SemanticTokenizer(find_model(name)).key for name in ("one", "two", "one")]
    assert keys[0] == keys[2] != keys[1]


def test_features_of_another_encoder():
    synthetic.install("base")
    with pytest.raises(ModelError, match=r"takes content features of 48 channels, .* gives 41"):
        SemanticTokenizer(find_model("base")).tokens(torch.ones(1, 41, 20))


@every_case("key", ["ssl_proj.weight", "ssl_proj.bias", CODEBOOK])
@every_case("shape", [(), (7,), (48, 7), (48, 48, 3)])
def test_parts_that_make_no_tokens(key, shape):
    synthetic.install("base")
    bundle = find_model("base")
    weight = synthetic.write_sovits(bundle.sovits, synthetic.TINY_SOVITS)
    weight[key] = torch.ones(shape)
    torch.save({"weight": weight, "config": synthetic.TINY_SOVITS.to_official(), "info": ""}, bundle.sovits)
    with pytest.raises(ModelError, match="do not fit each other"):
        read_quantizer_weights(bundle)
