"""Every shipped recipe, and that every setting is read by somebody."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sovits_cli import paths
from sovits_cli.config import fields, files, layers
from tests.differences import every_case

RECIPES = sorted(paths.configs_dir().glob("*.yaml"))
PACKAGE = paths.package_dir()


@every_case("path", RECIPES, ids=lambda path: path.name)
def test_a_recipe_is_valid(path: Path) -> None:
    resolved = layers.load_settings_file(path)
    assert any(origin != layers.DEFAULT for origin in resolved.origin.values())
    assert not resolved.notes


@every_case("path", RECIPES, ids=lambda path: path.name)
def test_a_recipe_begins_by_saying_what_it_is_for(path: Path) -> None:
    assert files.read_text(path).startswith("# ")


@pytest.fixture(scope="module")
def names_read() -> set[str]:
    """Every attribute, field and text used in the package outside the schema."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent == PACKAGE / "config":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value.rpartition(".")[2])
    return found


def test_nothing_is_accepted_and_ignored(names_read: set[str]) -> None:
    assert [key for key in fields.table() if key.rpartition(".")[2] not in names_read] == []
