from __future__ import annotations

import pytest
from pydantic import ValidationError

from sovits_cli.config import aliases, fields, layers
from sovits_cli.config.schema import Settings, check_relations
from sovits_cli.errors import SettingsError
from sovits_cli.versions import VERSIONS
from tests.differences import every_case

KEYS = list(fields.table())

BAD = {bool: "maybe", int: "1.5", float: "loud", str: "", tuple: "wide"}


@every_case("key", KEYS)
def test_every_key_has_help_and_says_what_it_expects(key: str) -> None:
    row = fields.setting(key)
    assert len(row.help) > 5
    assert not row.help.endswith(".")
    assert row.expected


@every_case("key", KEYS)
def test_every_default_may_be_said_aloud(key: str) -> None:
    default = fields.setting(key).default
    resolved = layers.build([{key: layers.Value(default, "here")}])
    assert resolved.value(key) == default
    assert resolved.origin[key] == "here"


@every_case("key", [key for key in KEYS if fields.setting(key).kind in BAD])
def test_every_key_refuses_what_it_does_not_mean(key: str) -> None:
    row = fields.setting(key)
    text = BAD[row.kind]
    with pytest.raises(SettingsError) as caught:
        layers.load_settings(sets=[f"{key}={text}"])
    assert caught.value.message.startswith(f"{key} is ")
    assert f"(set {key}={text})" in caught.value.message
    assert caught.value.message.endswith(f"expected {row.expected}")


@every_case(
    ("key", "value", "words"),
    [
        ("slice.max_sec", 0, "a number, above 0"),
        ("slice.threshold", 3, "a number, at most 0"),
        ("train.epochs", 0, "a whole number, 1 or more"),
        ("train.seed", 2**32, "a whole number, 0 or more, below 4 294 967 296"),
        ("inference.speed", 5, "a number, 0.25 to 4"),
        ("slice.rate", 1, "a whole number, 8 000 to 192 000, or null"),
        ("train.stage", "both", "one of all, gpt, sovits, content"),
        ("device", "gpu", "auto, cpu, cuda, cuda:N or mps"),
        ("slice.max_sec", float("nan"), "a number, above 0"),
        ("train.epochs", True, "a whole number, 1 or more"),
        ("slice.mono", 1, "true or false"),
        ("sovits.model.upsample_rates", [10, 2.5], "a list of numbers, or null"),
    ],
)
def test_ranges_are_told_in_words(key: str, value: object, words: str) -> None:
    with pytest.raises(SettingsError, match=r"expected ") as caught:
        layers.build([{key: layers.Value(value, "here")}])
    assert caught.value.message.endswith(f"expected {words}")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().slice.max_sec = 3.0  # type: ignore[misc]


def test_keys_without_effect_are_no_settings() -> None:
    assert not set(aliases.NO_EFFECT) & set(KEYS)


RELATIONS = [
    (["slice.min_length=200", "slice.min_interval=300"], ["slice.min_length", "slice.min_interval"]),
    (["slice.hop_size=400"], ["slice.min_interval", "slice.hop_size"]),
    (["slice.max_sil_kept=5"], ["slice.max_sil_kept", "slice.hop_size"]),
    (["data.min_sec=54"], ["data.min_sec", "data.max_sec"]),
    (["optimizer.lr=0.001", "optimizer.lr_init=0.1"], ["optimizer.lr_init", "optimizer.lr"]),
    (["optimizer.lr=0.001", "optimizer.lr_end=0.1"], ["optimizer.lr_end", "optimizer.lr"]),
    (["model.vocab_size=100", "model.EOS=100"], ["model.EOS", "model.vocab_size"]),
    (["model.hidden_dim=100", "model.head=16"], ["model.hidden_dim", "model.head"]),
    (["sovits.model.hidden_channels=3", "sovits.model.n_heads=2"], ["hidden_channels", "n_heads"]),
    (
        ["sovits.model.upsample_rates=[2]", "sovits.model.upsample_kernel_sizes=[2, 4]"],
        ["upsample_rates", "upsample_kernel_sizes"],
    ),
]


@every_case(("sets", "names"), RELATIONS)
def test_relations_name_both_keys_and_where_they_were_said(sets: list[str], names: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        layers.load_settings(sets=sets)
    assert all(name in caught.value.message for name in names)
    assert f"set {sets[0]}" in str(caught.value.hint)


def test_the_defaults_hold_every_relation() -> None:
    check_relations(Settings(), {})


def test_what_null_stands_for_is_made_from_the_table_of_versions() -> None:
    table = fields.table()
    assert table["inference.temperature"].help.endswith(f"null: 1, mini {VERSIONS['mini'].sampling.temperature:g}")
    assert table["inference.steps"].help.endswith("null: v3 32, v4 8")
    assert table["sovits.train.posterior_encoder"].help.endswith("null: true, mini false")
    assert "v3 and v4 only" in table["inference.guidance"].help
