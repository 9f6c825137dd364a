"""Decoding many utterances at once: each as if it were alone, to its own end, and bad requests refused."""

from dataclasses import replace

import pytest
import torch

from sovits_cli.errors import InputError, ModelError, TextError
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.decode import DecoderState, Sampling, check_request, decode, decode_each
from sovits_cli.models.t2s.model import T2SInputs
from tests.differences import every_case
from tests.models.t2s.small import CONFIG, request, small

SAMPLING = Sampling(top_k=20, temperature=0.9)
MIXED = [request(seed) for seed in range(9)]


def at_least(tokens):
    return replace(SAMPLING, min_tokens=tokens)


def _tokens(results):
    return [result.tokens.tolist() for result in results]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "prepared"])
def model(request):
    return small(prepared=request.param).requires_grad_(False)


def test_tokens_depend_neither_on_company_nor_on_order(model):
    alone = [decode(model, [each], SAMPLING, max_tokens=45)[0] for each in MIXED]
    assert len({len(result.tokens) for result in alone}) > 4, "rows should end at different steps"
    for max_rows in (3, 9):
        together = decode(model, MIXED, SAMPLING, max_tokens=45, max_rows=max_rows)
        assert _tokens(together) == _tokens(alone)
        assert [result.ended for result in together] == [result.ended for result in alone]
    backward = decode(model, MIXED[::-1], SAMPLING, max_tokens=45, max_rows=4)
    assert _tokens(backward)[::-1] == _tokens(alone)


def test_seed_decides_unless_it_is_greedy():
    model, asked = small(), request(4)
    same = decode(model, [asked, asked], SAMPLING, max_tokens=40)
    other = decode(model, [replace(asked, seed=99)], SAMPLING, max_tokens=40)
    assert same[0].tokens.tolist() == same[1].tokens.tolist() != other[0].tokens.tolist()
    first, second = decode(model, [asked, replace(asked, seed=99)], Sampling(top_k=1, min_tokens=30), max_tokens=30)
    assert first.tokens.tolist() == second.tokens.tolist()


def test_limits(model):
    short = decode(model, MIXED, at_least(7), max_tokens=7, max_rows=4)
    assert [len(result.tokens) for result in short] == [7] * len(MIXED)
    assert not any(result.ended for result in short)
    for least in (0, 25):
        results = decode(model, MIXED, at_least(least), max_tokens=50)
        assert all(len(result.tokens) >= least for result in results if result.ended)
        assert all(result.tokens.max() < CONFIG.eos for result in results if len(result.tokens))
    assert decode(model, MIXED[:1], SAMPLING, max_tokens=1)[0].tokens.shape == (1,)


@every_case(("score", "ended"), [(0.01, True), (-0.01, False)])
def test_end_where_eos_is_most_likely(score, ended):
    """The official rule: a row ends there even if another token is drawn (here, 40 times of 41)."""
    model = small()
    with torch.no_grad():
        norm = model.h.blocks()[-1].norm2
        norm.weight.zero_()
        norm.bias.fill_(1.0)
        model.ar_predict_layer.weight.zero_()
        model.ar_predict_layer.weight[CONFIG.eos] = score / CONFIG.width
    sampling = Sampling(top_k=None if ended else CONFIG.eos, min_tokens=9)
    results = decode(model, MIXED, sampling, max_tokens=20)
    assert [(len(result.tokens), result.ended) for result in results] == [(9 if ended else 20, ended)] * len(MIXED)


def test_results_come_as_they_end(monkeypatch):
    steps, found, real = [], [], DecoderState.step
    monkeypatch.setattr(DecoderState, "step", lambda self, tokens: (steps.append(len(tokens)), real(self, tokens)))
    for index, result in decode_each(small(), MIXED, SAMPLING, max_tokens=45, max_rows=3):
        found.append((len(steps), index))
        assert not result.tokens.is_inference()
    assert sorted(index for _, index in found) == list(range(len(MIXED)))
    assert [step for step, _ in found] == sorted(step for step, _ in found)
    assert found[0][0] < found[-1][0]
    assert max(steps) == 3, "a free row takes the next request"
    assert steps[-1] == 1


def test_logits_that_are_not_finite_are_reported_at_once(monkeypatch):
    model = small().requires_grad_(False)
    monkeypatch.setattr(DecoderState, "step", lambda *_: pytest.fail("it went on"))
    for wrong in (float("nan"), float("inf"), float("-inf")):
        model.ar_predict_layer.weight.fill_(wrong)
        with pytest.raises(FloatingPointError, match="NaN or infinite"):
            decode(model, MIXED[:2], SAMPLING)


def test_small_model_without_prompt_or_feature():
    config = T2SConfig(width=64, heads=4, layers=2, vocab=513, phones=732, bert_dim=0)
    asked = [request(seed, prompt=0, config=config) for seed in range(3)]
    assert all(len(each.prompt) == 0 and each.bert is None for each in asked)
    results = decode(small(config, prepared=True), asked, at_least(20), max_tokens=20)
    assert [len(result.tokens) for result in results] == [20, 20, 20]


def test_half_width_weights_decode():
    model = small().bfloat16()
    model.prepare_for_inference()
    assert len(decode(model, MIXED[:3], at_least(15), max_tokens=15)[2].tokens) == 15


def test_feature_may_be_absent():
    model, asked = small(), request(3)
    pair = [replace(asked, bert=None), replace(asked, bert=torch.zeros_like(asked.bert))]
    first, second = decode(model, pair, Sampling(top_k=1, min_tokens=20), max_tokens=20)
    assert first.tokens.tolist() == second.tokens.tolist()


@every_case(
    ("changes", "error", "match"),
    [
        ({"phones": torch.tensor([], dtype=torch.long)}, TextError, "no phones"),
        ({"phones": torch.tensor([1, CONFIG.phones, 2])}, ModelError, f"phone id {CONFIG.phones}"),
        ({"phones": torch.tensor([1, -4, 2])}, ModelError, "phone id -4"),
        ({"prompt": torch.tensor([3, CONFIG.eos])}, ModelError, f"semantic token id {CONFIG.eos}"),
        ({"prompt": torch.zeros(54 * 25 + 1, dtype=torch.long)}, InputError, "54.0 s long"),
        ({"bert": torch.zeros(CONFIG.bert_dim, 2)}, ModelError, "shape"),
        ({"bert": torch.zeros(CONFIG.bert_dim + 1, 3)}, ModelError, "shape"),
    ],
)
def test_unreadable_requests(changes, error, match):
    with pytest.raises(error, match=match):
        check_request(replace(request(0, phones=3), **changes), CONFIG)


def test_one_unreadable_request_stops_all_before_anything_is_decoded():
    good = request(0, phones=3)
    assert decode(small(), [], SAMPLING) == []
    with pytest.raises(ModelError, match="phone id 99"):
        next(decode_each(small(), [good, replace(good, phones=torch.tensor([99]))], SAMPLING))


def test_training_mode_is_refused():
    with pytest.raises(AssertionError, match="eval"):
        decode(small().train(), MIXED[:1], SAMPLING)


def test_decoding_between_training_steps():
    model, asked = small(), request(3)
    before = decode(model, [asked], SAMPLING, max_tokens=20)
    mask = torch.ones(1, len(asked.phones)).bool()
    clips = T2SInputs(asked.phones[None], mask, asked.bert[None], asked.prompt[None], torch.tensor([len(asked.prompt)]))
    model.train()(clips).loss.backward()
    assert _tokens(decode(model.eval(), [asked], SAMPLING, max_tokens=20)) == _tokens(before)


@pytest.mark.gpu
def test_gpu_decodes_what_the_cpu_decodes():
    on_cpu = decode(small(), MIXED, Sampling(top_k=1), max_tokens=40, max_rows=4)
    model = small().cuda()
    model.prepare_for_inference()
    on_gpu = decode(model, MIXED, Sampling(top_k=1), max_tokens=40, max_rows=4)
    assert _tokens(on_gpu) == _tokens(on_cpu)


def test_monotonic_tokens_do_not_depend_on_company(model):
    asked = [request(seed, prompt=0) for seed in range(7)]
    together = decode(model, asked, SAMPLING, max_tokens=40, max_rows=3, monotonic=True)
    alone = [decode(model, [one], SAMPLING, max_tokens=40, monotonic=True)[0] for one in asked]
    assert _tokens(together) == _tokens(alone)
    assert _tokens(together) != _tokens(decode(model, asked, SAMPLING, max_tokens=40, max_rows=3))
