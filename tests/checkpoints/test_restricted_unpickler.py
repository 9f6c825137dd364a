"""The unpickler that only makes data: what it refuses, and what reading may cost."""

from __future__ import annotations

import io
import pickle

import pytest

from sovits_cli.checkpoints.restricted_unpickler import (
    MAX_STEPS,
    AttributeDict,
    GlobalName,
    PickleBudget,
    RestrictedUnpickler,
    UnsafePickleError,
    printable,
)
from sovits_cli.checkpoints.torch_files import load_torch_file
from tests.checkpoints.hostile import PICKLES, all_are_refused, huge_memo_index, in_zip
from tests.differences import every_case


def test_hostile_pickles_are_refused(tmp_path):
    all_are_refused(PICKLES, tmp_path)


def load(body, allowed_globals=None, persistent=lambda saved: saved):
    return RestrictedUnpickler(allowed_globals or {}, persistent, PickleBudget.of(len(body))).load(io.BytesIO(body))


@every_case("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_is_read_in_every_protocol(protocol):
    shared = ["x"]
    data = {"a": [1, -2, 2**40, 2.5, None, True, "é"], "b": (1, (2, ())), "c": {}, "twice": (shared, shared)}
    got = load(pickle.dumps(data, protocol))
    assert got == data
    assert got["twice"][0] is got["twice"][1]


def test_a_global_is_a_name_until_it_is_called():
    body = b"cutils\nHParams\n."
    assert load(body, {"utils.HParams": None}) == GlobalName("utils.HParams")
    called = b"cutils\nHParams\n)\x81}X\x01\x00\x00\x00aK\x01sb."
    assert load(called, {"utils.HParams": AttributeDict}) == {"a": 1}
    for allowed in ({}, {"utils.HParams": None}):
        with pytest.raises(UnsafePickleError, match=r"asks to (run|call) utils\.HParams; a checkpoint is data"):
            load(called, allowed)


def test_a_persistent_id_is_the_callers():
    assert load(b"K\x07Q.", persistent=lambda saved: ("storage", saved)) == ("storage", 7)


def test_names_are_shown_short_and_without_control_characters():
    assert printable("a\x1b[2J" + "b" * 200) == "a?[2J" + "b" * 75


def test_a_memo_of_any_index_costs_nothing(tmp_path):
    path = tmp_path / "a.pth"
    huge_memo_index(path, None)
    assert load_torch_file(path) == {}


@every_case(
    "state",
    [{"__class__": "os.system", "__reduce__": 1, "train": {"x": 1}}, ("a", {"b": 1}), [1], "text"],
)
def test_poisoned_state_of_an_allowed_class_is_harmless(tmp_path, state):
    body = io.BytesIO()
    pickler = pickle._Pickler(body, protocol=2)
    pickler.write(b"\x80\x02cutils\nHParams\n)\x81")
    pickler.save(state)
    pickler.write(b"b.")
    path = tmp_path / "a.pth"
    in_zip(path, body.getvalue())
    got = load_torch_file(path)
    assert isinstance(got, dict)
    assert got == (state if isinstance(state, dict) else {})


def test_poisoned_state_of_an_ordered_dictionary_is_ignored(tmp_path):
    path = tmp_path / "a.pth"
    in_zip(path, b"\x80\x02ccollections\nOrderedDict\n)R}X\x06\x00\x00\x00updateK\x01sb.")
    assert load_torch_file(path) == {}


@every_case(
    ("body", "limit"),
    [(b"\x80\x04(" + b"}" * 9000 + b"l.", 20_000), (b"\x80\x04N.", 1_010)],
)
def test_a_pickle_has_steps_by_its_size(body, limit):
    budget = PickleBudget.of(len(body))
    before = budget.steps
    RestrictedUnpickler({}, lambda saved: saved, budget).load(io.BytesIO(body))
    assert before - budget.steps < limit
    assert PickleBudget.of(len(body)).steps == before <= 4 * len(body) + 1000
    assert PickleBudget.of(1 << 40).steps == MAX_STEPS
