"""Recordings with timed phones: labels of frames, and recordings that are kept out with their reason."""

import numpy as np
import pytest

from sovits_cli.data.aligned_dataset import (
    AlignedDataset,
    Alignment,
    collate_aligned,
    content_frames,
    content_samples,
    frame_labels,
    read_alignment,
)
from sovits_cli.data.experiment import LeftOutCause
from sovits_cli.errors import DatasetError
from tests.data.recordings import record
from tests.differences import every_case


def timed(folder, name, seconds, phones="0.4 sil\n2.0 AA\n"):
    path = record(folder / name, seconds)
    path.with_suffix(".phones").write_text(phones)
    return path


def test_frames_and_samples_are_each_others_inverse():
    assert [content_frames(samples) for samples in (0, 399, 400, 719, 720, 16_000)] == [0, 0, 1, 1, 2, 49]
    for frames in (1, 2, 49, 1000):
        assert content_frames(content_samples(frames)) == frames
        assert content_frames(content_samples(frames) - 1) == frames - 1


def test_a_frame_has_the_phone_at_its_middle():
    """Middles are at 12.5 ms, 32.5 ms, 52.5 ms ...; after the last end, the last phone goes on."""
    alignment = Alignment(np.array([0.0125, 0.04, 0.06]), ("a", "b", "c"))
    assert frame_labels(alignment, 5, {"a": 7, "b": 8, "c": 9}).tolist() == [7, 8, 9, 9, 9]


def test_items_and_batches(tmp_path):
    for name, seconds in (("a.wav", 1.0), ("b.wav", 2.0)):
        timed(tmp_path, name, seconds)
    clips = AlignedDataset(tmp_path, min_sec=0.5, max_sec=10)
    assert (clips.names, clips.phones, clips.lengths_s) == (["a.wav", "b.wav"], ("AA", "sil"), [1.0, 2.0])
    assert clips[0].labels.shape == (49,)
    assert clips[0].labels.tolist()[:20] == [1] * 20
    assert clips[0].labels.tolist()[20:] == [0] * 29
    batch = collate_aligned([clips[0], clips[1]])
    assert (batch.wave.shape, batch.labels.shape) == ((2, 32_000), (2, 99))
    assert (batch.positions, len(batch), batch.frame_lens.tolist()) == (198, 2, [49, 99])
    alone = batch.select(slice(0, 1))
    assert (alone.wave.shape, alone.labels.shape) == ((1, 16_000), (1, 49))


def test_recordings_that_are_kept_out_say_why(tmp_path):
    timed(tmp_path, "good.wav", 1.0)
    timed(tmp_path, "long.wav", 3.0)
    timed(tmp_path, "short.wav", 0.3)
    record(tmp_path / "untimed.wav", 1.0)
    timed(tmp_path, "broken.wav", 1.0).write_bytes(b"")
    clips = AlignedDataset(tmp_path, min_sec=0.5, max_sec=2)
    assert clips.names == ["good.wav"]
    found = {item.name: (item.cause, item.seconds) for item in clips.left_out}
    assert found == {
        "long.wav": (LeftOutCause.LONG, 3.0),
        "short.wav": (LeftOutCause.SHORT, 0.3),
        "untimed.wav": (LeftOutCause.BROKEN, None),
        "broken.wav": (LeftOutCause.BROKEN, None),
    }


@every_case(
    ("text", "message"),
    [
        ("", "holds no phones"),
        ("0.5 AA\n0.4 B\n", "line 2: '0.4 B', expected 'end_seconds phone' with times that rise"),
        ("0.5\n", "line 1"),
        ("x AA\n", "line 1"),
        ("nan AA\n", "line 1"),
        ("inf AA\n", "line 1"),
    ],
    isolated=True,
)
def test_alignments_that_are_none(tmp_path, text, message):
    path = tmp_path / "a.phones"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_alignment(path)
