"""Every number of every configuration has a type and a range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.models.bert import BertConfig
from sovits_cli.models.cfm.config import DitConfig, FlowConfig
from sovits_cli.models.dimensions import DimensionError, check_fields, read_fields
from sovits_cli.models.hubert import HubertConfig
from sovits_cli.models.phonetic import PhoneticConfig
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.vocoders import PUBLISHED_HIFIGAN, BigvganConfig, config_from
from sovits_cli.versions import VERSIONS
from tests.differences import every_case

CONFIGS: dict[str, Any] = {
    "gpt": T2SConfig(),
    "sovits": SovitsConfig(),
    "istft": SovitsConfig(decoder="istft"),
    "dit": DitConfig(),
    "hubert": HubertConfig(),
    "bert": BertConfig(),
    "phonetic": PhoneticConfig(phones=("a", "b")),
    "hifigan": PUBLISHED_HIFIGAN,
    "bigvgan": BigvganConfig(),
}
FIELDS = [(name, item.name) for name, config in CONFIGS.items() for item in fields(config)]
WRONG = [None, True, -32_000, 1e308, math.nan, math.inf, -math.inf, 10**30, "3", [], {}, 2.5, (), ((1,),), ("1",)]


def same_kind(value, right):
    """Whether two values are of one type, and their first ones, and so on."""
    if isinstance(value, tuple) and isinstance(right, tuple) and value:
        return same_kind(value[0], right[0])
    return type(value) is type(right) and isinstance(right, bool | str | int) and value not in (-32_000, 10**30)


@every_case(("name", "field"), FIELDS)
def test_a_wrong_value_of_any_field_is_named(name, field):
    config = CONFIGS[name]
    right = getattr(config, field)
    for wrong in WRONG:
        if same_kind(wrong, right):
            continue
        with pytest.raises(ModelError) as caught:
            replace(config, **{field: wrong})
        assert f"`{field}` is" in caught.value.message
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 250
        assert hint_for(caught.value)
    assert replace(config, **{field: right}) == config


SOVITS = SovitsConfig().to_official()
READERS: dict[str, tuple[Callable[[Mapping[str, Any]], Any], dict[str, Any]]] = {
    "gpt": (T2SConfig.from_official, T2SConfig().to_official()),
    "sovits": (SovitsConfig.from_official, SOVITS),
    "flow": (
        lambda values: FlowConfig.from_official(values, VERSIONS["v3"]),
        {**SOVITS, "model": {**SOVITS["model"], "dit": asdict(DitConfig())}},
    ),
    "hubert": (HubertConfig.from_dict, asdict(HubertConfig())),
    "bert": (BertConfig.from_dict, asdict(BertConfig())),
    "phonetic": (PhoneticConfig.from_dict, asdict(PhoneticConfig(phones=("a",)))),
    "hifigan": (lambda values: config_from(PUBLISHED_HIFIGAN, values), asdict(PUBLISHED_HIFIGAN)),
    "bigvgan": (lambda values: config_from(BigvganConfig(), values), asdict(BigvganConfig())),
}
UNREAD = {"n_layers_q", "win_length", "linear_units", "random_bert", "use_spectral_norm", "semantic_frame_rate"} | {
    "freeze_quantizer"
}


def paths(section: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every value of a configuration, and every section."""
    here = [(*path, key) for key in section if key not in UNREAD]
    nested = (paths(section[key], (*path, key)) for key in section if isinstance(section[key], dict))
    return here + [deeper for found in nested for deeper in found]


def changed(section: Any, path: tuple[str, ...], value: Any) -> Any:
    return {**section, path[0]: changed(section[path[0]], path[1:], value)} if path else value


@every_case("reader", list(READERS))
def test_a_wrong_value_anywhere_in_a_file_is_refused(reader):
    read, values = READERS[reader]
    assert read(values)
    for path in paths(values):
        right = values
        for key in path:
            right = right[key]
        for wrong in (-32_000, 1e308, math.nan, 10**30, "x", [[]], {"a": 1}, object()):
            if isinstance(right, dict) and wrong == {"a": 1}:
                continue  # a section without keys that are known says nothing
            with pytest.raises(ModelError):
                read(changed(values, path, wrong))


def test_numbers_may_be_written_as_other_programs_do():
    read = SovitsConfig.from_official({"model": {"n_heads": 2.0, "upsample_rates": [10.0, 8, 2, 2, 2]}})
    assert read == SovitsConfig()
    assert isinstance(read.n_heads, int)
    assert read_fields(DitConfig, {"dim": 32.0, "dropout": 0, "else": 1, "depth": None}) == {"dim": 32, "dropout": 0}


@every_case(
    ("change", "match"),
    [
        ({"upsample_kernel_sizes": (16, 16, 8, 2, 1)}, "`upsample_kernel_sizes` must be"),
        ({"upsample_kernel_sizes": (17, 16, 8, 2, 2)}, "`upsample_kernel_sizes` must be"),
        ({"resblock_kernel_sizes": (3, 7, 10)}, "must be odd"),
        ({"upsample_initial_channel": 16}, "cannot be halved"),
        ({"filter_length": 512, "style_bins": 200}, "`hop_length` exceeds `filter_length`"),
    ],
)
def test_dimensions_that_would_fail_when_speaking(change, match):
    with pytest.raises(DimensionError, match=match):
        replace(SovitsConfig(), **change)


def test_every_field_has_a_type_that_is_checked():
    for config in CONFIGS.values():
        check_fields(config, "it")
