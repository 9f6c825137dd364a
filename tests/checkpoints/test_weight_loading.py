"""The load report: nothing that does not fit is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sovits_cli.checkpoints.weight_loading import LoadReport, ShapeMismatch, check_keys, load_weights
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError


def network():
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4))


def weight():
    return {key: value + 1 for key, value in network().state_dict().items()}


@pytest.mark.parametrize("replace", [False, True])
def test_all_keys_fit(replace):
    module, given = network(), {key: value.half() for key, value in weight().items()}
    assert load_weights(module, given, replace=replace) == LoadReport()
    assert torch.equal(module[0].weight, given["0.weight"].float())
    assert {value.dtype for value in module.parameters()} == {torch.float32}
    assert all(value.requires_grad for value in module.parameters())


def test_replaced_tensors_are_copies():
    module, given = network(), weight()
    load_weights(module, given, replace=True)
    with torch.no_grad():
        module[0].bias.fill_(9)
    assert not bool((given["0.bias"] == 9).any())


def test_everything_that_does_not_fit_is_named():
    given = weight()
    del given["0.bias"]
    given["2.scale"], given["1.weight"] = torch.ones(1), torch.ones(5, 2)
    with pytest.raises(ModelError) as caught:
        load_weights(network(), given, source=Path("a.pth"))
    assert caught.value.message == (
        "a.pth does not fit a Sequential: 1 missing (0.bias), 1 unexpected (2.scale), "
        "1 of another shape (1.weight [5, 2] where [4, 2] was expected)"
    )
    assert hint_for(caught.value) == "sovits models inspect a.pth"


def test_optional_keys_are_reported_but_no_error():
    given = weight()
    del given["0.bias"]
    given["2.scale"] = torch.ones(1)
    module = network()
    kept = module[0].bias.clone()
    report = load_weights(module, given, optional=("0.", "2."))
    assert report == LoadReport(missing=("0.bias",), unexpected=("2.scale",))
    assert torch.equal(module[0].bias, kept)
    with pytest.raises(ModelError, match=r"1 unexpected \(2\.scale\)"):
        load_weights(network(), given, optional=("0.",))


def test_a_shape_is_never_optional():
    given = {**weight(), "0.bias": torch.ones(7)}
    with pytest.raises(ModelError, match="of another shape"):
        check_keys(network(), given, optional=("0.",))


def test_long_lists_are_counted():
    report = LoadReport(missing=tuple("abcde"), mismatched=(ShapeMismatch("k", (1,), (2,)),))
    assert str(report) == "5 missing (a, b, c, …), 1 of another shape (k [1] where [2] was expected)"
    assert str(LoadReport()) == "all keys fit"
