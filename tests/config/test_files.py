from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovits_cli.config import files
from sovits_cli.errors import SettingsError
from tests.differences import every_case


def values(text: str) -> dict[str, object]:
    return {entry.key: entry.value for entry in files.entries(text, "f.yaml")}


@every_case(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("10:54", "10:54"),
        ("1e-4", 1e-4),
        ("-34", -34),
        ("0x10", "0x10"),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.inf", float("-inf")),
        ("true", True),
        ("~", None),
        ("null", None),
        ("'null'", "null"),
        ("2024-01-01", "2024-01-01"),
        ("[1, [2.5, x]]", [1, [2.5, "x"]]),
        ("", ""),
        ("{a: 1}", "{a: 1}"),
        ("a: b: c", "a: b: c"),
        ("!!python/name:os.system", "!!python/name:os.system"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert files.scalar(text) == value


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text())
def test_what_is_rendered_reads_back(value: object) -> None:
    text = files.render(value)
    if value in (float("inf"), float("-inf")):
        return
    assert "\n" not in text
    assert values(f"key: {text}\n") == {"key": value}


def test_entries_carry_dotted_keys_and_lines() -> None:
    found = files.entries("a: 1\n\nb:\n  # why\n  c: [1, 2]\n  d: {e: x}\n", "f.yaml")
    assert [(entry.key, entry.value, entry.line) for entry in found] == [
        ("a", 1, 1),
        ("b.c", [1, 2], 5),
        ("b.d.e", "x", 6),
    ]


@every_case("text", ["", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_says_nothing(text: str) -> None:
    assert files.entries(text, "f.yaml") == []


ALIASES = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@every_case(
    ("text", "words"),
    [
        ("a: [1\n", "f.yaml:2: not valid YAML"),
        ("a: 1\n\tb: 2\n", "f.yaml:2: not valid YAML"),
        ("a: 1\na: 2\n", "f.yaml:2: a is there twice, first on line 1"),
        ("- 1\n", "f.yaml:1: expected `key: value` lines"),
        ("just text\n", "f.yaml:1: expected `key: value` lines"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "f.yaml:2"),
        ("a: !!python/name:os.system\n", "f.yaml:1: the tag"),
        ("? [1, 2]\n: 3\n", "f.yaml:1: expected a plain key"),
        ("a: [{b: 1}]\n", "f.yaml:1: expected a value, found a section"),
        ("a: &x\n  b: *x\n", "an alias holds itself"),
        (ALIASES, "more than 20000 values"),
        ("a: " + "1" * 5000, "f.yaml:1: not a number that fits"),
        ("[" * 3000, "f.yaml:1: not valid YAML"),
        ("a: \x00", "f.yaml: not valid YAML"),
    ],
)
def test_what_is_not_settings_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        values(text)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_official_json_may_be_indented_with_tabs(tmp_path: Path) -> None:
    path = tmp_path / "s2.json"
    path.write_text('{\n\t"a": {\n\t\t"b": 1e-9,\n\t\t"c": "x\\u00e9"}}\n', encoding="utf-8")
    assert [(entry.key, entry.value, entry.line) for entry in files.read_settings(path)] == [
        ("a.b", 1e-9, 3),
        ("a.c", "xé", 4),
    ]


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert [entry.key for entry in files.read_settings(path)] == ["a"]


@every_case(
    ("content", "words"),
    [
        (None, "no such settings file"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"#" * (files.MAX_BYTES + 1), "larger than 1 MiB"),
        ("folder", "is a folder"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, content: bytes | str | None, words: str) -> None:
    path = tmp_path / f"{words[:6]}.yaml"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=words) as caught:
        files.read_settings(path)
    assert str(path) in caught.value.message


@every_case("opening", ["[", "{", "[{a: "])
def test_brackets_without_end_are_refused_at_once(opening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each token of PyYAML costs as much as there are open brackets, so none may be looked at past the limit."""
    fetched = 0
    fetch = files._Loader.fetch_more_tokens

    def counted(loader: Any) -> Any:
        nonlocal fetched
        fetched += 1
        return fetch(loader)

    monkeypatch.setattr(files._Loader, "fetch_more_tokens", counted)
    with pytest.raises(SettingsError, match=r"f\.yaml:1: not valid YAML: more than 20 brackets within each other"):
        files.entries("a: " + opening * 100_000, "f.yaml")
    assert files.scalar(opening * 100_000) == opening * 100_000
    assert fetched < 300


def test_brackets_within_reason_are_read() -> None:
    deep = "[" * 19 + "1" + "]" * 19
    assert values(f"a: {deep}") == {"a": json.loads(deep)}


def test_a_list_in_a_list_a_thousand_times_is_text_where_a_value_is_typed() -> None:
    text = "- " * 5000
    assert files.scalar(text) == text
    with pytest.raises(SettingsError, match="not valid YAML"):
        files.entries("a:\n  " + text, "f.yaml")
