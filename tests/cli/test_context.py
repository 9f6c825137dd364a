"""What a command body gets."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from sovits_cli.cli.context import CommandContext
from sovits_cli.config.layers import load_settings
from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.report.console import Console
from sovits_cli.text.languages import LANGUAGES

pytestmark = pytest.mark.usefixtures("empty_folder")


@dataclass(frozen=True)
class Result:
    count: int


def context(*sets: str, json: bool = False) -> CommandContext:
    return CommandContext(load_settings(sets=sets), Console(json=json))


def test_it_knows_what_was_given() -> None:
    made = context("slice.max_sec=9")
    assert made.settings.slice.max_sec == 9
    assert (made.given("slice.max_sec"), made.given("slice.mono")) == (True, False)


def test_the_device_is_chosen_once_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    made = context("device=cpu")
    assert (made.device, made.device, made.reporter.device) == ("cpu", "cpu", "cpu")
    assert capsys.readouterr().err == "device: cpu (asked for)\n"


def test_a_result_is_text_or_a_document_with_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    context().result(Result(3), "three")
    assert capsys.readouterr().out == "three\n"
    machine = context(json=True)
    machine.reporter.emit(Skipped("a.wav", "is silent"))
    machine.result(Result(3), "three")
    assert json.loads(capsys.readouterr().out) == {"count": 3, "skipped": [{"item": "a.wav", "reason": "is silent"}]}


def test_languages_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(LANGUAGES), "problems", (TextError("xx is broken", hint="mend it"),))
    context().warn_of_unusable_languages()
    assert capsys.readouterr().err == "warning: xx is broken\nhint: mend it\n"
