"""The stages of `sovits train` on the recorded batches: the losses they minimise are the official trainer's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sovits_cli.data.batching import GptBatch, SovitsBatch
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.stages.gpt import GptStage, GptStageOptions
from sovits_cli.training.stages.sovits import SovitsStage, SovitsStageOptions
from tests.conftest import Measured
from tests.parity import golden, s1
from tests.parity.acoustic import fill, relative, synthesizer, tensors

LOSS = 2e-4
GRADIENT = 2e-3
LAYOUTS = ["right_padded", "left_padded", "equal_phones"]
PERIODS = (2, 3, 5, 7, 11, 17, 23)


def unused(*_):
    raise AssertionError("nothing is exported here")


def without_dropout(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "dropout"):
            module.dropout = 0.0


@pytest.mark.parametrize("path", golden.files("s1_train"))
def test_gpt_loss_is_the_official_one_per_token(measured: Measured, path: Path) -> None:
    data = s1.load(path)
    network = s1.build(data)
    without_dropout(network)
    stage = GptStage(
        network, GptStageOptions("adamw", loss_on_padding=True), schedule=LearningRateSchedule(1e-3), export=unused
    )
    for layout in LAYOUTS:
        gpt_losses(measured, data, stage, layout)


def gpt_losses(measured: Measured, data: dict[str, Any], stage: GptStage, layout: str) -> None:
    phones, lens, bert, codes, code_lens = tensors(
        {key: data[f"{layout}/{key}"] for key in ("phones", "phone_lens", "bert", "semantic", "semantic_lens")},
        "phones",
        "phone_lens",
        "bert",
        "semantic",
        "semantic_lens",
    )
    official_keep = torch.arange(phones.shape[1]) >= phones.shape[1] - lens[:, None]
    batch = GptBatch(phones, lens, official_keep, codes, code_lens, bert)
    stage.train()
    found = stage.losses(batch)
    tokens = stage.denominators(batch)["targets"]
    assert tokens == float((code_lens + 1).sum())
    measured(relative(found.totals["gpt"] * tokens, data[f"{layout}/loss"]), LOSS, f"{layout}/loss of the stage")
    measured(abs(found.metrics["top3"].item() - float(data[f"{layout}/acc"])), 1e-6, f"{layout}/acc of the stage")
    with torch.no_grad():
        held_out = stage.evaluate(batch)
    measured(relative(held_out["loss"] * tokens, data[f"{layout}/eval_loss"]), LOSS, f"{layout}/eval_loss of the stage")


@pytest.fixture(scope="module", params=golden.files("s2_train"))
def sovits_losses(request):
    recorded = golden.load(request.param)
    network = synthesizer(recorded, posterior=True)
    without_dropout(network)
    scores = [name for name in recorded if name.startswith("disc/real_scores")]
    discriminators = fill(Discriminators(PERIODS[: len(scores) - 1]), int(recorded["seed"]))
    stage = SovitsStage(
        network, discriminators, SovitsStageOptions(), schedule=LearningRateSchedule(1e-4), export=unused
    )
    ssl, spec, spec_lens, wave, text, text_lens, noise, starts = tensors(
        recorded, "ssl", "spec", "spec_lengths", "wav", "text", "text_lengths", "noise", "ids_slice"
    )
    wave_lens = spec_lens * network.config.hop_length
    (speaker,) = tensors(recorded, "sv_emb") if "sv_emb" in recorded else (None,)
    batch = SovitsBatch(ssl, spec, spec_lens, wave, wave_lens, text, text_lens, noise, starts, speaker)
    stage.train()
    return recorded, stage, stage.losses(batch)


OFFICIAL_NAMES = {"mel": "mel", "kl": "kl", "gen": "gen", "fm": "fm", "loss": "gen_all", "disc": "disc"}


def test_sovits_losses_are_the_official_ones(sovits_losses, measured: Measured) -> None:
    recorded, _, found = sovits_losses
    for ours, official in OFFICIAL_NAMES.items():
        measured(relative(found.metrics[ours], recorded[f"loss/{official}"]), LOSS, f"loss/{official} of the stage")


def test_sovits_gradients_are_the_official_ones(sovits_losses, measured: Measured) -> None:
    """Both optimized_modules from one forward pass: neither gets a gradient of the other's loss."""
    recorded, stage, found = sovits_losses
    for index, (optimized, key) in enumerate(zip(stage.optimized_modules, ("gen", "disc"), strict=True)):
        found.totals[optimized.name].backward(inputs=optimized.parameters, retain_graph=index == 0)
        norm = torch.linalg.vector_norm(
            torch.stack([p.grad.norm() for p in optimized.parameters if p.grad is not None])
        )
        measured(relative(norm, recorded[f"grad/{key}_total_norm"]), GRADIENT, f"grad/{key}_total_norm of the stage")
