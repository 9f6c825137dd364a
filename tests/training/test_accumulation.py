"""The gradient of an update does not depend on how it is cut into batches and micro-batches."""

from __future__ import annotations

import pytest
import torch

from sovits_cli.errors import ResourceError
from sovits_cli.events import Warned
from sovits_cli.terms import Precision
from sovits_cli.training.accumulation import GradientAccumulator, micro_batches
from sovits_cli.training.distributed import SINGLE_PROCESS
from sovits_cli.training.engine import Engine
from tests.training.toys import Events, ToyBatch, ToyStage, data


def accumulator(stage: ToyStage, events: Events) -> GradientAccumulator[ToyBatch]:
    stage.a[1] = torch.nn.Identity()  # dropout would draw
    return GradientAccumulator(stage, Engine(torch.device("cpu"), Precision.FULL), SINGLE_PROCESS, events)


def gradients(cuts: list[int], max_positions: int | None = None) -> list[torch.Tensor]:
    stage = ToyStage()
    found = accumulator(stage, Events()).accumulate([ToyBatch(one) for one in data(12).split(cuts)], max_positions)
    assert found is not None
    assert sum(share for _, share in found.metrics) == pytest.approx(1.0)
    return [parameter.grad for parameter in stage.a.parameters() if parameter.grad is not None]


def test_however_an_update_is_cut_its_gradient_is_the_same() -> None:
    whole = gradients([12])
    for cuts, max_positions in (([7, 5], None), ([1, 11], None), ([4, 4, 4], 20), ([12], 50), ([12], 10)):
        for one, other in zip(whole, gradients(cuts, max_positions), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_micro_batches_hold_every_clip_once_in_order() -> None:
    batch = ToyBatch(data(7))
    for max_positions, sizes in ((None, [7]), (70, [7]), (69, [6, 1]), (30, [3, 3, 1]), (5, [1] * 7)):
        parts = list(micro_batches(batch, max_positions))
        assert [len(part) for part in parts] == sizes
        assert torch.equal(torch.cat([part.inputs for part in parts]), batch.inputs)


def test_what_does_not_fit_is_halved_until_it_does_and_drawn_from_the_same_numbers() -> None:
    stage, events = ToyStage(), Events()
    stage.fits = 3
    found = accumulator(stage, events).accumulate([ToyBatch(data(12))], None)
    assert found is not None
    assert found.max_micro_batch_positions == 30
    warned = [event for event in events.heard if isinstance(event, Warned)]
    assert [(event.code, event.fields["clips"]) for event in warned] == [
        ("train.batch_too_large", 6),
        ("train.batch_too_large", 3),
    ]


def test_not_even_one_clip_fits() -> None:
    stage = ToyStage()
    stage.fits = 0
    with pytest.raises(ResourceError, match="out of memory with a single clip") as caught:
        accumulator(stage, Events()).accumulate([ToyBatch(data(2))], None)
    assert caught.value.code == "train.clip_too_large"


def test_nothing_to_train_on_is_no_update() -> None:
    assert accumulator(ToyStage(), Events()).accumulate([], None) is None
