"""The transformer that decoding runs: equal to the one that is trained, packed or not, and to the last bit by row."""

import pytest
import torch

from sovits_cli.models.t2s import inference_transformer
from sovits_cli.models.t2s.decode import DecoderState
from sovits_cli.models.t2s.inference_transformer import PlainLinear, can_pack, make_linear
from sovits_cli.models.t2s.model import T2SInputs
from tests.differences import every_case
from tests.models.t2s.small import request, small

MIXED = [request(seed) for seed in range(9)]


@every_case("prepared", [False, True])
def test_cached_logits_equal_uncached_ones(prepared):
    """Token by token through the cache against the training forward over the whole sequence."""
    model = small(prepared=prepared)
    for seed in range(4):
        asked = request(seed + 3)
        tokens = torch.cat((asked.prompt, request(seed + 20, prompt=30).prompt))
        mask = torch.ones(1, len(asked.phones), dtype=torch.bool)
        clips = T2SInputs(asked.phones[None], mask, asked.bert[None], tokens[None], torch.tensor([len(tokens)]))
        with torch.inference_mode():
            whole = model.logits(clips)[0]
            state = DecoderState(model, rows=1, positions=len(asked.phones) + len(tokens))
            state.prefill(0, asked)
            for index in range(len(asked.prompt), len(tokens)):
                assert torch.allclose(state.logits[0], whole[index], atol=2e-5)
                state.step(tokens[index : index + 1])
            assert torch.allclose(state.logits[0], whole[-1], atol=2e-5)


def test_packed_rows_are_equal_to_the_last_bit():
    model = small(prepared=True)
    if not can_pack(model.ar_predict_layer.weight):
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


def test_packed_linear_equals_the_plain_one():
    for rows in (1, 3, 8, 40):
        generator = torch.Generator().manual_seed(rows)
        weight, x = (torch.randn(shape, generator=generator) for shape in ((24, 16), (rows, 16)))
        other = torch.randn(rows, 24, generator=generator)
        for bias in (None, torch.randn(24, generator=generator)):
            plain, packed = (make_linear(weight, bias, pack=pack) for pack in (False, True))
            assert torch.allclose(plain(x), packed(x), atol=1e-5)
            assert torch.allclose(plain.relu(x), packed.relu(x), atol=1e-5)
            assert torch.allclose(plain.add(x, other), packed.add(x, other), atol=1e-5)


def test_without_packed_kernels_plain_ones_serve(monkeypatch):
    state = DecoderState(small(prepared=True), rows=1, positions=60)
    state.prefill(0, MIXED[2])
    monkeypatch.setattr(inference_transformer, "can_pack", lambda weight: False)
    model = small(prepared=True)
    assert isinstance(make_linear(model.ar_predict_layer.weight, None, pack=True), PlainLinear)
    plain = DecoderState(model, rows=1, positions=60)
    plain.prefill(0, MIXED[2])
    for token in (3, 7):
        for one in (state, plain):
            one.step(torch.tensor([token]))
    assert torch.allclose(plain.logits, state.logits, atol=2e-5)


def test_only_float32_on_a_cpu_is_packed():
    assert not can_pack(torch.zeros(2, 2, dtype=torch.bfloat16))
    assert not can_pack(torch.zeros(2, 2, device="meta"))
