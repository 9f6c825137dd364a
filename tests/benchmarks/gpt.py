"""Milliseconds per token of Text2Semantic on a CPU, by hand:

    OMP_NUM_THREADS=2 python -m tests.benchmarks.gpt [full|small] [steps] [rounds]

Three forms take every step in turn, so that a busy machine slows all of them alike: compare the medians of one run,
and on a busy machine the processor time rather than the clock.
`usual` is written as torch programs usually are (F.linear, keys and values concatenated at each step); `plain` is our
session with unprepared weights; `prepared` is what inference uses. The floor is the time to read all float32 weights
and the keys and values in use once, at the bandwidth measured beside each round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
import torch.nn.functional as F

from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.decode import DecoderState, T2SRequest
from sovits_cli.models.t2s.layers import NORM_EPS
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.t2s.sampling import GumbelNoise, Sampling, apply_repetition_penalty, filter_top_k_top_p, sample
from tests.benchmarks.sovits_decoder import cpu_name

PHONES, PROMPT = 120, 125
PROBE_BYTES = 320_000_000
ROWS = (1, 8)
MODELS = {
    "full": T2SConfig(),
    "small": T2SConfig(width=256, heads=4, layers=6, vocab=513, bert_dim=0),
}


class Usual:
    """A cached step as torch programs usually do it, from the same weights and the same prefill."""

    def __init__(self, model: Text2Semantic, session: DecoderState) -> None:
        self._model = model
        self._position = PROMPT
        pairs = [session._cache.layer(layer) for layer in range(model.config.layers)]
        self._pairs = [[_joined_heads(part[:, :, : PHONES + PROMPT]) for part in pair] for pair in pairs]

    def step(self, tokens: torch.Tensor) -> None:
        model, heads = self._model, self._model.config.heads
        offset = model.ar_audio_position.offsets(self._position + 1)[-1]
        x = (model.ar_audio_embedding(tokens[:, None]) + offset).detach()
        self._position += 1
        for block, pair in zip(model.h.blocks(), self._pairs, strict=True):
            attention = block.self_attn
            q, k, v = F.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
            pair[0], pair[1] = torch.cat((pair[0], k), 1), torch.cat((pair[1], v), 1)
            q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, pair[0], pair[1]))
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = F.layer_norm(
                x + attention.out_proj(mixed), x.shape[-1:], block.norm1.weight, block.norm1.bias, NORM_EPS
            )
            inner = block.linear2(F.relu(block.linear1(x)))
            x = F.layer_norm(x + inner, x.shape[-1:], block.norm2.weight, block.norm2.bias, NORM_EPS)
        self.logits = model.ar_predict_layer(x[:, 0])


def main(name: str = "full", steps: int = 60, rounds: int = 3) -> None:
    torch.manual_seed(1234)
    plain = Text2Semantic(MODELS[name]).eval().requires_grad_(False)
    prepared = Text2Semantic(MODELS[name]).eval().requires_grad_(False)
    prepared.load_state_dict(plain.state_dict())
    prepared.prepare_for_inference()
    with torch.inference_mode():
        rows = {f"rows_{count}": measured(plain, prepared, count, steps, rounds) for count in ROWS}
    hardware = {"cpu": cpu_name(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    workload = {"model": name, "phones": PHONES, "prompt": PROMPT, "steps": steps, "rounds": rounds}
    print(json.dumps({**workload, **rows, "hardware": hardware}, indent=2))


def measured(plain: Text2Semantic, prepared: Text2Semantic, rows: int, steps: int, rounds: int) -> dict[str, object]:
    """Alternate the forms step by step; medians over all steps of all rounds but a first short one."""
    clock: dict[str, list[float]] = {name: [] for name in ("usual", "plain", "prepared", "choose")}
    processor: dict[str, list[float]] = {name: [] for name in clock}
    prefill, bandwidth, difference, probe = [], [], 0.0, torch.ones(PROBE_BYTES // 4)
    for turn in range(rounds + 1):
        requests = [_request(plain.config, row) for row in range(rows)]
        sessions = {"plain": _session(plain, requests, steps)}
        began = time.perf_counter()
        sessions["prepared"] = _session(prepared, requests, steps)
        prefill.append(time.perf_counter() - began)
        forms = {"usual": Usual(plain, sessions["plain"]), **sessions}
        chooser = _chooser(plain.config, rows)
        for _ in range(steps if turn else 2):
            tokens = torch.randint(0, plain.config.eos, (rows,))
            calls: dict[str, Callable[[], object]] = {form: partial(each.step, tokens) for form, each in forms.items()}
            calls["choose"] = partial(chooser, sessions["prepared"].logits)
            for form, call in calls.items():
                began, busy = time.perf_counter(), time.process_time()
                call()
                if turn:
                    clock[form].append(time.perf_counter() - began)
                    processor[form].append(time.process_time() - busy)
            off = (forms["usual"].logits - sessions["prepared"].logits).abs().max()
            difference = max(difference, float(off))
        bandwidth.append(_bandwidth(probe))
    floor_ms = _bytes(plain.config, rows, steps) / median(bandwidth) / 1e6
    step_ms = {form: round(1000 * median(taken), 2) for form, taken in clock.items()}
    return {
        "step_ms_median": step_ms,
        "step_ms_tenth_percentile": {form: round(1000 * _tenth(taken), 2) for form, taken in clock.items()},
        "processor_ms_median": {form: round(1000 * median(taken), 2) for form, taken in processor.items()},
        "prepared_over_usual": round(step_ms["prepared"] / step_ms["usual"], 3),
        "prefill_s_median": round(median(prefill), 3),
        "bandwidth_gb_s": {"median": round(median(bandwidth), 1), "all": [round(each, 1) for each in bandwidth]},
        "floor_ms": round(floor_ms, 2),
        "prepared_over_floor": round(step_ms["prepared"] / floor_ms, 2),
        "largest_logit_difference": difference,
    }


def _request(config: T2SConfig, seed: int) -> T2SRequest:
    generator = torch.Generator().manual_seed(seed)
    phones = torch.randint(0, config.phones, (PHONES,), generator=generator)
    return T2SRequest(phones, None, torch.randint(0, config.eos, (PROMPT,), generator=generator), seed)


def _session(model: Text2Semantic, requests: list[T2SRequest], steps: int) -> DecoderState:
    session = DecoderState(model, rows=len(requests), positions=PHONES + PROMPT + steps)
    for row, request in enumerate(requests):
        session.prefill(row, request)
    return session


def _chooser(config: T2SConfig, rows: int) -> Callable[[torch.Tensor], torch.Tensor]:
    sampling, noise = Sampling(), GumbelNoise(rows, config.vocab, torch.device("cpu"))
    seen = torch.zeros(rows, config.vocab, dtype=torch.bool)
    return lambda logits: sample(
        filter_top_k_top_p(apply_repetition_penalty(logits, seen, sampling.repetition_penalty), sampling), noise.next()
    )


def _bytes(config: T2SConfig, rows: int, steps: int) -> int:
    weights = config.layers * 12 * config.width**2 + config.vocab * config.width
    return 4 * (weights + rows * config.layers * 2 * config.width * (PHONES + PROMPT + steps // 2))


def _bandwidth(probe: torch.Tensor) -> float:
    """Gigabytes a second of reading."""
    best = min(_seconds(probe.sum) for _ in range(3))
    return PROBE_BYTES / best / 1e9


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _joined_heads(part: torch.Tensor) -> torch.Tensor:
    return part.transpose(1, 2).flatten(2).clone()


def _tenth(taken: list[float]) -> float:
    return sorted(taken)[len(taken) // 10]


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))
