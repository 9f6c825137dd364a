"""Settings files: YAML (or official JSON) to a flat table of values with their lines.

Values follow YAML 1.2, so that `no` is a text, `1e-4` a number and `10:54` not a time of day. Knows no schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sovits_cli.errors import SettingsError

MAX_NODES = 20_000
"""More values than any settings file has. Aliases of aliases end here ("billion laughs"): nine lines of

    a: &a [x, x, x, x, x, x, x, x, x, x]
    b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]     and so on to i

parse to a graph of 90 nodes, which would be a tree of a thousand million values when walked."""

MAX_BYTES = 1 << 20
"""A larger file is not a settings file."""

MAX_BRACKETS = 20
"""Brackets within brackets. PyYAML looks at every open one again for each token: thousands would take hours."""


@dataclass(frozen=True)
class FileEntry:
    """One value of a file: dotted `key`, `value`, `line` (first is 1), and its `text` if it is a single one."""

    key: str
    value: object
    line: int
    text: str | None = None


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2 and a limit to how deep brackets are nested."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """Take an opening bracket or brace. Raises ScannerError beyond `MAX_BRACKETS`."""
        if self.flow_level >= MAX_BRACKETS:
            problem = f"more than {MAX_BRACKETS} brackets within each other"
            raise yaml.scanner.ScannerError(None, None, problem, self.get_mark())
        super().fetch_flow_collection_start(token)


# PyYAML reads YAML 1.1, where `no` is false, `10:54` is 654 and `1e-4` a text. Its resolvers are replaced by the core
# schema of YAML 1.2 (section 10.3.2), each listed under the characters that its scalars may begin with.
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def read_settings(path: Path) -> list[FileEntry]:
    """Read all values of a settings file, in its order.

    Errors: SettingsError with file and line if it cannot be read, is not YAML (JSON is), or repeats a key.
    """
    return entries(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read the text of a settings file. Raises SettingsError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: not a settings file: larger than {MAX_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: no such settings file", code="settings.file_missing", fields={"path": path}
        ) from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: is a folder, expected a settings file") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not a settings file: not UTF-8 text") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    # Tabs indent official JSON; PyYAML reads JSON, but not tabs, and JSON strings hold none.
    return text.replace("\t", " ") if path.suffix == ".json" else text


def entries(text: str, name: str) -> list[FileEntry]:
    """Read all values of YAML `text`; `name` is the file named in errors."""
    root = compose(text, name)
    if root is None:
        return []
    try:
        return list(_walk(root, "", name, _Budget()))
    except RecursionError:
        raise SettingsError(f"{name}: not a settings file: an alias holds itself") from None


def compose(text: str, name: str) -> yaml.MappingNode | None:
    """Parse YAML `text` to its node tree, None if it is empty. Raises SettingsError with the line."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SettingsError(f"{name}:{line}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{name}: not valid YAML: {str(error).splitlines()[0]}") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag.endswith(":null")):
        return None
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(f"{name}:{_line(root)}: expected `key: value` lines")
    return root


def scalar(text: str) -> object:
    """Read a value typed on the command line or in a variable as YAML would read it."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        return _value(node, "value", _Budget()) if node is not None else text
    except (yaml.YAMLError, RecursionError, SettingsError):
        return text


def render(value: object) -> str:
    """Write a value so that `scalar` reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(render(item) for item in value)}]"
    text = str(value)
    if isinstance(value, str | Path) and not (_PLAIN.fullmatch(text) and scalar(text) == text):
        return f'"{"".join(_escaped(character) for character in text)}"'
    return text


def _escaped(character: str) -> str:
    """A character between double quotes; JSON's way of writing high ones is not YAML's."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


_PLAIN = re.compile(r"[\w./\\~][\w./\\~ +@%-]*(?<! )")
"""Texts that need no quotes."""


class _Budget:
    """Counts the nodes that a walk visits, an aliased one at each visit, and ends it at `MAX_NODES`."""

    def __init__(self) -> None:
        self.left = MAX_NODES

    def spend(self, name: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise SettingsError(f"{name}: not a settings file: more than {MAX_NODES} values")


def _walk(node: yaml.MappingNode, prefix: str, name: str, budget: _Budget) -> Iterator[FileEntry]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        budget.spend(name)
        if not isinstance(key_node, yaml.ScalarNode):
            raise SettingsError(f"{name}:{_line(key_node)}: expected a plain key")
        key = f"{prefix}{key_node.value}"
        if key in seen:
            raise SettingsError(f"{name}:{_line(key_node)}: {key} is there twice, first on line {seen[key]}")
        seen[key] = _line(key_node)
        if isinstance(value_node, yaml.MappingNode):
            yield from _walk(value_node, f"{key}.", name, budget)
        else:
            value = _value(value_node, name, budget)
            yield FileEntry(key, value, _line(key_node), str(value_node.value) if _is_single(value_node) else None)


def _value(node: yaml.Node, name: str, budget: _Budget) -> object:
    budget.spend(name)
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        return [_value(item, name, budget) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        raise SettingsError(f"{name}:{_line(node)}: expected a value, found a section")
    kind = node.tag.rpartition(":")[2]
    if kind not in _SCALARS or not isinstance(node, yaml.ScalarNode):
        raise SettingsError(f"{name}:{_line(node)}: the tag {node.tag} is not allowed in settings")
    try:
        return _SCALARS[kind](node.value)
    except ValueError:
        raise SettingsError(f"{name}:{_line(node)}: not a number that fits: {node.value[:20]}...") from None


_SCALARS: dict[str, Callable[[str], object]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(re.sub(r"\.(?=[inIN])", "", text)),
    "str": str,
}
"""How the text of each kind of value is read; no other kind is settings."""


def _is_single(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":null")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
