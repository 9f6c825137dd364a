"""The project's own files, parsed once: what the tests of the tree and of the habits look at."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sovits_cli"
FILES = sorted(PACKAGE.rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    """A file as it is called inside the package: "audio/mel.py"."""
    return path.relative_to(PACKAGE).as_posix()


def room(path: Path) -> str:
    """The folder at the top of the package that a file is in, or the file itself."""
    return name(path).partition("/")[0]


def module(path: Path) -> str:
    """The dotted name that a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


def imported_at_once(path: Path) -> Iterator[str]:
    """Names of modules that importing this file imports; blocks for type checkers do not count."""
    todo: list[ast.AST] = list(tree(path).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))


def calls(path: Path) -> Iterator[str]:
    """Dotted names of everything called in a file, as written: "sys.exit", "print"."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def public(path: Path, kinds: type | tuple[type, ...]) -> list[ast.ClassDef | Function]:
    """What a module defines at its top under a public name, of the given kinds of syntax."""
    return [node for node in tree(path).body if isinstance(node, kinds) and not node.name.startswith("_")]


def signatures(path: Path) -> Iterator[tuple[str, Function, list[str]]]:
    """Every public function, and method of a public class, with the names of its parameters but `self`."""
    for owner in [tree(path), *public(path, ast.ClassDef)]:
        for node in owner.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                listed = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                prefix = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
                yield prefix + node.name, node, [item.arg for item in listed if item.arg not in {"self", "cls"}]


def identifiers(path: Path) -> set[str]:
    """Every name that code uses or defines: of variables, attributes, arguments, functions, classes and the file."""
    found = {path.stem}
    for node in ast.walk(tree(path)):
        found |= {value for key in ("name", "id", "arg", "attr") if isinstance(value := getattr(node, key, None), str)}
    return found


def words(identifier: str) -> set[str]:
    """The words of an identifier in snake or camel case, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}


def docstrings(path: Path) -> set[int]:
    """The `id` of every string node that is a statement of its own: a docstring, or a note below a constant."""
    return {
        id(node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def strings(path: Path) -> Iterator[str]:
    """Every constant text but docstrings."""
    left_out = docstrings(path)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def comments(path: Path) -> list[str]:
    """Comments for readers; those for tools (noqa, type, fmt) are none."""
    found = tokenize.generate_tokens(io.StringIO(text(path)).readline)
    written = [token.string for token in found if token.type == tokenize.COMMENT]
    return [line for line in written if not re.match(r"#\s*(noqa|type:|fmt:|!)", line)]


def length(path: Path) -> int:
    return len(text(path).splitlines())


def packages(path: Path) -> set[str]:
    """The top packages that a file imports anywhere, ours and those of the standard library left out."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names - {"sovits_cli", "__future__"}
