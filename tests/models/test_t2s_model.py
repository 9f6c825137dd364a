import copy
import json
from dataclasses import replace

import pytest
import torch

from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.layers import sine_table
from sovits_cli.models.t2s.loss import (
    in_top3,
    make_rejected_tokens,
    pad_with_eos,
    preference_loss,
    share_of_tokens,
    target_logps,
)
from sovits_cli.models.t2s.model import Text2Semantic
from tests.models.t2s_small import CONFIG, small
from tests.parity import golden

LENS = torch.tensor([9, 4, 6])
CODE_LENS = torch.tensor([7, 12, 3])


def _batch(config=CONFIG):
    generator = torch.Generator().manual_seed(5)
    phones = torch.randint(0, config.phones, (3, 9), generator=generator)
    bert = torch.randn(3, config.bert_dim, 9, generator=generator) if config.bert_dim else None
    codes = torch.randint(0, config.eos, (3, 12), generator=generator)
    return phones, torch.arange(9) < LENS[:, None], bert, codes, CODE_LENS


@pytest.mark.parametrize("name", ["s1_v1", "s1_v2"])
def test_keys_and_shapes_are_the_official_ones(name):
    path = golden.FOLDER / "manifests" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no {path}")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    config = T2SConfig.from_official(manifest["config"])
    ours = {
        f"model.{key}": list(value.shape)
        for key, value in Text2Semantic(replace(config, layers=1)).state_dict().items()
    }
    for layer in range(1, config.layers):
        ours |= {key.replace("layers.0.", f"layers.{layer}."): shape for key, shape in ours.items()}
    assert ours == {key: shape for key, (shape, _) in manifest["keys"].items()}


def test_without_text_feature_there_is_no_projection():
    model = small(T2SConfig(width=16, heads=2, layers=1, vocab=513, bert_dim=0))
    assert not any("bert" in key for key in model.state_dict())
    assert torch.isfinite(model(*_batch(model.config)).loss)


def test_sine_table():
    table = sine_table(101, 512)
    expected = torch.tensor([0.84147096, 0.54030234, 0.82185620, 0.56969506, 0.80196178, 0.59737533])
    assert torch.allclose(table[1, :6], expected, atol=1e-6)
    expected = torch.tensor([-0.50636566, 0.86231887, 0.79754597, -0.60325819, 0.01036615, 0.99994630])
    assert torch.allclose(table[100, [0, 1, 2, 3, 510, 511]], expected, atol=1e-5)


def test_positions_grow_and_stay_the_same():
    position = small().ar_text_position
    first = position.offsets(3).clone()
    assert torch.equal(position.offsets(5000)[:3], first)


def test_no_text_feature_counts_as_zeros():
    phones, keep, bert, codes, lens = _batch()
    model = small()
    zeros = model.logits(phones, keep, torch.zeros_like(bert), codes, lens)
    assert torch.allclose(model.logits(phones, keep, None, codes, lens), zeros, atol=1e-6)
    assert not torch.allclose(model.logits(phones, keep, bert, codes, lens), zeros, atol=1e-3)


def test_what_lies_in_padding_changes_nothing():
    phones, keep, bert, codes, lens = _batch()
    model = small()
    other = model.logits(
        phones.masked_fill(~keep, 3),
        keep,
        bert.masked_fill(~keep[:, None], 9.0),
        codes.masked_fill(torch.arange(12) >= lens[:, None], 2),
        lens,
    )
    assert torch.allclose(model.logits(phones, keep, bert, codes, lens), other, atol=1e-5)


def test_a_token_does_not_see_later_ones():
    phones, keep, bert, codes, lens = _batch()
    model = small()
    changed = codes.clone()
    changed[1, 6:] = (changed[1, 6:] + 1) % CONFIG.eos
    before, after = model.logits(phones, keep, bert, codes, lens)[1], model.logits(phones, keep, bert, changed, lens)[1]
    assert torch.allclose(before[:7], after[:7], atol=1e-6)
    assert not torch.allclose(before[7], after[7], atol=1e-3)


def test_padding_is_counted_unless_told():
    batch = _batch()
    model = small()
    assert model(*batch).loss > model(*batch, ignore_padding=True).loss


def test_targets_end_with_eos():
    targets = pad_with_eos(torch.tensor([[1, 2, 3], [4, 40, 40]]), torch.tensor([3, 1]), 40)
    assert targets.tolist() == [[1, 2, 3, 40], [4, 40, 40, 40]]


def test_target_logps():
    logits = torch.zeros(2, 4, 41)
    logits[1, 2, 7] = 5.0
    targets = torch.full((2, 4), 7)
    found = target_logps(logits, targets)
    torch.testing.assert_close(found, logits.log_softmax(-1)[..., 7])


def test_top3_accuracy_leaves_eos_out():
    logits = torch.tensor([[[9.0, 8, 7, 0, 0], [0, 9, 8, 7, 1], [9, 8, 7, 0, 6]]])
    targets = torch.tensor([[2, 0, 4]])
    assert in_top3(logits, targets).tolist() == [[True, False, False]]
    assert share_of_tokens(in_top3(logits, targets), targets, eos=4).item() == pytest.approx(0.5)


def test_dropout_only_in_training():
    model, batch = small(), _batch()
    assert torch.equal(model.logits(*batch), model.logits(*batch))
    model.train()
    assert not torch.equal(model.logits(*batch), model.logits(*batch))


def test_learns_a_batch():
    model, batch = small().train(), _batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = model(*batch).loss.item()
    for _ in range(30):
        optimizer.zero_grad()
        model(*batch).loss.backward()
        optimizer.step()
    assert model.eval()(*batch).loss.item() < 0.5 * first


def test_every_weight_gets_a_gradient():
    model = small()
    model(*_batch()).loss.backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]


def test_rejected_sequences_say_twice_or_lose_a_stretch():
    codes = torch.arange(24).view(2, 12) % 40
    lens = torch.tensor([12, 5])
    generator = torch.Generator().manual_seed(0)
    longer, shorter = 0, 0
    for _ in range(50):
        rows, lengths = make_rejected_tokens(codes, lens, pad=40, generator=generator)
        for row, length, real, real_length in zip(rows, lengths.tolist(), codes, lens.tolist(), strict=True):
            assert (row[length:] == 40).all()
            assert set(row[:length].tolist()) <= set(real[:real_length].tolist())
            assert 0 <= length <= 2 * real_length
            longer, shorter = longer + (length > real_length), shorter + (length < real_length)
    assert longer > 20
    assert shorter > 20


def test_preference_rewards_the_chosen():
    better, worse = torch.tensor([-5.0, -6.0]), torch.tensor([-9.0, -8.0])
    assert preference_loss(better, worse) < preference_loss(better, better) < preference_loss(worse, better)


def test_changed_weights_are_not_decoded_from_prepared_ones():
    model = small(prepared=True)
    assert model._prepared is not None
    for change in (model.train, lambda: model.load_state_dict(small(seed=1).state_dict()), model.double):
        model.eval().float().prepare_for_inference()
        change()
        assert model._prepared is None


def test_a_copy_does_not_share_prepared_weights():
    model = small()
    other = copy.copy(model)
    other.prepare_for_inference()
    assert model._prepared is None
