"""The tree of the README: every file with a clause, the first sentence of its docstring. Run it to write it anew.

python -m tests.tools.readme_tree
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests import source

README = source.ROOT / "README.md"
BEGIN, END = "<!-- tree: python -m tests.tools.readme_tree -->\n", "<!-- end of the tree -->"
SHORTEST, WIDEST = 30, 100
"""Characters of a clause."""

OTHERS = {
    "configs/": "recipes: only what differs from the defaults; in the wheel under the package",
    "tests/": "the same tree; parity with the official program in `parity/`, and `benchmarks/`, `tools/`",
}


def clause(path: Path) -> str:
    """The first sentence of a module's docstring; of a long one what comes before a mark."""
    text = ast.get_docstring(source.tree(path)) or ""
    first = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<![.A-Z])(?<!et al)\.(?: |$)", first, maxsplit=1)[0]
    if len(sentence) <= WIDEST:
        return sentence
    for marks in ("[:;] ", ", | \\("):
        parts = [sentence[: found.start()].rstrip() for found in re.finditer(marks, sentence)]
        whole = [part for part in parts if SHORTEST <= len(part) <= WIDEST and part.count("(") == part.count(")")]
        if whole:
            return whole[-1]
    return sentence


def lines() -> Iterator[tuple[str, str]]:
    """What stands left and right in each line: a folder or a file, and its clause."""
    yield "sovits_cli/", ""
    folders: list[Path] = []
    for path in sorted(source.FILES, key=lambda path: (str(path.parent), path.name != "__init__.py", path.name)):
        depth = len(path.relative_to(source.PACKAGE).parts)
        if path.name != "__init__.py":
            yield f"{'  ' * depth}{path.name}", clause(path)
        elif depth > 1:
            folders.append(path.parent)
            yield f"{'  ' * (depth - 1)}{path.parent.name}/", clause(path)
    yield from OTHERS.items()


def drawn() -> str:
    """The tree as a block of the README."""
    return "```\n" + "".join(f"{left:<28}  {right}".rstrip() + "\n" for left, right in lines()) + "```\n"


def in_readme() -> str:
    """The tree that the README holds."""
    return README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{drawn()}{END}{rest.partition(END)[2]}", encoding="utf-8")
