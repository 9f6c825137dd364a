"""A Text2Semantic model of a few thousand weights, and requests and batches for it."""

import torch

from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.decode import T2SRequest
from sovits_cli.models.t2s.model import T2SInputs, Text2Semantic

CONFIG = T2SConfig(width=32, heads=4, layers=3, vocab=41, phones=20, bert_dim=8)


def small(config=CONFIG, *, seed=0, prepared=False):
    torch.manual_seed(seed)
    model = Text2Semantic(config).eval()
    with torch.no_grad():
        model.ar_predict_layer.weight.mul_(2)  # opinions, so that sampling is not uniform
    if prepared:
        model.prepare_for_inference()
    return model


def request(seed, *, phones=None, prompt=None, config=CONFIG):
    generator = torch.Generator().manual_seed(seed)
    phones = 3 + (7 * seed) % 29 if phones is None else phones
    prompt = (5 * seed) % 17 if prompt is None else prompt
    return T2SRequest(
        phones=torch.randint(0, config.phones, (phones,), generator=generator),
        bert=torch.randn(config.bert_dim, phones, generator=generator) if config.bert_dim else None,
        prompt=torch.randint(0, config.eos, (prompt,), generator=generator),
        seed=seed,
    )


def batch(config=CONFIG):
    """Three clips, padded on the right."""
    generator = torch.Generator().manual_seed(5)
    phones = torch.randint(0, config.phones, (3, 9), generator=generator)
    bert = torch.randn(3, config.bert_dim, 9, generator=generator) if config.bert_dim else None
    tokens = torch.randint(0, config.eos, (3, 12), generator=generator)
    phone_mask = torch.arange(9) < torch.tensor([9, 4, 6])[:, None]
    return T2SInputs(phones, phone_mask, bert, tokens, torch.tensor([7, 12, 3]))
