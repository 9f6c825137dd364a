"""The frame: root help, the error boundary, exit codes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sovits_cli import __version__
from sovits_cli.cli import app as root
from sovits_cli.errors import ModelError, ResourceError, SovitsError
from sovits_cli.paths import package_dir
from tests.cli.conftest import Sovits
from tests.differences import differences, every_case

Told = Callable[..., tuple[int, list[str]]]


def test_without_arguments_it_shows_its_help(sovits: Sovits) -> None:
    bare, asked = sovits(), sovits("--help")
    assert (bare.exit_code, asked.exit_code) == (0, 0)
    assert bare.stdout == asked.stdout
    for name, lazy in root.COMMANDS.items():
        assert f"  {name} " in bare.stdout
        assert lazy.help in " ".join(bare.stdout.split())


def test_version(sovits: Sovits) -> None:
    assert sovits("--version").stdout == f"sovits {__version__}\n"


def test_results_go_to_stdout_and_all_else_to_stderr(sovits: Sovits) -> None:
    result = sovits("sample", "device", "--device", "cpu")
    assert result.exit_code == 0
    assert result.stdout == "did device 1 times\n"
    assert result.stderr.splitlines() == ["device: cpu (asked for)", "asked: cpu"]


@every_case(
    ("what", "code", "lines"),
    [
        ("known", 3, ["error: a.wav: is empty", "hint: leave it out"]),
        ("memory", 5, ["error: out of memory", "hint: use shorter clips or a smaller --batch-size"]),
        ("torch", 5, ["error: out of memory", "hint: use shorter clips or a smaller --batch-size"]),
        ("disk", 5, ["error: no space left on the disk (out.wav)", "hint: free some space"]),
        ("ctrl-c", 130, ["error: interrupted"]),
        ("pipe", 141, []),
        (
            "bug",
            1,
            ["error: internal error: ValueError: two lines", "hint: run again with --debug and report what it shows"],
        ),
        (
            "io",
            1,
            [
                "error: internal error: PermissionError: [Errno 13] Permission denied: 'secret.wav'",
                "hint: run again with --debug and report what it shows",
            ],
        ),
    ],
)
def test_every_failure_is_one_line_and_a_hint(told: Told, what: str, code: int, lines: list[str]) -> None:
    assert told("sample", what) == (code, lines)


@every_case("what", ["known", "bug"])
def test_debug_shows_the_traceback(sovits: Sovits, what: str) -> None:
    result = sovits("sample", what, "--debug")
    assert "Traceback (most recent call last)" in result.stderr
    assert "sample.py" in result.stderr
    assert "error: " in result.stderr.splitlines()[-2]


def test_with_json_an_error_is_an_object_on_stdout(answer: Callable[..., Any], sovits: Sovits) -> None:
    assert answer("sample", "known") == {
        "error": {
            "type": "AudioError",
            "code": "audio",
            "fields": {},
            "message": "a.wav: is empty",
            "hint": "leave it out",
            "exit_code": 3,
        }
    }
    assert answer("sample", "well", "--times", "x")["error"]["exit_code"] == 2
    assert sovits("sample", "known", "--json").stderr.startswith("error: a.wav")


@every_case(
    ("args", "lines"),
    [
        (["--bad"], ["error: unknown option --bad", "hint: sovits --help lists the options"]),
        (["--versoin"], ["error: unknown option --versoin", "hint: did you mean --version?"]),
        (["sampel"], ["error: unknown command sampel", "hint: did you mean `sovits sample`?"]),
        (["xyzzy"], ["error: unknown command xyzzy", "hint: sovits --help lists the commands"]),
        (["sample", "a", "--max-secs", "3"], ["error: unknown option --max-secs", "hint: did you mean --max-sec?"]),
        (["sample", "a", "-x"], ["error: unknown option -x", "hint: sovits sample --help lists the options"]),
        (["sample"], ["error: missing argument 'what'", "hint: sovits sample --help"]),
        (["sample", "a", "b"], ["error: got unexpected extra argument (b)", "hint: sovits sample --help"]),
        (["sample", "a", "--max-sec"], ["error: option '--max-sec' requires an argument", "hint: sovits --help"]),
        (
            ["sample", "a", "--stage", "both"],
            [
                "error: train.stage is both (flag --stage): expected one of all, gpt, sovits, content",
                "hint: train.stage: which training runs",
            ],
        ),
        (
            ["sample", "a", "--config", "missing.yaml"],
            ["error: missing.yaml: no such settings file", "hint: sovits config init writes one"],
        ),
        (["samples", "two"], ["error: no such command 'two'", "hint: sovits samples --help"]),
    ],
)
def test_wrong_calls_are_one_line_and_a_hint(told: Told, args: list[str], lines: list[str]) -> None:
    assert told(*args) == (2, lines)


def test_a_value_of_the_wrong_type_names_the_option(told: Told) -> None:
    code, lines = told("sample", "a", "--times", "x")
    assert code == 2
    assert lines[0].startswith("error: invalid value for '--times': ")
    assert lines[1:] == ["hint: sovits sample --help"]


def test_a_word_after_the_end_of_options_is_no_flag(sovits: Sovits) -> None:
    assert sovits("sample", "--", "--debug").stdout == "did --debug 1 times\n"
    assert sovits("sample", "bug", "--times", "1", "--", "--json").stdout == ""


def test_a_group_shows_its_help_and_runs_its_commands(sovits: Sovits) -> None:
    bare = sovits("samples")
    assert bare.exit_code == 0
    assert "A group of samples." in bare.stdout
    assert sovits("samples", "one", "well").stdout == "did well 1 times\n"
    assert sovits("samples", "one", "known").exit_code == 3


@every_case("error", [ModelError("m", hint="h"), ResourceError("r")])
def test_our_errors_are_told_as_they_are(error: SovitsError) -> None:
    assert root.explain(error) is error


def test_an_error_of_a_gpu_without_memory() -> None:
    class OutOfMemoryError(RuntimeError):
        """Named as torch names it."""

    assert root.explain(OutOfMemoryError("CUDA out of memory")).exit_code == 5


def run_main(code: str, **extra: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **extra)


def test_the_entry_point_ends_with_the_exit_code() -> None:
    done = run_main("import sys; sys.argv = ['sovits', 'slcie']; from sovits_cli.cli.app import main; main()")
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: unknown command slcie", "hint: did you mean `sovits slice`?"]
    assert done.stdout == ""


def test_a_reader_that_goes_away_causes_no_noise() -> None:
    """As in `sovits config show | head -1`: the pipe is closed before anything is written."""
    code = (
        "import os, sys, time; from sovits_cli.cli.app import main; sys.argv = ['sovits', 'config', 'show']\n"
        "reader, writer = os.pipe(); os.dup2(writer, 1); os.close(writer); os.close(reader); main()"
    )
    done = run_main(code)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_output_that_knows_ascii_only_gets_escapes() -> None:
    code = (
        "import sys; from sovits_cli.cli.app import main\n"
        "sys.argv = ['sovits', 'config', 'get', 'train.exp_name', '--set', 'train.exp_name=\\u4f60']; main()"
    )
    done = run_main(code, env={"PYTHONIOENCODING": "ascii", "PATH": ""})
    assert (done.returncode, done.stdout) == (0, "\\u4f60\n")


def test_the_examples_of_the_help_stay_as_they_are(sovits: Sovits) -> None:
    lines = sovits("--help").stdout.splitlines()
    assert "  sovits infer --ref r.wav -t text.txt -o out.wav  speak in the voice of r.wav" in lines
    assert "  sovits train --precision 16-mixed                a trained model" in lines
    assert max(map(len, lines)) <= 80
    assert not any("\\b" in line or "\b" in line for line in lines)


def run_shell(line: str, **extra: Any) -> subprocess.CompletedProcess[str]:
    return run_main(f"import os; os.execv('/bin/sh', ['sh', '-c', {line!r}])", **extra)


SOVITS = f"{sys.executable} -m sovits_cli"
HERE = {**os.environ, "PYTHONPATH": str(Path.cwd())}


CLOSED = [
    ("1>&-", "config get data.max_sec", 0, "", ""),
    ("1>&-", "config get nothing.such", 2, "", "error: unknown setting nothing.such"),
    ("2>&-", "config get data.max_sec", 0, "54.0", ""),
    ("2>&-", "config get nothing.such", 2, "", ""),
    ("0<&- 1>&- 2>&-", "config init", 0, "", ""),
]


def test_a_closed_stream_takes_what_is_not_wanted(tmp_path: Path) -> None:
    """All at the same time: each is a process of its own."""
    lines = [f"{SOVITS} {command} {closed}" for closed, command, *_ in CLOSED]
    running = [
        subprocess.Popen(
            ["/bin/sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=HERE
        )
        for line in lines
    ]
    with differences() as compare:
        for process, line, (_, _, code, out, err) in zip(running, lines, CLOSED, strict=True):
            with process, compare(line):
                found_out, found_err = process.communicate(timeout=60)
                assert process.returncode == code
                assert (found_out.strip(), found_err.strip().split("\n")[0]) == (out, err)
    assert "max_sec" in (tmp_path / "sovits.yaml").read_text()


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """What C code writes to stderr must not end up in the audio."""
    code = (
        "import sys; sys.argv = ['sovits', '--version']; from sovits_cli.cli import app\n"
        "app.app = lambda: print(open('a.bin', 'wb').fileno(), file=open('number', 'w')); app.main()"
    )
    run_shell(f'{sys.executable} -c "{code}" 1>&- 2>&-', cwd=tmp_path, env=HERE)
    assert int((tmp_path / "number").read_text()) > 2


WAITING = """
import sys, time
from sovits_cli.cli import app
def wait():
    print("ready", flush=True)
    time.sleep(60)
root = app.app
app.app = lambda: wait()
try:
    app.main()
except KeyboardInterrupt:
    print("as by Ctrl-C", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("ignored", [False, True])
def test_a_signal_to_end_acts_as_ctrl_c_unless_it_is_to_be_ignored(name: str, ignored: bool) -> None:
    number = getattr(signal, name)
    before = f"import signal; signal.signal({int(number)}, signal.SIG_IGN)\n" if ignored else ""
    with subprocess.Popen([sys.executable, "-c", before + WAITING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        if ignored:
            time.sleep(0.3)
            assert process.poll() is None
            process.kill()
        assert process.stdout.read() == ("" if ignored else "as by Ctrl-C\n")


LOOP = "loop"
NO_UTF8 = "caf\udce9.wav"
"""As a zip file from another system leaves it: bytes that are no UTF-8."""


CALLS_WITH_A_PATH = [
    ["slice", "{}"],
    ["slice", ".", "--out", "{}"],
    ["prep", "{}"],
    ["prep", ".", "--out", "{}"],
    ["train", "{}"],
    ["train", "--out", "{}"],
    ["infer", "--ref", "{}", "--say", "a"],
    ["infer", "--ref", "builtin:slt", "-t", "{}"],
    ["infer", "--ref", "builtin:slt", "--gpt", "{}", "--say", "a"],
    ["infer", "--ref", "builtin:slt", "--lexicon", "{}", "--say", "a"],
    ["infer", "--ref", "builtin:slt", "--say", "a", "-o", "{}/out.wav"],
    ["models", "inspect", "{}"],
    ["models", "verify", "{}"],
    ["models", "convert", "{}", "a.safetensors"],
    ["config", "show", "--config", "{}"],
]


def test_a_loop_of_links_and_a_name_that_is_no_utf8_are_told(sovits: Sovits, tmp_path: Path) -> None:
    with differences() as compare:
        for number, (args, name) in enumerate(itertools.product(CALLS_WITH_A_PATH, (LOOP, NO_UTF8))):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / LOOP).symlink_to(LOOP)
            with compare(f"{' '.join(args)}, {name!r}"), contextlib.chdir(folder):
                result = sovits(*(arg.format(name) for arg in args), "--json")
                document = json.loads(result.stdout)
                assert "internal error" not in result.stderr
                if "out" in document:  # a folder may be called so
                    assert Path(document["out"]).is_file()
                else:
                    assert result.exit_code == document["error"]["exit_code"] in (2, 3, 4, 5)


def test_a_recording_whose_name_is_no_utf8_is_used(sovits: Sovits, tmp_path: Path) -> None:
    """From a zip file of a Chinese or Japanese Windows, say."""
    (tmp_path / NO_UTF8).write_bytes((package_dir() / "examples" / "slt.flac").read_bytes())
    assert sovits("slice", NO_UTF8).exit_code == 0
    (name,) = [path.name for path in (tmp_path / "slices").glob("*.wav")]
    assert name.startswith("caf\udce9")
    assert sovits("infer", "--ref", f"slices/{name}", "--say", "Good morning.", "-o", "caf\udce8.wav").exit_code == 0
    assert (tmp_path / "caf\udce8.wav").is_file()
