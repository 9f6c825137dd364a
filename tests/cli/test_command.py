"""Flags made from the schema, and the options every command has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from sovits_cli.cli.command import CommandContext, command, option
from sovits_cli.config import aliases, fields
from sovits_cli.config.layers import load_settings
from sovits_cli.errors import SettingsError, TextError
from sovits_cli.events import Skipped
from sovits_cli.report.console import Console
from sovits_cli.text.languages import LANGUAGES
from tests.cli import sample
from tests.cli.conftest import Sovits
from tests.differences import every_case

Answer = Callable[..., Any]


def test_flags_are_settings(answer: Answer) -> None:
    given = answer("sample", "a", "--max-sec", "3", "--mono", "-o", "elsewhere", "--epochs", "4")
    assert given == {"what": "a", "max_sec": 3.0, "mono": True, "epochs": [4, 4], "out": "elsewhere"}


def test_flags_not_given_leave_the_settings(answer: Answer) -> None:
    assert answer("sample", "a") == {"what": "a", "max_sec": 54.0, "mono": False, "epochs": [20, 8], "out": "slices"}


def test_no_beats_a_file(answer: Answer) -> None:
    Path("sovits.yaml").write_text("slice: {mono: true, max_sec: 9}\n", encoding="utf-8")
    assert answer("sample", "a")["mono"] is True
    given = answer("sample", "a", "--no-mono")
    assert (given["mono"], given["max_sec"]) == (False, 9.0)


def test_set_and_config(answer: Answer) -> None:
    Path("mine.yaml").write_text("slice: {max_sec: 9}\n", encoding="utf-8")
    Path("yours.yaml").write_text("slice: {mono: true}\n", encoding="utf-8")
    given = answer("sample", "a", "--config", "mine.yaml", "--config", "yours.yaml", "--set", "slice.out=x")
    assert (given["max_sec"], given["mono"], given["out"]) == (9.0, True, "x")


def test_notes_about_keys_without_effect_are_shown(sovits: Sovits) -> None:
    Path("s1.yaml").write_text("model:\n  linear_units: 2048\n", encoding="utf-8")
    result = sovits("sample", "a", "--config", "s1.yaml")
    assert result.exit_code == 0
    assert "model.linear_units (--config s1.yaml:2) has no effect: " in result.stderr
    assert sovits("sample", "a", "--config", "s1.yaml", "--quiet").stderr == ""


def test_a_skipped_item_makes_the_exit_code_7(sovits: Sovits, answer: Answer) -> None:
    result = sovits("sample", "skip")
    assert (result.exit_code, result.stdout) == (7, "did skip 1 times\n")
    assert result.stderr == "warning: left out: b.wav: is silent\n"
    assert answer("sample", "skip")["skipped"] == [{"item": "b.wav", "reason": "is silent"}]


def test_own_options_stay_their_own(sovits: Sovits) -> None:
    assert sovits("sample", "a", "--times", "3").stdout == "did a 3 times\n"


def test_help_takes_its_words_from_the_schema(sovits: Sovits) -> None:
    text = " ".join(sovits("sample", "--help").stdout.split())
    assert "--max-sec NUMBER no slice is longer than this, in seconds [above 0; default 54.0]" in text
    assert "--stage all|gpt|sovits|content which training runs [default all]" in text
    assert "--mono / --no-mono mix the channels down to one" in text
    for name in ("--json", "--quiet", "--debug", "--device", "--config", "--set"):
        assert f"{name} " in text


def test_a_flag_for_no_setting_is_a_bug_found_at_once() -> None:
    with pytest.raises(SettingsError, match="unknown setting slice"):
        command(option("slice.max_secs"))(lambda context: None)


@every_case("key", list(fields.table()))
def test_any_setting_can_be_a_flag(key: str) -> None:
    assert option(key).names[0].startswith("--")
    command(option(key))(lambda context: None)


def test_old_flags_work_and_name_the_new_one(sovits: Sovits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of the table, as a value or as a switch; given with the new one it is refused."""
    problems, seen = [], []
    keys = {f"--{key.rpartition('.')[2].replace('_', '-')}": key for key in fields.table()}
    for old, new in aliases.FLAGS.items():
        key = keys[new]

        @command(option(key))
        def alone(context: CommandContext, key: str = key) -> None:
            seen.append(context.resolved.value(key))

        monkeypatch.setattr(sample, "sample_command", alone)
        is_switch = fields.setting(key).kind is bool
        forms = {(old,): True, (f"--no-{old[2:]}",): False} if is_switch else {(old, "cut2"): "cut2"}
        for given, value in forms.items():
            seen.clear()
            result = sovits("sample", *given)
            if (seen, result.stderr) != ([value], f"{old} is now {new}\n"):
                problems.append(f"{given}: {seen}, {result.stderr!r}")
        both = sovits("sample", *next(iter(forms)), *((new,) if is_switch else (new, "cut3")))
        if both.exit_code != 2 or f"{old} is now {new}: both are given" not in both.stderr:
            problems.append(f"{old} and {new}: {both.stderr!r}")
        assert old not in sovits("sample", "--help").stdout
    assert problems == []


# The context that a command body gets.


@dataclass(frozen=True)
class Result:
    count: int


def new_context(*sets: str, json: bool = False) -> CommandContext:
    return CommandContext(load_settings(sets=sets), Console(json=json))


def test_it_knows_what_was_given() -> None:
    made = new_context("slice.max_sec=9")
    assert made.settings.slice.max_sec == 9
    assert (made.given("slice.max_sec"), made.given("slice.mono")) == (True, False)


def test_the_device_is_chosen_once_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    made = new_context("device=cpu")
    assert (made.device, made.device, made.reporter.device) == ("cpu", "cpu", "cpu")
    assert capsys.readouterr().err == "device: cpu (asked for)\n"


def test_a_result_is_text_or_a_document_with_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    new_context().result(Result(3), "three")
    assert capsys.readouterr().out == "three\n"
    machine = new_context(json=True)
    machine.reporter.emit(Skipped("a.wav", "is silent"))
    machine.result(Result(3), "three")
    assert json.loads(capsys.readouterr().out) == {"count": 3, "skipped": [{"item": "a.wav", "reason": "is silent"}]}


def test_languages_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(LANGUAGES), "problems", (TextError("xx is broken", hint="mend it"),))
    new_context().warn_of_unusable_languages()
    assert capsys.readouterr().err == "warning: xx is broken\nhint: mend it\n"


def test_a_device_that_is_not_there_is_exit_5(sovits: Sovits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = sovits("sample", "device", "--device", "cuda")
    assert result.exit_code == 5
    assert result.stderr == "error: device cuda is not available: no CUDA device found\nhint: use --device auto\n"


def test_a_word_that_is_no_device_is_exit_2(sovits: Sovits) -> None:
    for wanted in ("gpu", "cuda:", "cuda:x", "CPU", ""):
        result = sovits("sample", "device", "--device", wanted)
        assert result.exit_code == 2
        assert "expected auto, cpu, cuda, cuda:N or mps" in result.stderr
