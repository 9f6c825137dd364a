"""Sentences and odd fragments of each language against the recorded results of the official program (`compat=True`)."""

from itertools import groupby

import pytest

from sovits_cli.text import en
from sovits_cli.text.en_homographs import Choice
from tests.differences import differences
from tests.parity import golden, texts
from tests.parity.differences import CRASHES, DICTIONARY, GUESSED, GUESSED_SENTENCES

ITEMS = list(texts.items())
_CHOICES = {"phones_all_first": Choice.FIRST, "phones_all_second": Choice.SECOND}
_OPEN = {GUESSED: ["norm"], DICTIONARY: ["norm", "marks"]}
"""Reason of a difference -> what is the same in spite of it."""


def group(item):
    return item.lang, item.kind, item.table.value


GROUPS = {name: list(items) for name, items in groupby(sorted(ITEMS, key=group), key=group)}
"""Language, kind and symbol table -> its items."""


@pytest.fixture(autouse=True)
def as_recorded(monkeypatch):
    """No onnxruntime, which pyopenjtalk-plus would ask how 何 is read."""
    if texts.IS_PLUS:
        monkeypatch.setattr("pyopenjtalk.yomi_model.nani_predict.enc_session", None)


@pytest.mark.parametrize("name", GROUPS, ids="-".join)
def test_text(name):
    if texts.missing(name[0]):
        pytest.skip(f"no sovits[{name[0]}]")
    with differences() as compare:
        for item in GROUPS[name]:
            with compare(item.key):
                same(item)


def same(item):
    got, want, reason = texts.read(item), texts.recorded(item), texts.why(item)
    if reason in CRASHES.values():
        assert "fails" not in got, f"{item.text} fails as well now: take it out of the table"
    elif reason:
        assert {key: got[key] for key in _OPEN[reason]} == {key: want[key] for key in _OPEN[reason]}
    else:
        assert got == want


@pytest.mark.skipif(not any(_CHOICES.keys() & item.want.keys() for item in ITEMS), reason="none were recorded")
def test_homographs():
    with differences() as compare:
        for item in ITEMS:
            for key in _CHOICES.keys() & item.want.keys():
                with compare(f"{item.key}, {key}"):
                    got = en.official_phones(item.want["norm"], choice=_CHOICES[key])
                    assert got == item.want[key]


@pytest.mark.skipif(not golden.is_ours(), reason="another folder has other words")
def test_guessed_words():
    different = {
        item.want["id"] for item in ITEMS if texts.why(item) == GUESSED and texts.read(item) != texts.recorded(item)
    }
    assert different == GUESSED_SENTENCES.keys()
