"""The helper of the tables: nothing that differs goes unsaid, and an empty table is no success."""

import inspect
import os

import pytest

from tests.differences import differences, every_case


def outcome(test, **fixtures):
    """What a test ends with: its message, or an empty one."""
    try:
        test(**fixtures)
    except (AssertionError, pytest.fail.Exception, pytest.skip.Exception) as end:
        return type(end).__name__, str(end)
    return "passed", ""


def test_every_difference_is_listed():
    @every_case("number, wanted", [(1, 1), (2, 3), (4, 4), (5, 6)])
    def same(number, wanted):
        assert number == wanted

    kind, message = outcome(same)
    assert kind == "Failed"
    assert message.startswith("2 of 4 differ:\n  (2, 3): assert 2 == 3\n  (5, 6): assert 5 == 6")


def test_other_errors_are_differences_too():
    @every_case("key", ["a", "b", "c"], ids=lambda key: f"<{key}>")
    def found(key):
        with pytest.raises(KeyError):
            {"c": 1}[key]
        assert key == "a"

    assert outcome(found)[1].startswith("2 of 3 differ:\n  <b>: assert 'b' == 'a'")
    assert "<c>: DID NOT RAISE" in outcome(found)[1]
    assert "0: ZeroDivisionError: " in outcome(every_case("key", [0])(lambda key: 1 / key))[1]


def test_the_other_arguments_stay_fixtures():
    @every_case("value", [1, 2])
    def fits(value, tmp_path):
        assert value in tmp_path

    assert list(inspect.signature(fits).parameters) == ["tmp_path"]
    assert outcome(fits, tmp_path=[1, 2]) == ("passed", "")


def test_isolated_cases_have_folders_and_patches_of_their_own(tmp_path, monkeypatch):
    seen = []

    def case(value, tmp_path, monkeypatch):
        assert not list(tmp_path.iterdir())
        (tmp_path / "here").touch()
        monkeypatch.setenv("ISOLATED", str(value))
        seen.append(tmp_path)

    monkeypatch.setenv("ISOLATED", "before")
    ran = every_case("value", [1, 2], isolated=True)(case)
    assert outcome(ran, tmp_path=tmp_path, monkeypatch=monkeypatch) == ("passed", "")
    assert len({*seen, tmp_path}) == 3
    assert os.environ["ISOLATED"] == "before"


def test_skipped_cases_are_left_out_and_an_empty_table_fails():
    def odd(value):
        if value % 2 == 0:
            pytest.skip("even")

    assert outcome(every_case("value", [1, 2])(odd)) == ("passed", "")
    assert outcome(every_case("value", [2, 4])(odd)) == ("Skipped", "2: even")
    assert outcome(every_case("value", [])(odd)) == ("AssertionError", "nothing was compared")


def test_a_long_message_is_cut():
    with pytest.raises(pytest.fail.Exception, match="12 lines more"), differences(3) as compare, compare("long"):
        raise AssertionError("\n".join("x" * 15))
