"""The Text2Semantic model of a golden file with its synthetic weights, and greedy decoding step by step."""

import copy
from functools import cache

import torch

from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.decode import DecoderState, T2SRequest
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.sampling import apply_repetition_penalty
from tests.parity import golden
from tests.weights import fill_state_dict

LOGITS_TOLERANCE = 5e-5
"""The golden README asks for 1e-3 and calls 5e-5 usual."""
NO_TOKENS = torch.empty(0, dtype=torch.long)


@cache
def load(path):
    return golden.load(path)


@cache
def model(path, packed=False):
    """Built once a file; do not change its weights."""
    if not packed:
        return build(load(path))
    prepared = copy.copy(model(path))  # shares the weights
    prepared.prepare_for_inference()
    return prepared


def build(data):
    built = Text2Semantic(T2SConfig.from_official(data["config_json"]))
    shapes = {f"model.{key}": tuple(value.shape) for key, value in built.state_dict().items()}
    weights = fill_state_dict(shapes, int(data["seed"]))
    built.load_state_dict({key.removeprefix("model."): torch.from_numpy(value) for key, value in weights.items()})
    return built.eval()


def single(data):
    return T2SRequest(_tensor(data["phones"]), _tensor(data["bert"]), _tensor(data["prompt"]), seed=0)


def batch(data, prefix=""):
    prompts = data[f"{prefix}prompts"]
    return [
        T2SRequest(_tensor(data[f"{prefix}phones{i}"]), _tensor(data[f"{prefix}bert{i}"]), _tensor(prompt), seed=i)
        for i, prompt in enumerate(prompts)
    ]


@torch.inference_mode()
def greedy(network, requests, steps, *, penalty=1.0, forced=None):
    """Tokens (B, steps) and the logits before the penalty, without EOS, (B, steps, V-1)."""
    longest = max(len(request.phones) + len(request.prompt) for request in requests)
    state = DecoderState(network, rows=len(requests), positions=longest + steps)
    for row, request in enumerate(requests):
        state.prefill(row, request)
    seen = torch.zeros(len(requests), network.config.vocab, dtype=torch.bool)
    for row, request in enumerate(requests):
        seen[row, request.prompt] = True
    tokens, logits = [], []
    for step in range(steps):
        now = state.logits.clone()
        logits.append(now[:, : network.config.eos])
        now[:, network.config.eos] = float("-inf")
        chosen = apply_repetition_penalty(now, seen, penalty).argmax(-1) if forced is None else forced[:, step]
        tokens.append(chosen)
        seen.scatter_(1, chosen[:, None], True)
        if step + 1 < steps:
            state.step(chosen)
    return torch.stack(tokens, 1), torch.stack(logits, 1)


def off_by(actual, expected):
    """Largest difference."""
    return float((torch.as_tensor(actual) - torch.as_tensor(expected)).abs().max())


def _tensor(array):
    return torch.from_numpy(array)
