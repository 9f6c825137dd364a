"""The training forward: what sees what, padding, gradients, and weights prepared for decoding."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch

from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import T2SInputs, Text2Semantic
from tests.differences import every_case
from tests.models.t2s.small import CONFIG, batch, small
from tests.parity import golden


@pytest.fixture(scope="module")
def model():
    return small().requires_grad_(False)


@every_case("name", ["s1_v1", "s1_v2"])
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
    assert torch.isfinite(model(batch(model.config)).loss)


def test_no_text_feature_counts_as_zeros(model):
    clips = batch()
    zeros = model.logits(replace(clips, bert=torch.zeros_like(clips.bert)))
    assert torch.allclose(model.logits(replace(clips, bert=None)), zeros, atol=1e-6)
    assert not torch.allclose(model.logits(clips), zeros, atol=1e-3)


def test_what_lies_in_padding_changes_nothing(model):
    clips = batch()
    other = replace(
        clips,
        phones=clips.phones.masked_fill(~clips.phone_mask, 3),
        bert=clips.bert.masked_fill(~clips.phone_mask[:, None], 9.0),
        tokens=clips.tokens.masked_fill(torch.arange(12) >= clips.token_lens[:, None], 2),
    )
    assert torch.allclose(model.logits(clips), model.logits(other), atol=1e-5)


def test_a_token_does_not_see_later_ones(model):
    clips = batch()
    changed = clips.tokens.clone()
    changed[1, 6:] = (changed[1, 6:] + 1) % CONFIG.eos
    before, after = model.logits(clips)[1], model.logits(replace(clips, tokens=changed))[1]
    assert torch.allclose(before[:7], after[:7], atol=1e-6)
    assert not torch.allclose(before[7], after[7], atol=1e-3)


def test_phones_do_not_see_tokens_and_tokens_see_all_phones(model):
    clips = batch()
    other = replace(clips, tokens=(clips.tokens + 1) % CONFIG.eos)
    assert torch.equal(model.logits(clips)[:, 0], model.logits(other)[:, 0]), "the last phone predicts the first token"
    changed = clips.phones.clone()
    changed[:, 0] = (changed[:, 0] + 1) % CONFIG.phones
    assert (model.logits(clips) - model.logits(replace(clips, phones=changed))).abs().amax(-1)[0].min() > 1e-4


def test_padding_counts_unless_it_is_ignored(model):
    assert model(batch()).loss > model(batch(), ignore_padding=True).loss


def test_ignored_padding_leaves_each_clip_as_it_is_alone(model):
    clips = batch()
    together = model(clips, ignore_padding=True)
    for row, (phones, tokens) in enumerate(zip(clips.phone_mask.sum(1), clips.token_lens, strict=True)):
        alone = T2SInputs(
            clips.phones[row : row + 1, :phones],
            clips.phone_mask[row : row + 1, :phones],
            clips.bert[row : row + 1, :, :phones],
            clips.tokens[row : row + 1, :tokens],
            clips.token_lens[row : row + 1],
        )
        torch.testing.assert_close(model(alone).row_logps[0], together.row_logps[row], rtol=1e-4, atol=1e-4)


def test_input_tokens_are_read_and_tokens_predicted(model):
    clips = batch()
    plain, same = model(clips), model(replace(clips, input_tokens=clips.tokens))
    other = model(replace(clips, input_tokens=(clips.tokens + 1) % CONFIG.eos))
    torch.testing.assert_close(same.row_logps, plain.row_logps)
    assert not torch.allclose(other.row_logps, plain.row_logps)


def test_dropout_only_in_training():
    model = small()
    assert torch.equal(model.logits(batch()), model.logits(batch()))
    model.train()
    assert not torch.equal(model.logits(batch()), model.logits(batch()))


def test_every_weight_gets_a_gradient_and_the_same_with_activation_checkpointing():
    model = small()
    found = []
    for again in (False, True):
        model.zero_grad()
        model.h.activation_checkpointing = again
        model(batch(), align=True).loss.backward()
        assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        found.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*found)


def test_learns_a_batch():
    model = small().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = model(batch()).loss.item()
    for _ in range(30):
        optimizer.zero_grad()
        model(batch()).loss.backward()
        optimizer.step()
    assert model.eval()(batch()).loss.item() < 0.5 * first
    assert model.text_deviation(torch.arange(5), None, torch.zeros(4, dtype=torch.long)) == math.inf


def test_no_alignment_unless_asked_for(model):
    assert model(batch()).alignment is None
    assert model(batch(), align=True).alignment > 0


def test_changed_weights_are_not_decoded_from_prepared_ones():
    model, weights = small(prepared=True), small(seed=1).state_dict()
    assert model._prepared is not None
    for change in (model.train, lambda: model.load_state_dict(weights), model.double):
        model.eval().float().prepare_for_inference()
        change()
        assert model._prepared is None


def test_a_copy_does_not_share_prepared_weights():
    model = small()
    other = copy.copy(model)
    other.prepare_for_inference()
    assert model._prepared is None
