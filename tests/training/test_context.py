"""What a program sets is told from the defaults by what it passed to the constructors."""

from __future__ import annotations

from sovits_cli.config.schema import Settings
from sovits_cli.training.context import FieldsSet, SettingSource


def test_fields_that_were_passed_are_set() -> None:
    origins = FieldsSet(Settings.model_validate({"train": {"precision": "32"}, "sovits": {"train": {"c_mel": 40.0}}}))
    keys = ("train.precision", "sovits.train.c_mel", "train.epochs", "sovits.train.c_kl", "data.max_sec")
    assert [origins.source(key) is SettingSource.AMBIENT for key in keys] == [True, True, False, False, False]
    assert origins.where("train.precision") == ""
