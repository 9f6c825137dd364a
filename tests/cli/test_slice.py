"""`sovits slice` as it is typed: good calls, and each with its bad twin."""

import json
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sovits_cli.cli.app import app
from tests.audio import signals
from tests.differences import every_case

TALK = [4.5, -0.6, 5, -1, 6]


@pytest.fixture
def long_wav(empty_folder):
    return signals.write(empty_folder / "long.wav", signals.speech(TALK, 22_050, 2), 22_050)


def slice_(*args):
    result = CliRunner().invoke(app, ["slice", *map(str, args)])
    assert "Traceback" not in result.output
    return result


def one_line(result, code, text):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert text in errors[0]


def rows(folder):
    return [json.loads(line) for line in (folder / "slices.jsonl").read_text().splitlines()]


def names(folder):
    return sorted(child.name for child in folder.iterdir())


def test_the_literal_line(long_wav, empty_folder):
    result = slice_("long.wav", "--max-sec", "54")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[0] == "slices: slices (the default; at most 54 s each)"
    assert "slices: 3 slices of 1 recording, 17 s of 17 s" in result.stdout
    assert "limit 54 s" in result.stdout
    assert "next: sovits prep slices --lang en" in result.stdout
    made = rows(empty_folder / "slices")
    assert sorted([row["file"] for row in made] + ["slices.jsonl", "gaps.jsonl"]) == names(empty_folder / "slices")
    for row in made:
        info = soundfile.info(empty_folder / "slices" / row["file"])
        assert (info.samplerate, info.channels, info.frames) == (22_050, 2, row["end"] - row["start"])


def test_the_limit_is_kept(long_wav, empty_folder):
    assert slice_("long.wav", "--max-sec", "2.5", "-o", "short").exit_code == 0
    assert max(row["duration_s"] for row in rows(empty_folder / "short")) <= 2.5


def test_official_form(long_wav, empty_folder):
    result = slice_("long.wav", "--rate", "32000", "--mono", "--max", "0.9")
    assert result.exit_code == 0, result.output
    infos = [soundfile.info(empty_folder / "slices" / row["file"]) for row in rows(empty_folder / "slices")]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(32_000, 1, "PCM_16")}


def test_every_parameter_matters(long_wav, empty_folder):
    def cuts(*args):
        assert slice_("long.wav", *args).exit_code == 0
        return [(row["start"], row["end"]) for row in rows(empty_folder / "slices")]

    changes = (
        ("--min-length", "20000"),
        ("--min-interval", "800"),
        ("--hop-size", "20"),
        ("--max-sil-kept", "100"),
        ("--max-sec", "3"),
    )
    results = [cuts(), *(cuts(*change) for change in changes)]
    assert len({tuple(result) for result in results}) == len(results)
    one_line(slice_("long.wav", "--threshold", "0"), 3, "entirely silent: nothing in it is above 0 dB")


def test_json(long_wav, empty_folder):
    result = slice_("long.wav", "--json")
    document = json.loads(result.stdout)
    assert (document["slices"], document["folder"], document["manifest"]) == (3, "slices", "slices/slices.jsonl")
    assert document["sources"][0]["source"] == "long.wav"
    assert sum(bucket["clips"] for bucket in document["lengths"]) == 3


def test_settings_file(long_wav, empty_folder):
    (empty_folder / "sovits.yaml").write_text("slice:\n  out: elsewhere\n  max_sec: 3.0\n")
    assert slice_("long.wav").exit_code == 0
    assert max(row["duration_s"] for row in rows(empty_folder / "elsewhere")) <= 3


def test_some_left_out_is_exit_code_7(long_wav, empty_folder):
    (empty_folder / "notes.txt").write_text("notes")
    result = slice_(".")
    assert result.exit_code == 7
    assert "left out: notes.txt: cannot read it as audio" in result.stderr
    assert "3 slices of 1 recording" in result.stdout


def test_running_again_says_what_it_replaces(long_wav, empty_folder):
    slice_("long.wav", "--max-sec", "2")
    result = slice_("long.wav")
    assert result.exit_code == 0
    assert "long.wav: 3 slices replace" in result.stderr
    assert len(names(empty_folder / "slices")) == 5


def _cut_flac(folder):
    signals.cut_short(signals.write(folder / "cut.flac", signals.noise(5)), 0.6)


def _huge(folder):
    signals.patch(signals.write(folder / "huge.wav", signals.noise(1)), signals.DATA_SIZE, 0x7FFFFFF0)


def _nan(folder):
    wave = signals.noise(5)[:, 0] / np.float32(32768)
    wave[70_000] = np.nan
    signals.write(folder / "nan.wav", wave, subtype="FLOAT")


BAD = {
    "missing": (["missing.wav"], lambda _: None, 3, "missing.wav does not exist"),
    "empty": (["empty.wav"], lambda f: (f / "empty.wav").touch(), 3, "empty.wav is empty"),
    "text": (["text.wav"], lambda f: (f / "text.wav").write_text("hello " * 99), 3, "cannot read text.wav as audio"),
    "cut wav": (["long.wav"], lambda f: signals.cut_short(f / "long.wav"), 3, "long.wav is damaged or cut short"),
    "cut flac": (["cut.flac"], _cut_flac, 3, "cut.flac is damaged or cut short"),
    "NaN": (["nan.wav"], _nan, 3, "nan.wav holds NaN or infinite samples"),
    "huge header": (["huge.wav"], _huge, 3, "its header promises"),
    "zero rate": (["long.wav"], lambda f: signals.patch(f / "long.wav", signals.RATE, 0), 3, "cannot read long.wav"),
    "no samples": (["0.wav"], lambda f: signals.write(f / "0.wav", np.zeros(0, np.int16)), 3, "it holds no samples"),
    "silent": (
        ["s.wav"],
        lambda f: signals.write(f / "s.wav", np.zeros(9999, np.int16)),
        3,
        "s.wav is entirely silent",
    ),
    "empty folder": (["none"], lambda f: (f / "none").mkdir(), 3, "none is a folder"),
    "two missing": (["a.wav", "b.wav"], lambda _: None, 3, "none of 2 files could be sliced"),
    "no input": ([], lambda _: None, 2, "INPUT"),
    "slices again": (["slices"], lambda f: (f / "slices").mkdir(), 2, "slices are not sliced again"),
    "out is a file": (["long.wav", "-o", "long.wav/x"], lambda _: None, 5, "cannot write"),
    "limit of 0": (["long.wav", "--max-sec", "0"], lambda _: None, 2, "max-sec"),
    "word for a limit": (["long.wav", "--max-sec", "long"], lambda _: None, 2, "max-sec"),
    "contradiction": (["long.wav", "--min-length", "100"], lambda _: None, 2, "min_interval"),
    "unknown option": (["long.wav", "--max-secs", "9"], lambda _: None, 2, "unknown option --max-secs"),
    "mix out of range": (["long.wav", "--max", "2"], lambda _: None, 2, "max"),
    "rate too low": (["long.wav", "--rate", "100"], lambda _: None, 2, "rate"),
}


@every_case("name", BAD, isolated=True)
def test_bad_calls(long_wav, tmp_path, monkeypatch, name):
    args, prepare, code, text = BAD[name]
    shutil.copy(long_wav, tmp_path)
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    before = names(tmp_path)
    one_line(slice_(*args), code, text)
    assert names(tmp_path) == before
    assert not list(tmp_path.glob("slices/*"))


def test_unreadable_file(long_wav, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sovits_cli.audio.reader._check_readable", refuse)
    one_line(slice_("long.wav"), 3, "cannot read long.wav: Permission denied")


def _small_files_only():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))


def test_full_disk_leaves_nothing(long_wav, empty_folder):
    command = [sys.executable, "-B", "-m", "sovits_cli", "slice", "long.wav"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=_small_files_only, check=False)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("error:") == 1
    assert "took no more data" in done.stderr
    assert names(empty_folder) == ["long.wav"]


def test_needs_no_torch(long_wav):
    code = "import sys; from sovits_cli.cli.app import app; sys.argv = ['sovits', 'slice', 'long.wav', '-q']\n"
    code += "try: app()\nexcept SystemExit as end: assert not end.code\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-B", "-c", code], check=True, capture_output=True)


BLOCKED = """
import sys
from sovits_cli.audio import slicing
from sovits_cli.cli.app import app

feed = slicing.SilenceSlicer.feed

def slow(self, block):
    print("slicing", flush=True)
    sys.stdin.read()
    return feed(self, block)

slicing.SilenceSlicer.feed = slow
app()
"""


@pytest.fixture
def slicing(long_wav, empty_folder):
    """Another `sovits slice other.wav`, which stands still until its stdin is closed."""
    signals.write(empty_folder / "other.wav", signals.speech(TALK, 22_050), 22_050)
    command = [sys.executable, "-B", "-c", BLOCKED, "slice", "other.wav"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "slicing\n"
        yield running
        running.kill()


def whole(folder):
    """The manifest lists what is there, and nothing hidden is."""
    assert sorted([row["file"] for row in rows(folder)] + ["slices.jsonl", "gaps.jsonl"]) == names(folder)
    return {row["source"] for row in rows(folder)}


def test_a_second_slice_into_one_folder(long_wav, empty_folder, slicing):
    one_line(slice_("long.wav"), 5, f"slices: another sovits (pid {slicing.pid}, since ")
    assert slice_("long.wav", "-o", "elsewhere").exit_code == 0
    slicing.communicate("")
    assert slicing.returncode == 0
    assert slice_("long.wav").exit_code == 0
    assert whole(empty_folder / "slices") == {str(empty_folder / name) for name in ("long.wav", "other.wav")}


def test_a_killed_slice_locks_nobody_out(long_wav, empty_folder, slicing):
    slicing.kill()
    slicing.wait()
    assert len(list((empty_folder / "slices").glob(".slicing-*"))) == 1
    assert slice_("long.wav").exit_code == 0
    assert whole(empty_folder / "slices") == {str(long_wav)}


def test_slices_at_once_into_one_folder(long_wav, empty_folder):
    sources = [signals.write(empty_folder / f"{number}.wav", signals.speech(TALK, 22_050), 22_050) for number in "abcd"]
    command = [sys.executable, "-B", "-m", "sovits_cli", "slice"]
    running = [subprocess.Popen([*command, str(source)], stderr=subprocess.PIPE, text=True) for source in sources]
    told = [process.communicate()[1] for process in running]
    codes = {source: process.returncode for source, process in zip(sources, running, strict=True)}
    assert set(codes.values()) <= {0, 5}, told
    assert whole(empty_folder / "slices") == {str(source) for source, code in codes.items() if not code}
    assert all("another sovits (pid " in text for text, code in zip(told, codes.values(), strict=True) if code)
