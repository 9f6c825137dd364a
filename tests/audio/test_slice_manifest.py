"""The folder of slices: what is replaced, kept, refused."""

import json
import os

import numpy as np
import pytest

from sovits_cli.config.schema import SliceSettings
from sovits_cli.errors import DatasetError
from sovits_cli.events import Warned
from tests.audio import signals
from tests.audio.slices import QUICK, TALK, folder_at, names_of, reassemble, rows_of, sliced
from tests.differences import every_case


def test_two_sources_of_one_name(tmp_path):
    one = signals.write(folder_at(tmp_path / "one") / "a.wav", signals.speech(TALK, seed=1))
    two = signals.write(folder_at(tmp_path / "two") / "a.wav", signals.speech(TALK, seed=2))
    sliced([one], tmp_path / "out", QUICK)
    sliced([two], tmp_path / "out", QUICK)
    again = sliced([two, one], tmp_path / "out", QUICK)
    assert [source.replaced for source in again.sources] == [len(source.lengths_s) for source in again.sources]
    for source in (one, two):
        result, whole = reassemble(tmp_path / "out", source, "int16")
        np.testing.assert_array_equal(result, whole)
    files = [row["file"] for row in rows_of(tmp_path / "out")]
    assert len(set(files)) == len(files) == 2 * len(again.sources[0].lengths_s)


def test_texts_of_unchanged_slices_are_kept(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    out = tmp_path / "out"
    sliced([source], out, QUICK)
    rows = [{**row, "text": row["file"]} for row in rows_of(out)]
    (out / "slices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sliced([source], out, QUICK)
    assert rows_of(out) == rows


def test_unlisted_slices_are_left_and_named(tmp_path, heard):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    out = folder_at(tmp_path / "out")
    stranger = signals.write(out / "a.wav_0000000000_0000000007.wav", signals.noise(0.1))
    sliced([source], out, QUICK, reporter=heard)
    assert stranger.exists()
    (warning,) = heard.of(Warned)
    assert "1 more files" in warning.text


def test_what_a_killed_run_left_is_cleared(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    dead = tmp_path / "out" / ".slicing-999999999-abc"
    alive = tmp_path / "out" / f".slicing-{os.getpid()}-abc"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "half.wav").write_bytes(b"half")
    sliced([source], tmp_path / "out", QUICK)
    assert not dead.exists()
    assert alive.exists()


def test_manifest_of_something_else(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    (folder_at(tmp_path / "out") / "slices.jsonl").write_text('{"file": "x.wav"}\n')
    with pytest.raises(DatasetError, match=r"slices\.jsonl line 1"):
        sliced([source], tmp_path / "out", QUICK)


OUTSIDE = ["../victim.txt", "../out/a.wav_0000000000_0000000001.wav", "sub/a.wav_0000000000_0000000001.wav", "", "."]
UNKNOWN = ["slices.jsonl", "notes.txt", "a.wav", ["a"], None, 7, {}, "a\0_0000000000_0000000001.wav"]


@every_case("file", [*OUTSIDE, *UNKNOWN, "absolute"], isolated=True)
def test_a_foreign_manifest_removes_and_writes_nothing(tmp_path, file):
    """Rows are replaced and their files removed when their source is sliced again: only what slices are called."""
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    out = folder_at(tmp_path / "out")
    (out / "notes.txt").write_text("notes")
    good = {"source": "other", "file": "b.wav_0000000000_0000000001.wav"}
    bad = {"source": str(source), "file": str(victim) if file == "absolute" else file}
    (out / "slices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (good, bad)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DatasetError, match=r"slices\.jsonl line 2 is no row of .* file"):
        sliced([source], out, QUICK)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@every_case(
    "line", ["[" * 200_000, '{"source": "a", "file": ' + "[" * 900 + "]" * 900 + "}", "[1]", "7"], isolated=True
)
@every_case("name", ["slices.jsonl", "gaps.jsonl"], isolated=True)
def test_rows_that_are_none(tmp_path, name, line):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    (folder_at(tmp_path / "out") / name).write_text(line + "\n")
    with pytest.raises(DatasetError, match=r"jsonl line 1 is no row"):
        sliced([source], tmp_path / "out", QUICK)


def test_nothing_is_written_through_links(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    out = tmp_path / "out"
    sliced([source], out, QUICK)
    rows = rows_of(out)
    victims = [tmp_path / f"victim{number}" for number in range(4)]
    links = [out / rows[0]["file"], out / rows[-1]["file"], out / "slices.jsonl", out / "gaps.jsonl"]
    for link, victim in zip(links, victims, strict=True):
        victim.write_bytes(link.read_bytes())
        link.unlink()
        link.symlink_to(victim)
    before = [victim.read_bytes() for victim in victims]
    sliced([source], out, SliceSettings(min_length=400, min_interval=100, max_sil_kept=90, max_sec=2.0))
    assert [victim.read_bytes() for victim in victims] == before
    assert not any(path.is_symlink() for path in out.iterdir())
    assert sorted(row["file"] for row in rows_of(out)) == [name for name in names_of(out) if name.endswith(".wav")]
