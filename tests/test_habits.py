"""The habits of the house: names, sizes, comments, and a README that agrees with the tree.

Each rule lists what breaks it. `LEFT` says how many of a rule a room still may have: numbers that only ever shrink.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import source
from tests.differences import differences
from tests.source import FILES, PACKAGE, ROOT, Function, length, name, room, tree

MAX_MODULES = 180
MAX_LINES, MIN_LINES = 500, 40

SHORT = {
    "__main__.py": "python -m sovits_cli",
}
"""File under 40 lines -> why it is one."""

TWICE = {
    "word_phones": "a hook: the row of each language names its own",
}
"""Public class defined in two modules, or function in more -> why."""

NOT_OURS = {
    "adrift": "penalty",
    "badness": "penalty",
    "calendar": "TrainerConfig",
    "chapter": "CurriculumPhase",
    "doubt": "penalty, verdict",
    "heard": "tokens, content features, or what is listened to",
    "heed": "mask",
    "judge": "discriminator, check",
    "judges": "discriminators",
    "manner": "options",
    "narrowed": "filter_top_k_top_p",
    "penalised": "apply_repetition_penalty",
    "player": "OptimizedModule",
    "players": "modules",
    "places": "positions, frames, tokens",
    "risen": "phase",
    "said": "tokens, text, spoken",
    "spoiled": "invalid",
    "timbre": "speaker_style, reference",
    "told": "reported, given",
    "tongue": "language",
    "tongues": "language_support",
    "wish": "requested",
}
"""A word that no identifier holds -> what to write instead."""

FLAG = re.compile(r"(?<![\w-])--[a-z]|\bsovits (?:slice|prep|train|infer|config|models)\b")

OFFICIAL = {
    f"text/{stem}.py"
    for stem in (
        "cantonese",
        "chinese",
        "chinese2",
        "cleaner",
        "english",
        "japanese",
        "korean",
        "symbols2",
        "tone_sandhi",
    )
} | {
    "text/LangSegmenter/langsegmenter.py",
    "text/en_normalization/expend.py",
    "text/zh_normalization/num.py",
    "text/zh_normalization/text_normlization.py",
}
"""Files of the official program whose folder is called as a room of ours."""

MIN_COMMENTS_PER_100 = {
    "audio": 6.6,
    "checkpoints": 2.8,
    "cli": 1.4,
    "config": 1.9,
    "data": 3.1,
    "errors.py": 0.7,
    "features": 4.8,
    "files.py": 2.5,
    "inference": 3.5,
    "locks.py": 1.3,
    "memory.py": 0.5,
    "models": 3.7,
    "prep": 2.7,
    "report": 1.9,
    "text": 3.4,
    "training": 1.1,
    "versions.py": 1.9,
}
"""Room -> comment lines in a hundred lines, at least."""

LEFT: dict[str, dict[str, int]] = {"without_a_test_of_its_own": {"text": 1, "training": 4}}
"""Rule -> room -> how many it still has."""

Finding = tuple[str, str]
"""Room, and what breaks the rule there."""


def outside_500_and_40_lines() -> Iterator[Finding]:
    """A file is one idea: neither a hall nor a cupboard."""
    for path in FILES:
        lines = length(path)
        if lines > MAX_LINES or (lines < MIN_LINES and path.name != "__init__.py" and name(path) not in SHORT):
            yield room(path), f"{name(path)}: {lines} lines"


def one_name_for_two_things() -> Iterator[Finding]:
    """A public class has a name of its own; a public function may share its name with one other."""
    kinds: list[tuple[type | tuple[type, ...], int]] = [(ast.ClassDef, 1), ((ast.FunctionDef, ast.AsyncFunctionDef), 2)]
    for kind, most in kinds:
        places = defaultdict(list)
        for path in FILES:
            for node in source.public(path, kind):
                places[node.name].append(path)
        for called, paths in places.items():
            if len(paths) > most and called not in TWICE:
                yield "sovits_cli", f"{called}: {', '.join(map(name, paths))}"


def private_words() -> Iterator[Finding]:
    """The field's words, not ours."""
    for path in FILES:
        for identifier in sorted(source.identifiers(path)):
            for word in source.words(identifier) & NOT_OURS.keys():
                yield room(path), f"{name(path)}: {identifier} ({NOT_OURS[word]})"


def flags_below_the_command_line() -> Iterator[Finding]:
    """An error carries a code and fields; the command line alone says what to type."""
    for path in FILES:
        if room(path) not in {"cli", "report"} and name(path) != "config/aliases.py":  # old flags and new
            yield from ((room(path), f"{name(path)}: {text}") for text in source.strings(path) if FLAG.search(text))


def many_parameters_without_a_word() -> Iterator[Finding]:
    """A public function of four parameters or more describes them."""
    for path in FILES:
        for called, node, parameters in source.signatures(path):
            if len(parameters) >= 4 and "Args:" not in (ast.get_docstring(node) or "") and not is_command(node):
                yield room(path), f"{name(path)}: {called}"


def is_command(node: Function) -> bool:
    """Typer reads the help of each parameter from its annotation."""
    return any(
        "command" in ast.unparse(decorator) or "callback" in ast.unparse(decorator) for decorator in node.decorator_list
    )


def without_a_test_of_its_own() -> Iterator[Finding]:
    """a/b.py has tests/a/test_b.py; a/b/c.py has tests/a/b/test_c.py, tests/a/test_b_c.py or tests/a/test_c.py."""
    tests = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    for path in FILES:
        *folders, stem = path.relative_to(PACKAGE).with_suffix("").parts
        own = {
            "/".join([*folders[:keep], "test_" + "_".join([*folders[keep:], stem][-count:])]) + ".py"
            for keep in range(len(folders) + 1)
            for count in range(1, len(folders) - keep + 2)
        }
        if has_logic(path) and not own & tests:
            yield room(path), name(path)


def has_logic(path: Path) -> bool:
    """A file that decides something: it branches or loops in three places or more."""
    branches = ast.If | ast.For | ast.While | ast.comprehension | ast.IfExp
    return not path.stem.startswith("__") and sum(isinstance(node, branches) for node in ast.walk(tree(path))) >= 3


RULES: tuple[Callable[[], Iterator[Finding]], ...] = (
    outside_500_and_40_lines,
    one_name_for_two_things,
    private_words,
    flags_below_the_command_line,
    many_parameters_without_a_word,
    without_a_test_of_its_own,
)


def broken() -> dict[str, dict[str, list[str]]]:
    """Rule -> room -> what breaks the rule there."""
    found: dict[str, dict[str, list[str]]] = {}
    for rule in RULES:
        rooms = found[rule.__name__] = defaultdict(list)
        for where, what in rule():
            rooms[where].append(what)
    return found


def test_the_habits_of_the_house() -> None:
    with differences(max_lines=100) as compare:
        for rule, rooms in broken().items():
            for where in rooms.keys() | LEFT.get(rule, {}).keys() | {"sovits_cli"}:
                allowed = LEFT.get(rule, {}).get(where, 0)
                with compare(f"{rule}, {where}"):
                    listed = "\n".join(sorted(rooms[where]))
                    assert len(rooms[where]) <= allowed, f"{len(rooms[where])} instead of {allowed}\n{listed}"


def test_fewer_doors() -> None:
    assert len([path for path in FILES if path.name != "__init__.py"]) <= MAX_MODULES


def comments_per_100() -> dict[str, float]:
    """Room -> comments in a hundred lines."""
    lines: dict[str, int] = defaultdict(int)
    found: dict[str, int] = defaultdict(int)
    for path in FILES:
        lines[room(path)] += length(path)
        found[room(path)] += len(source.comments(path))
    return {where: 100 * found[where] / lines[where] for where in lines if lines[where]}


def test_comments_stand_where_a_reader_stops() -> None:
    got = comments_per_100()
    assert {where: round(got[where], 2) for where, least in MIN_COMMENTS_PER_100.items() if got[where] < least} == {}


def test_the_readme_draws_the_tree_that_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    drawing = re.search(r"^sovits_cli/\n((?:  .*\n)+)", readme, re.MULTILINE)
    assert drawing, "no tree in the README"
    rooms = set(re.findall(r"^  (\w+)/", drawing[1], re.MULTILINE))
    assert rooms == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    for written in re.findall(r"[\w/]+\.(?:py|txt|md)\b", drawing[1]):
        assert list(PACKAGE.rglob(written)), f"{written} is in the README's tree, and nowhere else"


def test_paths_in_sentences_lead_somewhere() -> None:
    """A file of ours that a comment, a docstring or the README names is there."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"sovits_cli", "tests", "configs"}
    lost = []
    for path in [*FILES, *(ROOT / "tests").rglob("*.py"), ROOT / "README.md"]:
        for written in re.findall(r"`([a-z_]+/[\w/]+\.(?:py|yaml|txt|md))`", source.text(path)):
            is_ours = written.partition("/")[0] in rooms and written not in OFFICIAL
            if is_ours and not (PACKAGE / written).exists() and not (ROOT / written).exists():
                lost.append(f"{path.relative_to(ROOT)}: {written}")
    assert not lost, "\n".join(lost)
