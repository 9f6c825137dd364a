"""The README's tree is the tree there is."""

from __future__ import annotations

from tests import source
from tests.tools import readme_tree


def test_the_tree_of_the_readme_is_the_one_there_is() -> None:
    written, there = (text.splitlines() for text in (readme_tree.in_readme(), readme_tree.drawn()))
    lost = [f"- {line}" for line in written if line not in there] + [
        f"+ {line}" for line in there if line not in written
    ]
    assert not lost, "python -m tests.tools.readme_tree\n" + "\n".join(lost)
    assert written == there


def test_every_file_has_a_clause() -> None:
    assert [source.name(path) for path in source.FILES if len(readme_tree.clause(path)) < 15] == []
