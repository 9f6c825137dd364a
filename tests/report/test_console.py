from __future__ import annotations

import io
import json
import re
import sys

import pytest

from sovits_cli.errors import AudioError
from sovits_cli.events import Chose, Metrics, Note, Progress, Skipped, Warned
from sovits_cli.report import json_output
from sovits_cli.report.console import Console, progress_text
from tests.differences import every_case


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stderr a terminal; called in the test itself, since pytest puts its own stderr in place before."""
    stream = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


EVERY_KIND = [Chose("model", "mini", "nothing else installed"), Note("hello"), Progress("slice", 1, 1, "files")]


def test_every_event_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    for event in (*EVERY_KIND, Warned("few clips", "record more"), Skipped("a.wav", "is silent")):
        console.emit(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.sub(r"RSS \d+ MB|RSS \d\.\d GB", "RSS", err).splitlines() == [
        "model: mini (nothing else installed)",
        "hello",
        "slice: 1/1 files (100%), RSS",
        "warning: few clips",
        "hint: record more",
        "warning: left out: a.wav: is silent",
    ]
    assert console.skipped == [Skipped("a.wav", "is silent")]


def test_quiet_silences_all_but_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    for event in (*EVERY_KIND, Metrics("gpt", 1, {"loss": 2.0})):
        console.emit(event)
    assert capsys.readouterr().err == ""
    console.emit(Warned("few clips"))
    console.emit(Skipped("a.wav", "is silent"))
    console.error(AudioError("b.wav: is empty"))
    assert capsys.readouterr().err.splitlines() == [
        "warning: few clips",
        "warning: left out: a.wav: is silent",
        "error: b.wav: is empty",
    ]


def test_plain_progress_is_rate_limited_but_its_end_always_shows(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    console = Console(clock=clock)
    for done in range(101):
        console.emit(Progress("slice", done, 100, "s"))
        clock.now_s += 0.125
    console.emit(Progress("slice", 100, 100, "s"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3  # at 5 s, at 10 s, and the end once
    assert lines[0].startswith("slice: 40/100 s (40%), 0:08 left, RSS ")
    assert lines[-1].startswith("slice: 100/100 s (100%), RSS ")


def test_two_tasks_have_clocks_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    console = Console(clock=clock)
    console.emit(Progress("a", 0, 10))
    clock.now_s += 6
    console.emit(Progress("a", 1, 10))
    console.emit(Progress("b", 1, 10))
    assert [line[:1] for line in capsys.readouterr().err.splitlines()] == ["a"]


@every_case(
    ("event", "elapsed_s", "text"),
    [
        (Progress("prep", 120, 300, "files"), 60, "prep: 120/300 files (40%), 1:30 left, RSS 1 MB"),
        (Progress("prep", 0, 300), 60, "prep: 0/300 (0%), RSS 1 MB"),
        (Progress("gpt", 7, None, "steps", "loss 3.2"), 60, "gpt: 7 steps, loss 3.2, RSS 1 MB"),
        (Progress("prep", 3, 0), 60, "prep: 3, RSS 1 MB"),
        (Progress("prep", 400, 300), 60, "prep: 400/300 (100%), RSS 1 MB"),
    ],
)
def test_a_line_of_progress(event: Progress, elapsed_s: float, text: str) -> None:
    assert progress_text(event, elapsed_s, "RSS 1 MB") == text


def test_a_terminal_gets_bars_with_time_left_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    console = Console()
    console.emit(Progress("prep", 3, 10, "files", "b.wav"))
    console.emit(Metrics("gpt", 7, {"loss": 3.25}))
    console.emit(Note("by the way"))
    console.close()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"prep .*30% 3/10 files 0:00:00 .*RSS \d", drawn)
    assert "b.wav" in drawn
    assert "loss 3.25" in drawn
    assert "by the way\n" in drawn


@every_case(("variable", "coloured"), [(None, True), ("NO_COLOR", False)])
def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch, variable: str | None, coloured: bool) -> None:
    terminal = on_terminal(monkeypatch)
    if variable:
        monkeypatch.setenv(variable, "1")
    Console().error(AudioError("a.wav: is empty"))
    assert ("\x1b[" in terminal.getvalue()) == coloured
    assert "a.wav: is empty" in terminal.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    console = Console()
    console.emit(Progress("prep", 10, 10))
    console.error(AudioError("a.wav: is empty"))
    assert "\x1b[" not in terminal.getvalue()


def test_results_go_to_stdout_as_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    Console().result({"n": 1}, "one slice")
    assert capsys.readouterr().out == "one slice\n"
    Console(json=True).result({"n": 1}, "one slice")
    assert json.loads(capsys.readouterr().out) == {"n": 1}


def test_an_error_is_one_line_and_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Console().error(AudioError("a.wav: is\nbroken", hint="convert it"))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: a.wav: is broken\nhint: convert it\n")
    Console(json=True).error(AudioError("a.wav: is broken", hint="convert it"))
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "a.wav: is broken"


def unexpected() -> Skipped:
    try:
        raise KeyError("three")
    except KeyError as error:
        return Skipped("b.wav", "internal error: KeyError: 'three'", error)


@every_case("debug", [False, True])
def test_the_traceback_of_an_item_is_shown_on_demand(capsys: pytest.CaptureFixture[str], debug: bool) -> None:
    console = Console(debug=debug)
    console.emit(unexpected())
    _, err = capsys.readouterr()
    assert err.endswith("warning: left out: b.wav: internal error: KeyError: 'three'\n")
    assert ("Traceback (most recent call last)" in err and 'raise KeyError("three")' in err) == debug


def test_an_exception_stays_out_of_the_document() -> None:
    assert json_output.plain(unexpected()) == {"item": "b.wav", "reason": "internal error: KeyError: 'three'"}


EVIL = "a\x1b[31m\x9b2J\rb\u202egnp.wav"
HARMLESS = "a\\u001b[31m\\u009b2J\\u000db\\u202egnp.wav"


@every_case("terminal", [False, True])
def test_control_characters_of_names_never_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    console = Console()
    if terminal:
        stream = on_terminal(monkeypatch)
        monkeypatch.setenv("NO_COLOR", "1")
    for event in (Chose("model", EVIL, EVIL), Note(EVIL), Warned(EVIL, EVIL), Skipped(EVIL, EVIL)):
        console.emit(event)
    console.emit(Progress(EVIL, 1, 1, detail=EVIL))
    console.result(None, f"{EVIL}\nsecond line")
    console.error(AudioError(EVIL, hint=EVIL))
    out, err = capsys.readouterr()
    err = stream.getvalue() if terminal else err
    assert out == f"{HARMLESS}\nsecond line\n"
    assert err.count(HARMLESS) >= 9
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)  # what the bars themselves draw
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x80-\x9f\u202e]", bare)
    assert "[31m" not in re.sub(r"\\u001b\[31m", "", bare)


def test_a_document_with_control_characters_is_still_json(capsys: pytest.CaptureFixture[str]) -> None:
    Console(json=True).result({"name": EVIL}, "")
    out, _ = capsys.readouterr()
    assert json.loads(out) == {"name": EVIL}
    assert "\x9b" not in out
