"""First calls of front ends and dictionaries, by many threads at once."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sovits_cli.text
from sovits_cli.text import resources as signs
from sovits_cli.text.resources import once
from tests.differences import every_case

THREADS = 8

AT_ONCE = """
import random, sys, threading
from sovits_cli.text import reading, split
from sovits_cli.versions import SymbolTable

TEXTS = {
    "en": "Close the door and read 3 zorbifax books.",
    "zh": "今天天气不错，我有3个苹果和一支红桃K。",
    "ja": "今日は何を3つ食べましたか。",
    "ko": "같이 갈 사람은 3명입니다.",
    "yue": "我哋今日食咗3碗飯。",
}
jobs = [*TEXTS] * int(sys.argv[2])
random.Random(int(sys.argv[1])).shuffle(jobs)
barrier = threading.Barrier(len(jobs))
found = []

def work(lang):
    barrier.wait()
    try:
        cut = split.split_sentences(TEXTS[lang], lang)
        phones = [reading.read_text(piece.text, lang, SymbolTable.V2).phones for piece in cut]
        found.append((lang, *sum(phones, [])))
    except BaseException as error:
        found.append((lang, repr(error)))

threads = [threading.Thread(target=work, args=(lang,)) for lang in jobs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for lang in TEXTS:
    again = (lang, *(phone for piece in split.split_sentences(TEXTS[lang], lang)
                     for phone in reading.read_text(piece.text, lang, SymbolTable.V2).phones))
    mine = [each for each in found if each[0] == lang]
    assert mine == [again] * int(sys.argv[2]), (again, mine)
print("all the same")
"""

IMPORTED = """
import importlib, pkgutil
from sovits_cli.text import resources

def refuse(self, *args, **kwargs):
    raise AssertionError(f"{self.__name__} is asked for at import")

resources.once.__call__ = refuse
import sovits_cli.text
for module in pkgutil.iter_modules(sovits_cli.text.__path__, "sovits_cli.text."):
    importlib.import_module(module.name)
print("nothing made")
"""


def run(code: str, *args: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_languages_at_once_in_a_fresh_process():
    assert run(AT_ONCE, 1, 4) == "all the same\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_all_languages_at_once_again_and_again(seed):
    assert run(AT_ONCE, seed, 8) == "all the same\n"


def test_nothing_is_made_at_import():
    assert run(IMPORTED) == "nothing made\n"


def test_what_many_ask_for_is_made_once():
    made: list[object] = []
    asked = threading.Barrier(THREADS)
    found: list[object] = []

    @once
    def thing(name: str) -> object:
        """A thing."""
        made.append(name)
        threading.Event().wait(0.05)
        return object()

    def ask() -> None:
        asked.wait(timeout=30)
        found.append(thing("a"))

    threads = [threading.Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert made == ["a"]
    assert len(found) == THREADS
    assert len(set(map(id, found))) == 1
    assert thing("b") is not thing("a")
    assert (thing.__name__, thing.__doc__) == ("thing", "A thing.")
    thing.cache_clear()
    assert thing("a") is not found[0]


def test_what_fails_is_tried_again_and_one_may_ask_for_another():
    tries: list[int] = []

    @once
    def inner() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return 3

    @once
    def outer() -> int:
        return inner() + 1

    with pytest.raises(OSError, match="not yet"):
        outer()
    assert outer() == 4


def test_every_first_call_goes_through_it():
    """`cache` and `cached_property` make things in every thread that comes early; `global` needs a lock of its own."""
    for path in sorted(Path(sovits_cli.text.__path__[0]).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        lazy = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.args.args]
        marks = [ast.unparse(mark) for node in lazy for mark in node.decorator_list]
        assert not any(mark.startswith(("lru_cache", "functools")) for mark in marks), path
        assert path.stem == "resources" or not named & {"cache", "cached_property"}, path
        assert not any(isinstance(node, ast.Global) for node in ast.walk(tree)), path


@every_case(("written", "plain"), [("1,200.50", "1200.5"), ("25.00", "25"), ("100", "100"), ("3.14", "3.14")])
def test_amounts(written, plain):
    assert signs.amount(written) == plain


@every_case(("written", "plain"), [("1,000,000", "1000000"), ("1,00", "1,00"), ("1,2345", "1,2345")])
def test_thousands_are_joined_and_lists_are_not(written, plain):
    assert signs.ungrouped(written) == plain


@every_case(
    ("written", "parts"),
    [("09:05:07", ("9", "5", "7")), ("10:00", ("10", None, None)), ("10:00:30", ("10", "0", "30"))],
)
def test_clock(written, parts):
    assert signs.clock(signs.TIME.fullmatch(written)) == parts


def test_the_longest_unit_wins():
    pattern = signs.unit_pattern(["m", "mm"])
    assert pattern.search("5mm2").groups() == ("mm", "2")
    assert pattern.search("5 miles") is None
