"""Configurations come out plain and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from sovits_cli.checkpoints.json_metadata import MAX_CONFIG_DEPTH, MAX_CONFIG_VALUES, plain_config
from sovits_cli.checkpoints.restricted_unpickler import GlobalName
from sovits_cli.errors import ModelError
from tests.differences import every_case

SOURCE = Path("a.pth")


def test_plain_values_stay():
    config = {"a": 1, 2: (1.5, None, True), "c": {"d": ["x", GlobalName("torch.float16")]}}
    assert plain_config(config, SOURCE) == {"a": 1, "2": [1.5, None, True], "c": {"d": ["x", "torch.float16"]}}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@every_case(
    ("config", "said"),
    [
        ([1], "is a list"),
        ({"a": object()}, "holds a object"),
        ({"a": 10**30}, "holds a int"),
        (nested(MAX_CONFIG_DEPTH + 1), "larger than any model needs"),
        ({"a": [0] * MAX_CONFIG_VALUES}, "larger than any model needs"),
        ({"a": ["x" * 1000] * 2000}, "larger than any model needs"),
    ],
)
def test_everything_else_is_refused(config, said):
    with pytest.raises(ModelError, match=said):
        plain_config(config, SOURCE)


def test_the_limits_themselves_are_allowed():
    assert plain_config(nested(MAX_CONFIG_DEPTH), SOURCE)
    assert plain_config({"a": [0] * (MAX_CONFIG_VALUES - 2)}, SOURCE)
