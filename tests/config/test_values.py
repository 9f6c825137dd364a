"""The kinds of values that settings have."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from sovits_cli.config import values
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.errors import SettingsError
from sovits_cli.versions import VERSIONS
from tests.differences import every_case


@every_case(
    ("kind", "written", "value"),
    [
        (values.PrecisionName, "16", "16-mixed"),
        (values.PrecisionName, "bf16", "bf16-mixed"),
        (values.PrecisionName, "32", "32"),
        (values.PrecisionName, "fp32", "32"),
        (values.DiscriminatorWidth, "none", 0.0),
        (values.LoraRank, "32", 32),
        (values.Numbers, [1, 2], (1, 2)),
        (values.BatchSize, "auto", "auto"),
        (values.BatchSize, 4, 4),
    ],
)
def test_a_value_may_be_written_in_several_ways(kind: object, written: object, value: object) -> None:
    assert TypeAdapter(kind).validate_python(written) == value


@every_case(
    ("kind", "written"),
    [(values.PrecisionName, "64"), (values.BatchSize, 0), (values.BatchSize, "all"), (values.DiscriminatorWidth, "x")],
)
def test_and_not_in_others(kind: object, written: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(written)


def test_null_is_told_by_the_rule_and_its_exceptions() -> None:
    small = {row.name for row in VERSIONS.values() if row.name == "mini"}
    assert values.null_text(lambda row: 5.0 if row.name in small else 15.0) == "null: 15, mini 5"
    assert values.null_text(lambda row: {"v3": 32.0, "v4": 8.0}.get(row.name)) == "null: v3 32, v4 8"
    assert values.null_text(lambda row: True) == "null: true"


def test_settings_are_changed_by_making_others() -> None:
    speech = InferenceSettings(speed=1.5)
    assert speech.changed(seed=3) == InferenceSettings(speed=1.5, seed=3)
    assert speech.seed is None
    assert speech.changed(seed=3).model_fields_set == {"speed", "seed"}, "what nobody set stays unset"
    with pytest.raises(SettingsError, match="seed is -1: Input should be greater than or equal to 0"):
        speech.changed(seed=-1)
    with pytest.raises(SettingsError, match="sped is 2"):
        speech.changed(sped=2)
