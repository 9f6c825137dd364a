"""The example voices and texts in the package, reachable as `builtin:NAME` wherever a file is asked for."""

from __future__ import annotations

from pathlib import Path

from sovits_cli.errors import UsageError
from sovits_cli.paths import package_dir

PREFIX = "builtin:"
VOICE_SUFFIX = ".flac"
TEXT_SUFFIX = ".txt"


def names(suffix: str) -> list[str]:
    """The examples of a kind; a transcript beside a voice is not a text of its own."""
    found = {path.stem for path in _folder().glob(f"*{suffix}")}
    return sorted(found if suffix == VOICE_SUFFIX else found - set(names(VOICE_SUFFIX)))


def resolve(given: str, suffix: str) -> Path:
    """Find an example, or take a path as it is.

    Args:
        given: `builtin:NAME`, or a path.
        suffix: `VOICE_SUFFIX` or `TEXT_SUFFIX`, the kind that is asked for.

    Raises:
        UsageError: no example of this kind has the name; the message lists those there are.
    """
    if not given.startswith(PREFIX):
        return Path(given)
    name = given.removeprefix(PREFIX)
    if name not in names(suffix):
        known = [PREFIX + one for one in names(suffix)]
        raise UsageError(
            f"no example is called {given}: there are {', '.join(known) or 'none'}",
            hint=f"use {known[0]}" if known else "install sovits again",
        )
    return _folder() / f"{name}{suffix}"


def _folder() -> Path:
    return package_dir() / "examples"
