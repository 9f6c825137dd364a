"""A Text2Semantic model of a few thousand weights, and requests of several lengths for it."""

import torch

from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.decode import T2SRequest
from sovits_cli.models.t2s.model import Text2Semantic

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
