"""Slice boundaries of the official slicer, which has no length limit."""

import numpy as np
import pytest

from sovits_cli.audio.silence import RmsMeter
from sovits_cli.audio.slicer import SilenceSlicer, SlicerParams
from tests.parity import golden


def _waves(data):
    return sorted(name.removeprefix("wave_").removesuffix("_int16") for name in data if name.startswith("wave_"))


def _params(setting, max_s=None):
    return SlicerParams(
        threshold_db=setting["threshold"],
        min_length_ms=setting["min_length"],
        min_interval_ms=setting["min_interval"],
        hop_ms=setting["hop_size"],
        max_sil_kept_ms=setting["max_sil_kept"],
        max_s=max_s,
    )


@pytest.mark.parametrize("max_s", [None, 1000.0])
@pytest.mark.parametrize("path", golden.files("slicer"))
def test_boundaries(path, max_s):
    data = golden.load(path)
    rate = int(data["sr"])
    checked = 0
    for name in _waves(data):
        wave = data[f"wave_{name}_int16"] / np.float32(32768)
        for setting, values in data["settings_json"].items():
            slicer = SilenceSlicer(_params(values, max_s), rate)
            spans = slicer.feed(wave) + slicer.flush()
            bounds = data[f"{name}/{setting}/bounds"]
            # The official end of the last clip may lie past the end of the wave; ours never does.
            expected = [(start, min(end, len(wave))) for start, end in bounds.tolist()]
            assert spans == expected, f"{name}/{setting}"
            assert [span.samples for span in spans] == data[f"{name}/{setting}/lengths"].tolist()
            checked += 1
    assert checked


@pytest.mark.parametrize("path", golden.files("slicer"))
def test_levels(path):
    data = golden.load(path)
    rate, setting = int(data["sr"]), data["settings_json"]["webui"]
    hop = round(rate * setting["hop_size"] / 1000)
    for name in _waves(data):
        meter = RmsMeter(hop, min(round(rate * setting["min_interval"] / 1000), 4 * hop))
        wave = data[f"wave_{name}_int16"] / np.float32(32768)
        levels = np.concatenate([*meter.feed(wave), *meter.flush()])
        np.testing.assert_allclose(levels, data[f"{name}/rms_webui"], rtol=1e-5, atol=1e-7)
