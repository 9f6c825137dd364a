from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovits_cli.config import edit, fields, files, layers
from sovits_cli.errors import SettingsError
from tests.differences import every_case

COMMENTED = """\
# the first line
device: cpu   # a short one

slice:
  # about the limit
  max_sec: 30.0  # seconds
  # about the channels
  mono: true
# between sections

train:
    epochs: 3
    # the last line
"""

SET = [
    ("", "slice.max_sec", 30, "slice:\n  max_sec: 30\n"),
    ("# c\n", "device", "cpu", "# c\ndevice: cpu\n"),
    ("a: 1", "device", "cpu", "a: 1\ndevice: cpu\n"),
    ("slice: {max_sec: 3, mono: true}\n", "slice.max_sec", 4, "slice: {max_sec: 4, mono: true}\n"),
    ("slice: {max_sec: 3}  # c\n", "slice.mono", True, "slice: {max_sec: 3, mono: true}  # c\n"),
    ("slice: {}\n", "slice.mono", True, "slice: {mono: true}\n"),
    ("sovits: {a: 1}\n", "sovits.train.eps", 1e-9, "sovits: {a: 1, train: {eps: 1e-09}}\n"),
    ("slice:\n# c\ntrain:\n", "slice.mono", True, "slice:\n  mono: true\n# c\ntrain:\n"),
    ("slice:  # c\ntrain:\n", "slice.mono", True, "slice:  # c\n  mono: true\ntrain:\n"),
    ("slice:", "slice.mono", True, "slice:\n  mono: true\n"),
    ("slice:\n  rate:\n", "slice.rate", 8000, "slice:\n  rate: 8000\n"),
    ("slice:\n  rate: 8000 # c\n", "slice.rate", None, "slice:\n  rate: null # c\n"),
    ("slice:\n    mono: true\n\n\nx: 1\n", "slice.rate", 9000, "slice:\n    mono: true\n    rate: 9000\n\n\nx: 1\n"),
    ("x:\n  y:\n    - 1\n    - 2\n\n# c\nz: 1\n", "x.y", [3], "x:\n  y:\n    [3]\n\n# c\nz: 1\n"),
    ("x:\n  y: 1\n", "x.z.w", "a b", "x:\n  y: 1\n  z:\n    w: a b\n"),
]


@every_case(("text", "key", "value", "result"), SET)
def test_set(text: str, key: str, value: object, result: str) -> None:
    assert edit.set_value(text, key, value, "f.yaml") == result


UNSET = [
    ("slice:\n  # c\n  mono: true\n  # d\n  rate: 1\n", "slice.mono", "slice:\n  # c\n  # d\n  rate: 1\n"),
    ("slice:\n  mono: true\n  # d\ntrain:\n  epochs: 1\n", "slice.mono", "slice:\n  # d\ntrain:\n  epochs: 1\n"),
    ("slice: {max_sec: 3, mono: true}\n", "slice.max_sec", "slice: {mono: true}\n"),
    ("slice: {max_sec: 3, mono: true}\n", "slice.mono", "slice: {max_sec: 3}\n"),
    ("slice: {mono: true}\n", "slice.mono", "slice: {}\n"),
    ("x:\n  y:\n  - 1\n  - 2\n\n# c\nz: 1\n", "x.y", "x:\n\n# c\nz: 1\n"),
    ("device: cpu", "device", ""),
]


@every_case(("text", "key", "result"), UNSET)
def test_unset(text: str, key: str, result: str) -> None:
    assert edit.unset_value(text, key, "f.yaml") == result


@every_case(
    ("text", "key"), [("", "device"), ("device: cpu\n", "slice.mono"), ("slice:\n  mono: true\n", "slice.rate")]
)
def test_unset_of_what_is_not_there(text: str, key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key} is not set in f.yaml"):
        edit.unset_value(text, key, "f.yaml")


@every_case("text", ["a: [1\n", "- 1\n", "a: 1\na: 2\n"])
def test_a_broken_file_is_not_touched(text: str) -> None:
    with pytest.raises(SettingsError, match=r"f\.yaml"):
        edit.set_value(text, "device", "cpu", "f.yaml")


@every_case("text", ["base: &base {mono: true}\nslice: *base\n", "slice:\n  exp: |\n    a\n    b\n...\n"])
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="cannot be changed in the way this file is written"):
        edit.set_value(text, "slice.rate" if "base" in text else "device", 8000, "f.yaml")


VALUES = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8) | st.lists(st.integers(0, 9))


@given(st.lists(st.tuples(st.sampled_from(list(fields.table())), VALUES | st.just("unset")), max_size=6))
def test_any_row_of_changes_keeps_comments_and_says_what_was_said(changes: list[tuple[str, object]]) -> None:
    text = COMMENTED
    said: dict[str, object] = {"device": "cpu", "slice.max_sec": 30.0, "slice.mono": True, "train.epochs": 3}
    for key, value in changes:
        if value != "unset":
            text, said[key] = edit.set_value(text, key, value, "f"), value
        elif key in said:
            text = edit.unset_value(text, key, "f")
            del said[key]
    found = {entry.key: entry.value for entry in files.entries(text, "f")}
    assert {key: found[key] for key in said} == said
    assert set(found) - set(said) <= set(fields.sections())
    for line in COMMENTED.splitlines():
        if line.lstrip().startswith("#"):
            assert line in text.splitlines()


def test_as_written_it_says_nothing() -> None:
    entries = files.entries(edit.commented_settings(), "sovits.yaml")
    assert all(entry.value is None and entry.key in fields.sections() for entry in entries)


def test_every_key_is_there_with_its_help_and_its_default() -> None:
    """Taking every # away before a `key: value` gives exactly the defaults."""
    names = {key.rpartition(".")[2] for key in fields.table()}
    text = re.sub(rf"(?m)^( *)# ({'|'.join(names)}): (?!.*\()", r"\1\2: ", edit.commented_settings())
    entries = files.entries(text, "sovits.yaml")
    said = layers.layer_of(entries, "sovits.yaml")
    assert list(said) == list(fields.table())
    assert layers.build([said]).settings == layers.build([]).settings


def test_no_line_is_too_long() -> None:
    assert max(map(len, edit.commented_settings().splitlines())) <= 120
