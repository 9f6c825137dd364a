"""Semantic tokens: the codebook alone gives what the whole acoustic model gives."""

from __future__ import annotations

import torch

from sovits_cli.checkpoints.catalogue import find
from sovits_cli.checkpoints.networks import sovits_model
from sovits_cli.features.semantic import SemanticTokenizer
from tests.checkpoints import synthetic


def test_same_tokens_as_the_acoustic_model():
    synthetic.install("base")
    bundle = find("base")
    ssl = torch.randn(1, 48, 21, generator=torch.Generator().manual_seed(0))
    tokens = SemanticTokenizer(bundle).tokens(ssl)
    assert tokens.shape == (10,)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens, sovits_model(bundle).extract_latent(ssl)[0, 0])


def test_the_key_follows_the_codebook():
    synthetic.install("one")
    synthetic.install("two")
    synthetic.write_sovits(find("two").sovits, synthetic.TINY_SOVITS, seed=5)
    keys = [SemanticTokenizer(find(name)).key for name in ("one", "two", "one")]
    assert keys[0] == keys[2] != keys[1]
