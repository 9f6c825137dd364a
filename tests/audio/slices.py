"""What the tests of slicing share: settings for short signals, the call, and the proof that no sample is lost."""

import json

import numpy as np
import pytest
import soundfile

from sovits_cli.audio.reader import AudioReader
from sovits_cli.audio.slicing import slice_recordings
from sovits_cli.config.schema import SliceSettings
from sovits_cli.events import Silent

QUICK = SliceSettings(min_length=400, min_interval=100, max_sil_kept=80, max_sec=2.0)
SILENT = Silent()
TALK = [-0.5, 1, -0.6, 3, -0.2, 0.5, -1]
"""Seconds of sound and silence; the 3 s without a pause need a forced cut."""


def sliced(inputs, out, settings=QUICK, reporter=SILENT, **changes):
    return slice_recordings(inputs, settings.model_copy(update={"out": out, **changes}), reporter=reporter)


def rows_of(folder, name="slices.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def names_of(folder):
    return sorted(child.name for child in folder.iterdir())


def reassemble(folder, source, dtype):
    """Slices and gaps of a source, put together again, with nothing twice and nothing missing."""
    slices = [row for row in rows_of(folder) if row["source"] == str(source)]
    gaps = [row for row in rows_of(folder, "gaps.jsonl") if row["source"] == str(source)]
    with AudioReader(source) as reading:
        whole = np.concatenate(list(reading.blocks()))
    if reading.info.lossy:
        whole = np.clip(np.rint(whole * 32768.0), -32768, 32767).astype(np.int16)
    result = np.zeros(whole.shape, dtype)
    end = 0
    for row in sorted(slices + gaps, key=lambda row: row["start"]):
        assert row["start"] == end
        end = row["end"]
        if "file" in row:
            part, rate = soundfile.read(folder / row["file"], dtype=dtype, always_2d=True)
            assert rate == row["rate"]
            assert row["duration_s"] == pytest.approx(len(part) / rate, abs=1e-6)
        else:
            part = whole[row["start"] : row["end"]]
        result[row["start"] : row["end"]] = part
    assert end == len(whole)
    return result, whole


def folder_at(path):
    path.mkdir()
    return path
