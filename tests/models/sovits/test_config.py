import json

import pytest

from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.terms import SpectrogramSpec
from sovits_cli.versions import VERSIONS, SymbolTable
from tests.differences import every_case
from tests.models.sovits.small import SMALL


def changed(**model):
    return {**SMALL, "model": {**SMALL["model"], **model}}


def test_defaults_are_official():
    config = SovitsConfig.from_official({"model": {}})
    assert config == SovitsConfig()
    assert (config.spec_channels, config.segment_frames) == (1025, 32)
    assert config.spec == SpectrogramSpec(sample_rate=32_000, n_fft=2048, hop=640)


@every_case("sections", [{"model": {}}, SMALL])
def test_official_form_and_back(sections):
    config = SovitsConfig.from_official(sections)
    written = config.to_official()
    assert SovitsConfig.from_official(json.loads(json.dumps(written))) == config
    assert written["model"]["semantic_frame_rate"] == "25hz"
    assert {"decoder", "style_bins", "content_channels"}.isdisjoint(SovitsConfig().to_official()["model"])


@every_case("row", list(VERSIONS.values()))
def test_version_sets_what_official_files_leave_out(row):
    sections = {**SMALL, "model": {"gin_channels": 512, "version": row.name}}
    sections["data"] = {"filter_length": row.spec.n_fft}
    config = SovitsConfig.from_official(sections)
    assert (config.style_bins, config.phones) == (row.style_bins, PHONES[row.symbols])


def test_unknown_keys_are_ignored_and_every_symbol_table_has_a_size():
    assert set(PHONES) == set(SymbolTable)
    assert SovitsConfig.from_official(changed(n_speakers=300, brand_new=1)) == SovitsConfig.from_official(SMALL)


@every_case(
    ("sections", "named"),
    [
        ({}, "model"),
        ({"model": "v2"}, "model"),
        (changed(hidden_channels="wide"), "hidden_channels"),
        (changed(hidden_channels=33), "n_heads"),
        (changed(inter_channels=25), "inter_channels"),
        (changed(gin_channels=64), "gin_channels"),
        (changed(style_bins=600), "style_bins"),
        (changed(n_layers=1), "n_layers"),
        (changed(decoder="wavenet"), "decoder"),
        (changed(decoder="hifigan"), "upsample_rates"),
        (changed(istft_upsample=3), "istft_upsample"),
        (changed(istft_n_fft=200), "istft_n_fft"),
        (changed(resblock="2"), "resblock"),
        (changed(resblock_dilation_sizes=5), "resblock_dilation_sizes"),
        ({**SMALL, "train": {"segment_size": 100}}, "segment_size"),
    ],
)
def test_bad_configuration_names_the_key(sections, named):
    with pytest.raises(ModelError, match=named):
        SovitsConfig.from_official(sections)
