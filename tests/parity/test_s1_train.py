"""Text2Semantic training losses, metrics and gradients against the recorded official trainer."""

from itertools import product

import pytest
import torch

from sovits_cli.models.t2s.loss import preference_loss, target_logps
from sovits_cli.models.t2s.model import T2SInputs
from tests.parity import golden, s1
from tests.parity.acoustic import relative

FILES = golden.files("s1_train")
LAYOUTS = ["right_padded", "left_padded", "equal_phones"]
LOSS = 1e-4
ACCURACY = 1e-6
GRADIENT = 1e-3


def _no_dropout(network):
    network.train()
    for module in network.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.0
    return network


def _forward(network, data, layout, codes="semantic", lens="semantic_lens"):
    """The official mask hides the first places, whichever side the padding is on."""

    def get(name):
        return torch.from_numpy(data[f"{layout}/{name}"])

    phones = get("phones")
    keep = torch.arange(phones.shape[1]) >= phones.shape[1] - get("phone_lens")[:, None]
    return network(T2SInputs(phones, keep, get("bert"), get(codes), get(lens)))


def _norm_deviation(network, data, prefix):
    params = dict(network.named_parameters())
    recorded = {key.removeprefix(prefix): data[key] for key in data if key.startswith(prefix)}
    assert recorded
    return max(
        abs(params[key.removeprefix("model.")].grad.norm().item() / float(norm) - 1) for key, norm in recorded.items()
    )


@pytest.mark.parametrize("path", FILES)
def test_loss_accuracy_and_gradients(measured, path):
    data = s1.load(path)
    network = _no_dropout(s1.build(data))
    for layout in LAYOUTS:
        network.zero_grad()
        out = _forward(network, data, layout)
        out.loss.backward()
        measured(relative(out.loss, data[f"{layout}/loss"]), LOSS, f"{layout}/loss")
        measured(abs(out.top3_accuracy.item() - float(data[f"{layout}/acc"])), ACCURACY, f"{layout}/acc")
        prefix = f"{layout}/grad_norm/"
        measured(_norm_deviation(network, data, prefix), GRADIENT, prefix)


@pytest.mark.parametrize("path", FILES)
def test_evaluation_mode(measured, path):
    data = s1.load(path)
    for layout in LAYOUTS:
        with torch.no_grad():
            out = _forward(s1.model(path), data, layout)
        measured(relative(out.loss, data[f"{layout}/eval_loss"]), LOSS, f"{layout}/eval_loss")
        measured(abs(out.top3_accuracy.item() - float(data[f"{layout}/eval_acc"])), ACCURACY, f"{layout}/eval_acc")


@pytest.mark.parametrize("path", FILES)
def test_preference_variants(measured, path):
    data = s1.load(path)
    network = _no_dropout(s1.build(data))
    for layout, variant in product(LAYOUTS, ("dpo", "dpo_near")):
        network.zero_grad()
        _preference(measured, data, network, layout, variant)


def _preference(measured, data, network, layout, variant):
    chosen = _forward(network, data, layout)
    rejected = _forward(network, data, layout, f"{variant}_reject_y", f"{variant}_reject_lens")
    loss = chosen.loss + preference_loss(chosen.row_logps, rejected.row_logps)
    measured(relative(loss, data[f"{layout}/{variant}_loss"]), LOSS, f"{layout}/{variant}_loss")
    prefix = f"{layout}/{variant}_grad_norm/"
    if any(key.startswith(prefix) for key in data):
        loss.backward()
        measured(_norm_deviation(network, data, prefix), GRADIENT, prefix)


@pytest.mark.parametrize("path", FILES)
def test_preference_parts(measured, path):
    data = s1.load(path)
    logps = {}
    for side in ("chosen", "rejected"):
        logits, labels = (torch.from_numpy(data[f"dpo_parts/{side}_{what}"]) for what in ("logits", "labels"))
        logps[side] = target_logps(logits, labels).sum(-1)
        measured(s1.off_by(logps[side], data[f"dpo_parts/{side}_logps"]), LOSS, f"dpo_parts/{side}_logps")
    loss = preference_loss(logps["chosen"], logps["rejected"])
    measured(relative(loss, data["dpo_parts/loss"]), LOSS, "dpo_parts/loss")


@pytest.mark.parametrize("path", FILES)
def test_left_and_right_padding_agree_when_the_mask_is_true(path):
    """The fix of quirk M1: with an honest mask, where the padding stands changes nothing but pad positions."""
    data = s1.load(path)
    lens = torch.from_numpy(data["right_padded/phone_lens"])
    phones = torch.from_numpy(data["right_padded/phones"])
    bert = torch.from_numpy(data["right_padded/bert"])
    codes, code_lens = (torch.from_numpy(data[f"right_padded/{name}"]) for name in ("semantic", "semantic_lens"))
    keep = torch.arange(phones.shape[1]) < lens[:, None]
    with torch.no_grad():
        padded = s1.model(path)(T2SInputs(phones, keep, bert, codes, code_lens), ignore_padding=True)
        alone = sum(
            s1.model(path)(
                T2SInputs(
                    phones[i : i + 1, :length],
                    keep[i : i + 1, :length],
                    bert[i : i + 1, :, :length],
                    codes[i : i + 1, : code_lens[i]],
                    code_lens[i : i + 1],
                )
            ).loss
            for i, length in enumerate(lens.tolist())
        )
    assert padded.loss.item() == pytest.approx(alone.item(), rel=1e-5)
