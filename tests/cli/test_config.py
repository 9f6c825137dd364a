"""`sovits config`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sovits_cli.config import fields, layers
from tests.cli.conftest import Sovits
from tests.differences import every_case

Told = Callable[..., tuple[int, list[str]]]
Answer = Callable[..., Any]

PROJECT = Path("sovits.yaml")


def test_show_gives_every_value_and_its_origin(sovits: Sovits, answer: Answer) -> None:
    PROJECT.write_text("# mine\nslice:\n  max_sec: 9\n", encoding="utf-8")
    lines = sovits("config", "show").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(fields.table())
    assert "slice.max_sec 9.0 project file sovits.yaml:3" in [" ".join(line.split()) for line in lines]
    assert answer("config", "show")["device"] == {"value": "auto", "origin": "default"}


def test_show_of_a_key_and_of_a_section(sovits: Sovits, answer: Answer) -> None:
    assert sovits("config", "show", "slice.max_sec").stdout == "slice.max_sec  54.0  default\n"
    assert sovits("config", "show", "slice.max_sec", "--no-origin").stdout == "slice.max_sec  54.0\n"
    assert list(answer("config", "show", "sovits.data", "--no-origin")) == [
        key for key in fields.table() if key.startswith("sovits.data.")
    ]


@every_case(
    ("args", "origin"),
    [
        (["--set", "slice.max_sec=9"], "--set slice.max_sec=9"),
        (["--config", "c.yaml"], "--config c.yaml:1"),
    ],
)
def test_show_knows_what_the_call_itself_says(answer: Answer, args: list[str], origin: str) -> None:
    Path("c.yaml").write_text("slice: {max_sec: 9}", encoding="utf-8")
    assert answer("config", "show", "slice.max_sec", *args) == {"slice.max_sec": {"value": 9.0, "origin": origin}}


@every_case(
    ("key", "text", "value"),
    [
        ("slice.max_sec", "54.0", 54.0),
        ("slice.out", "slices", "slices"),
        ("slice.mono", "false", False),
        ("slice.rate", "", None),
        ("train.precision", "16-mixed", "16-mixed"),
        ("sovits.train.betas", "[0.8, 0.99]", [0.8, 0.99]),
    ],
)
def test_get_gives_the_value_and_nothing_else(
    sovits: Sovits, answer: Answer, key: str, text: str, value: object
) -> None:
    assert sovits("config", "get", key).stdout == (text + "\n" if text else "")
    assert answer("config", "get", key) == value


def test_set_and_unset_keep_comments_and_print_the_change(sovits: Sovits) -> None:
    PROJECT.write_text("# mine\nslice:\n  mono: true  # one\n# end\n", encoding="utf-8")
    assert sovits("config", "set", "slice.max_sec", "30").stdout == "slice.max_sec: not set -> 30 (sovits.yaml)\n"
    assert PROJECT.read_text() == "# mine\nslice:\n  mono: true  # one\n  max_sec: 30\n# end\n"
    assert sovits("config", "unset", "slice.max_sec").stdout == "slice.max_sec: 30 -> not set (sovits.yaml)\n"
    assert PROJECT.read_text() == "# mine\nslice:\n  mono: true  # one\n# end\n"


def test_a_negative_number_is_a_value(sovits: Sovits, answer: Answer) -> None:
    assert sovits("config", "set", "slice.threshold", "-40.5", "--quiet").exit_code == 0
    assert answer("config", "get", "slice.threshold") == -40.5
    assert answer("config", "get", "slice.threshold", "--set", "slice.threshold=-1") == -1


def test_set_in_the_user_file(answer: Answer) -> None:
    change = answer("config", "set", "device", "cpu", "--user")
    assert change == {"key": "device", "old": None, "new": "cpu", "file": str(layers.user_file())}
    assert layers.user_file().read_text() == "device: cpu\n"
    assert not PROJECT.exists()


def test_set_says_when_something_else_overrides(sovits: Sovits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOVITS_DEVICE", "cpu")
    result = sovits("config", "set", "device", "auto")
    assert result.stderr == "warning: device is still cpu: variable SOVITS_DEVICE overrides sovits.yaml\n"
    sovits("config", "unset", "device")
    monkeypatch.delenv("SOVITS_DEVICE")
    sovits("config", "set", "device", "cuda")
    result = sovits("config", "set", "device", "cpu", "--user")
    assert result.stderr.startswith("warning: device is still cuda: project file sovits.yaml:1 overrides ")


@every_case(
    ("args", "words"),
    [
        (["set", "slice.max_secs", "3"], "unknown setting slice.max_secs"),
        (["set", "slice", "3"], "slice is a section"),
        (["set", "slice.max_sec", "abc"], "slice.max_sec is abc"),
        (["set", "slice.max_sec", "-1"], "slice.max_sec is -1"),
        (["set", "slice.max_sec", "3", "--usr"], "got unexpected extra argument (--usr)"),
        (["set", "data.min_sec", "54"], "data.min_sec (54.0) must be under data.max_sec (54.0)"),
        (["set", "model.linear_units", "3"], "model.linear_units has no effect"),
        (["set", "device", "cpu", "--user", "--project"], "--user and --project exclude each other"),
        (["set", "device"], "missing argument"),
        (["unset", "slice.mono"], "slice.mono is not set in sovits.yaml"),
        (["get", "slice"], "slice is a section"),
        (["get", "slice.maxsec"], "unknown setting slice.maxsec"),
        (["show", "slcie"], "unknown setting slcie"),
        (["validate", "missing.yaml"], "missing.yaml: no such settings file"),
        (["sho"], "no such command 'sho'"),
    ],
)
def test_a_wrong_call_changes_nothing(told: Told, args: list[str], words: str) -> None:
    code, lines = told("config", *args)
    assert code == 2
    assert words in lines[0]
    assert len(lines) == 2
    assert not list(Path().iterdir())


def test_a_relation_across_the_file_is_checked_before_writing(told: Told) -> None:
    PROJECT.write_text("data: {max_sec: 10}\n", encoding="utf-8")
    code, lines = told("config", "set", "data.min_sec", "20")
    assert (code, lines[0]) == (2, "error: data.min_sec (20.0) must be under data.max_sec (10.0)")
    assert PROJECT.read_text() == "data: {max_sec: 10}\n"


def test_a_broken_project_file_is_named_and_left_alone(told: Told) -> None:
    PROJECT.write_text("slice: [\n", encoding="utf-8")
    code, lines = told("config", "set", "device", "cpu")
    assert (code, lines[0].startswith("error: sovits.yaml:2: not valid YAML")) == (2, True)
    assert PROJECT.read_text() == "slice: [\n"


def test_a_wrong_project_file_can_be_repaired(sovits: Sovits, told: Told) -> None:
    PROJECT.write_text("slice:\n  max_sec: abc\n  max_secs: 3\n", encoding="utf-8")
    assert told("config", "show")[0] == 2
    assert told("config", "set", "slice.max_sec", "30")[0] == 2
    assert sovits("config", "path").exit_code == 0
    assert sovits("config", "unset", "slice.max_secs").stdout == "slice.max_secs: 3 -> not set (sovits.yaml)\n"
    assert sovits("config", "set", "slice.max_sec", "30").stdout == "slice.max_sec: abc -> 30 (sovits.yaml)\n"
    assert sovits("config", "show").exit_code == 0


def test_a_folder_in_the_place_of_a_file(told: Told) -> None:
    PROJECT.mkdir()
    assert told("config", "show")[1][0] == "error: sovits.yaml: is a folder, expected a settings file"
    assert told("config", "set", "device", "cpu")[1][0] == "error: sovits.yaml: is a folder, expected a settings file"


def test_init_writes_a_file_that_changes_nothing(sovits: Sovits, answer: Answer) -> None:
    assert sovits("config", "init").exit_code == 0
    assert PROJECT.read_text().startswith("# Settings of sovits")
    assert all(said["origin"] == "default" for said in answer("config", "show").values())


def test_init_replaces_nothing_unless_forced(told: Told, sovits: Sovits) -> None:
    PROJECT.write_text("device: cpu\n", encoding="utf-8")
    assert told("config", "init") == (
        2,
        ["error: sovits.yaml is there already", "hint: sovits config init --force replaces it"],
    )
    assert PROJECT.read_text() == "device: cpu\n"
    assert sovits("config", "init", "--force").exit_code == 0
    assert PROJECT.read_text() != "device: cpu\n"


def test_set_after_init(sovits: Sovits, answer: Answer) -> None:
    sovits("config", "init")
    before = PROJECT.read_text().splitlines()
    sovits("config", "set", "sovits.train.c_mel", "40")
    assert answer("config", "get", "sovits.train.c_mel") == 40.0
    assert [line for line in PROJECT.read_text().splitlines() if line not in before] == ["    c_mel: 40"]


def test_validate(sovits: Sovits, answer: Answer, told: Told) -> None:
    good, bad = Path("good.yaml"), Path("bad.yaml")
    good.write_text("slice: {max_sec: 9}\nmodel: {linear_units: 2048}\n", encoding="utf-8")
    bad.write_text("slice:\n  max_sec: abc\n", encoding="utf-8")
    result = sovits("config", "validate", "good.yaml")
    assert (result.exit_code, result.stdout.startswith("good.yaml: ok, 1 of ")) == (0, True)
    assert "model.linear_units (file good.yaml:2) has no effect" in result.stderr
    document = answer("config", "validate", "good.yaml")
    assert (document["valid"], document["said"]) == (True, {"slice.max_sec": "file good.yaml:1"})
    assert told("config", "validate", "bad.yaml")[0] == 2
    assert sovits("config", "validate").exit_code == 0
    PROJECT.write_text("slcie: {max_sec: 9}\n", encoding="utf-8")
    assert told("config", "validate")[0] == 2


def test_path(answer: Answer) -> None:
    places = answer("config", "path")
    assert places["user_file"] == {"path": str(layers.user_file()), "exists": False}
    assert places["project_file"]["path"] == str(PROJECT.resolve())
    PROJECT.write_text("", encoding="utf-8")
    assert answer("config", "path")["project_file"]["exists"] is True


def test_an_old_key_is_shown_set_and_unset_by_the_new_one(sovits: Sovits) -> None:
    told = "data.held_out is now data.validation_split"
    PROJECT.write_text("data:\n  held_out: 0.1 # mine\n  max_sec: 9\n", encoding="utf-8")
    shown = sovits("config", "show", "data.held_out")
    assert shown.stdout == "data.validation_split  0.1  project file sovits.yaml:2\n"
    assert shown.stderr == f"{told} (project file sovits.yaml:2)\n{told}\n"
    assert sovits("config", "get", "data.held_out").stdout == "0.1\n"
    assert told in sovits("config", "validate", "sovits.yaml").stderr
    changed = sovits("config", "set", "data.held_out", "0.2")
    assert (changed.stdout, changed.stderr) == ("data.validation_split: 0.1 -> 0.2 (sovits.yaml)\n", f"{told}\n")
    assert PROJECT.read_text(encoding="utf-8") == "data:\n  max_sec: 9\n  validation_split: 0.2\n"
    PROJECT.write_text("data:\n  held_out: 0.1\n  max_sec: 9\n", encoding="utf-8")
    assert sovits("config", "unset", "data.validation_split").stdout.startswith("data.validation_split: 0.1 -> not set")
    assert PROJECT.read_text(encoding="utf-8") == "data:\n  max_sec: 9\n"
