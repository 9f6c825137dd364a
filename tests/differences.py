"""Many comparisons in one case: every difference is kept, and the case fails once, with the whole list.

A table of plain values, in the place of `pytest.mark.parametrize`:

    @every_case(("text", "wanted"), [("1", "one"), ("2", "two")])
    def test_numbers(text, wanted):
        assert spell(text) == wanted

A loop of one's own:

    with differences() as compare:
        for file in files:
            with compare(file.name):
                assert read(file) == recorded(file)

The cases of one test share its fixtures. `@every_case(..., isolated=True)` gives each a `tmp_path` of its own, and
undoes what it did with `monkeypatch`; what needs other fixtures anew stays parametrised.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any

import pytest


class Differences:
    """What differed so far; `with compare(name):` keeps a failure inside it and goes on after it."""

    def __init__(self, max_lines: int) -> None:
        self.max_lines = max_lines
        self.names: list[str] = []
        self.skipped: list[str] = []
        self.found: list[str] = []

    @contextmanager
    def __call__(self, name: object) -> Iterator[None]:
        """Everything inside is one comparison, called `name` in the list."""
        self.names.append(str(name))
        try:
            yield
        except pytest.skip.Exception as reason:
            self.skipped.append(f"{name}: {reason}")
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - an error is one difference of many
            kind = "" if isinstance(error, AssertionError | pytest.fail.Exception) else f"{type(error).__name__}: "
            lines = f"{name}: {kind}{error}".splitlines()
            rest = [f"... {len(lines) - self.max_lines} lines more"] if len(lines) > self.max_lines else []
            self.found.append("\n    ".join(lines[: self.max_lines] + rest))

    def report(self) -> None:
        """Fail with everything that differs; skip where everything was skipped; nothing compared is a failure too."""
        assert self.names, "nothing was compared"
        if self.found:
            listed = "\n  ".join(self.found)
            pytest.fail(f"{len(self.found)} of {len(self.names)} differ:\n  {listed}", pytrace=False)
        if len(self.skipped) == len(self.names):
            pytest.skip(self.skipped[0])


@contextmanager
def differences(max_lines: int = 8) -> Iterator[Differences]:
    """Compare many things, then fail once with all that differ; `max_lines` of the message of each are shown."""
    collected = Differences(max_lines)
    yield collected
    collected.report()


def every_case(
    names: str | Sequence[str],
    cases: Iterable[Any],
    *,
    ids: Callable[[Any], object] | None = None,
    isolated: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test on every case of a table within one case of pytest's; the other arguments are fixtures as ever.

    Args:
        names: The arguments that a case fills, as for `parametrize`: a sequence, or names with commas between.
        cases: A value each, or a tuple of values where there are several names.
        ids: What a case is called in the list, by its value; its `repr` without this.
        isolated: Each case has a folder in `tmp_path` to itself, and its patches end with it.
    """
    filled = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = list(cases)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(*instance: Any, **fixtures: Any) -> None:
            with differences() as compare:
                for number, case in enumerate(table):
                    values = [case] if len(filled) == 1 else case
                    with compare(ids(case) if ids else repr(case)), own(fixtures, number, isolated=isolated) as given:
                        test(*instance, **given, **dict(zip(filled, values, strict=True)))

        asked = inspect.signature(test)
        left = [parameter for name, parameter in asked.parameters.items() if name not in filled]
        run.__signature__ = asked.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return decorate


@contextmanager
def own(fixtures: dict[str, Any], number: int, *, isolated: bool) -> Iterator[dict[str, Any]]:
    """The fixtures of one case: those of the test, or with a folder and patches of its own."""
    if not isolated:
        yield fixtures
        return
    changed = dict(fixtures)
    if "tmp_path" in fixtures:
        changed["tmp_path"] = fixtures["tmp_path"] / f"case{number}"
        changed["tmp_path"].mkdir()
    with fixtures["monkeypatch"].context() if "monkeypatch" in fixtures else nullcontext() as patches:
        yield {**changed, "monkeypatch": patches} if patches is not None else changed
