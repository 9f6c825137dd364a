import dataclasses

import pytest
import torch

from sovits_cli.errors import InputError, ModelError, TextError, UsageError
from sovits_cli.models.t2s import inference_transformer as linear
from sovits_cli.models.t2s.cache import CacheSize, KVCache, compact_rows
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.decode import DecoderState, Sampling, T2SRequest, decode, decode_each
from sovits_cli.models.t2s.sampling import GumbelNoise, filter_top_k_top_p, sample
from tests.models.t2s_small import CONFIG, request, small

PREPARED = pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
SAMPLING = Sampling(top_k=20, temperature=0.9)
MIXED = [request(seed) for seed in range(9)]
CPU = torch.device("cpu")


def at_least(tokens):
    return dataclasses.replace(SAMPLING, min_tokens=tokens)


def _codes(results):
    return [result.tokens.tolist() for result in results]


@PREPARED
@pytest.mark.parametrize("seed", range(4))
def test_cached_logits_equal_uncached_ones(seed, prepared):
    """Token by token through the cache against the training forward over the whole sequence."""
    model, asked = small(prepared=prepared), request(seed + 3)
    codes = torch.cat((asked.prompt, request(seed + 20, prompt=30).prompt))
    keep = torch.ones(1, len(asked.phones), dtype=torch.bool)
    with torch.inference_mode():
        whole = model.logits(asked.phones[None], keep, asked.bert[None], codes[None], torch.tensor([len(codes)]))[0]
        session = DecoderState(model, rows=1, positions=len(asked.phones) + len(codes))
        session.prefill(0, asked)
        for index in range(len(asked.prompt), len(codes)):
            assert torch.allclose(session.logits[0], whole[index], atol=2e-5)
            session.step(codes[index : index + 1])
        assert torch.allclose(session.logits[0], whole[-1], atol=2e-5)


@PREPARED
@pytest.mark.parametrize("max_rows", [3, 9])
def test_tokens_do_not_depend_on_company(max_rows, prepared):
    model = small(prepared=prepared)
    together = decode(model, MIXED, SAMPLING, max_tokens=45, max_rows=max_rows)
    alone = [decode(model, [each], SAMPLING, max_tokens=45)[0] for each in MIXED]
    assert _codes(together) == _codes(alone)
    assert [result.ended for result in together] == [result.ended for result in alone]
    assert len({len(result.tokens) for result in together}) > 4, "rows should end at different steps"


@PREPARED
def test_order_of_requests_does_not_matter(prepared):
    model = small(prepared=prepared)
    forward = decode(model, MIXED, SAMPLING, max_tokens=30, max_rows=4)
    backward = decode(model, MIXED[::-1], SAMPLING, max_tokens=30, max_rows=4)
    assert _codes(forward) == _codes(backward)[::-1]


def test_packed_rows_are_equal_to_the_last_bit():
    model = small(prepared=True)
    if not linear.can_pack(model.ar_predict_layer.weight):
        pytest.skip("this torch has no packed products")
    with torch.inference_mode():
        many = DecoderState(model, rows=len(MIXED), positions=200)
        for row, each in enumerate(MIXED):
            many.prefill(row, each)
        ones = [DecoderState(model, rows=1, positions=200) for _ in MIXED]
        for one, each in zip(ones, MIXED, strict=True):
            one.prefill(0, each)
        for step in range(40):
            tokens = torch.arange(len(MIXED)) * 3 + step % 5
            many.step(tokens)
            for row, one in enumerate(ones):
                one.step(tokens[row : row + 1])
                assert torch.equal(many.logits[row], one.logits[0]), f"row {row}, step {step}"


def test_seed_decides():
    model, asked = small(), request(4)
    same = decode(model, [asked, asked], SAMPLING, max_tokens=40)
    other = decode(model, [dataclasses.replace(asked, seed=99)], SAMPLING, max_tokens=40)
    assert same[0].tokens.tolist() == same[1].tokens.tolist() != other[0].tokens.tolist()


def test_greedy_needs_no_seed():
    model, asked = small(), request(4)
    greedy = Sampling(top_k=1, min_tokens=30)
    other = dataclasses.replace(asked, seed=99)
    first, second = decode(model, [asked, other], greedy, max_tokens=30)
    assert first.tokens.tolist() == second.tokens.tolist()


@PREPARED
def test_limits(prepared):
    model = small(prepared=prepared)
    short = decode(model, MIXED, at_least(7), max_tokens=7, max_rows=4)
    assert [len(result.tokens) for result in short] == [7] * len(MIXED)
    assert not any(result.ended for result in short)
    for least in (0, 25):
        results = decode(model, MIXED, at_least(least), max_tokens=50)
        assert all(len(result.tokens) >= least for result in results if result.ended)
        assert all(result.tokens.max() < CONFIG.eos for result in results if len(result.tokens))
    assert decode(model, MIXED[:1], SAMPLING, max_tokens=1)[0].tokens.shape == (1,)


@pytest.mark.parametrize(("score", "ended"), [(0.01, True), (-0.01, False)], ids=["most likely", "least likely"])
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


def test_results_as_they_end(monkeypatch):
    model = small()
    steps = []
    seen = []
    real = DecoderState.step
    monkeypatch.setattr(DecoderState, "step", lambda self, tokens: (steps.append(len(tokens)), real(self, tokens)))
    for index, result in decode_each(model, MIXED, SAMPLING, max_tokens=45, max_rows=3):
        seen.append((len(steps), index, len(result.tokens)))
        assert not result.tokens.is_inference()
    assert sorted(index for _, index, _ in seen) == list(range(len(MIXED)))
    assert [step for step, _, _ in seen] == sorted(step for step, _, _ in seen)
    assert seen[0][0] < seen[-1][0]
    assert max(steps) == 3
    assert steps[-1] == 1


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_reported_at_once(monkeypatch, wrong):
    model = small()
    with torch.no_grad():
        model.ar_predict_layer.weight.fill_(wrong)
    monkeypatch.setattr(DecoderState, "step", lambda *_: pytest.fail("it went on"))
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        decode(model, MIXED[:2], SAMPLING)


def test_nothing_asked():
    assert decode(small(), [], SAMPLING) == []


@PREPARED
def test_small_model_without_prompt_or_feature(prepared):
    config = T2SConfig(width=64, heads=4, layers=2, vocab=513, phones=732, bert_dim=0)
    asked = [request(seed, prompt=0, config=config) for seed in range(3)]
    assert all(len(each.prompt) == 0 and each.bert is None for each in asked)
    results = decode(small(config, prepared=prepared), asked, at_least(20), max_tokens=20)
    assert [len(result.tokens) for result in results] == [20, 20, 20]


def test_half_width_weights_decode():
    model = small().bfloat16()
    model.prepare_for_inference()
    assert len(decode(model, MIXED[:3], at_least(15), max_tokens=15)[2].tokens) == 15


def test_feature_may_be_absent():
    model, asked = small(), request(3)
    none = dataclasses.replace(asked, bert=None)
    zeros = dataclasses.replace(asked, bert=torch.zeros_like(asked.bert))
    greedy = Sampling(top_k=1, min_tokens=20)
    first, second = decode(model, [none, zeros], greedy, max_tokens=20)
    assert first.tokens.tolist() == second.tokens.tolist()


@pytest.mark.parametrize(
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
    good = request(0, phones=3)
    with pytest.raises(error, match=match):
        decode(small(), [good, dataclasses.replace(good, **changes)], SAMPLING)


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"repetition_penalty": 0.0},
    ],
)
def test_wrong_sampling(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_training_mode_is_refused():
    with pytest.raises(AssertionError, match="eval"):
        decode(small().train(), MIXED[:1], SAMPLING)


def test_decoding_between_training_steps():
    model, asked = small(), request(3)
    before = decode(model, [asked], SAMPLING, max_tokens=20)
    batch = (asked.phones[None], torch.ones(1, len(asked.phones)).bool(), asked.bert[None], asked.prompt[None])
    loss = model.train()(*batch, torch.tensor([len(asked.prompt)])).loss
    loss.backward()
    assert _codes(decode(model.eval(), [asked], SAMPLING, max_tokens=20)) == _codes(before)


@pytest.mark.gpu
def test_gpu_says_what_the_cpu_says():
    on_cpu = decode(small(), MIXED, Sampling(top_k=1), max_tokens=40, max_rows=4)
    model = small().cuda()
    model.prepare_for_inference()
    on_gpu = decode(model, MIXED, Sampling(top_k=1), max_tokens=40, max_rows=4)
    assert _codes(on_gpu) == _codes(on_cpu)


def test_noise_is_the_rows_own():
    many = GumbelNoise(3, 7, CPU)
    for row in range(3):
        many.reset(row, seed=row)
    first = [many.next().clone() for _ in range(40)]
    many.reorder([2, 0])
    many.reset(1, seed=5)
    later = [many.next().clone() for _ in range(70)]
    alone = GumbelNoise(1, 7, CPU)
    alone.reset(0, seed=2)
    drawn_alone = [alone.next()[0].clone() for _ in range(110)]
    assert torch.equal(torch.stack([x[2] for x in first] + [x[0] for x in later]), torch.stack(drawn_alone))
    alone.reset(0, seed=5)
    assert torch.equal(torch.stack([x[1] for x in later]), torch.stack([alone.next()[0].clone() for _ in range(70)]))


def test_draws_follow_the_probabilities():
    logits = filter_top_k_top_p(torch.tensor([[2.0, 1.0, 0.0, -1.0, 0.5]]), Sampling(top_k=4, temperature=0.8))
    noise = GumbelNoise(1, 5, CPU)
    noise.reset(0, seed=11)
    count = 20_000
    tokens = sample(logits, torch.cat([noise.next().clone() for _ in range(count)]))
    share = torch.bincount(tokens, minlength=5) / count
    assert torch.allclose(share, logits.softmax(-1)[0], atol=0.012)
    assert share[3] == 0


@pytest.mark.parametrize("alive", [[True], [False], [False, True], [True, False, True, True, False, True]])
def test_holes_are_filled_from_the_end(alive):
    order = compact_rows(alive)
    assert sorted(order) == [row for row, living in enumerate(alive) if living]
    assert all(place == row for place, row in enumerate(order) if alive[place])


def test_cache_keeps_rows_and_refuses_to_lose_one():
    cache = KVCache(CacheSize(layers=2, rows=3, heads=2, positions=40, head_dim=4), device=CPU, dtype=torch.float32)
    for row in range(3):
        cache.open(row, 5 + 15 * row)
        for layer in range(2):
            cache.fill(layer, row, *torch.full((2, 2, 5 + 15 * row, 4), float(10 * layer + row + 1)))
    keys, _ = cache.layer(1)
    assert keys.shape[2] == 48
    cache.advance()
    cache.append(1, torch.full((3, 2, 2, 4), 99.0))
    before = cache.layer(1)[0][2].clone()
    with pytest.raises(AssertionError, match="overwrite"):
        cache.reorder([1, 0])
    cache.reorder([2, 1])
    keys, values = cache.layer(1)
    assert cache.lengths == [36, 21]
    assert torch.equal(keys[0, :, :36], before[:, :36])
    assert (keys[1, :, 20] == 99).all()
    assert (values[1, :, :20] == 12).all()
    assert (cache.bias[1, 0, 0] == 0).sum() == 21
    assert torch.isfinite(keys).all()


def test_cache_that_is_full_says_so():
    cache = KVCache(CacheSize(layers=1, rows=1, heads=1, positions=16, head_dim=2), device=CPU, dtype=torch.float32)
    cache.open(0, 16)
    with pytest.raises((AssertionError, IndexError)):
        cache.advance()


@pytest.mark.parametrize("rows", [1, 3, 8, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_packed_product_equals_the_plain_one(rows, bias):
    generator = torch.Generator().manual_seed(rows)
    weight = torch.randn(24, 16, generator=generator)
    offset = torch.randn(24, generator=generator) if bias else None
    x, other = torch.randn(rows, 16, generator=generator), torch.randn(rows, 24, generator=generator)
    plain, packed = (linear.make_linear(weight, offset, pack=pack) for pack in (False, True))
    assert torch.allclose(plain(x), packed(x), atol=1e-5)
    assert torch.allclose(plain.relu(x), packed.relu(x), atol=1e-5)
    assert torch.allclose(plain.add(x, other), packed.add(x, other), atol=1e-5)


def test_without_packed_kernels_plain_ones_serve(monkeypatch):
    expected = _codes(decode(small(prepared=True), MIXED, SAMPLING, max_tokens=30))
    monkeypatch.setattr(linear, "can_pack", lambda weight: False)
    model = small(prepared=True)
    assert isinstance(linear.make_linear(model.ar_predict_layer.weight, None, pack=True), linear.PlainLinear)
    assert _codes(decode(model, MIXED, SAMPLING, max_tokens=30)) == expected


def test_only_float32_on_a_cpu_is_packed():
    assert not linear.can_pack(torch.zeros(2, 2, dtype=torch.bfloat16))
    assert not linear.can_pack(torch.zeros(2, 2, device="meta"))


def test_request_is_plain_data():
    asked = request(1)
    assert isinstance(asked, T2SRequest)
    with pytest.raises(dataclasses.FrozenInstanceError):
        asked.seed = 3
