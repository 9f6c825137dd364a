"""Code of other packages that register a language: its every failure is told in one line that names the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text.language import Language, load
from sovits_cli.versions import SymbolTable


class Guarded:
    """A `frontend.Frontend` that asks the one of a registered row. Raises TextError: it cannot be loaded."""

    def __init__(self, row: Language) -> None:
        self._row = row
        with _blamed(self._row, "cannot be loaded"):
            self._own: Any = load(row.place)()

    def readable(self, text: str) -> bool:
        """Whether there is anything to read in `text`."""
        with _blamed(self._row, "fails"):
            return bool(self._own.readable(text))

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence."""
        with _blamed(self._row, "fails"):
            return bool(self._own.ends_sentence(before, after))

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations."""
        with _blamed(self._row, "fails"):
            return str(self._own.normalise(text, compat=compat))

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text, and how many each of its characters has."""
        with _blamed(self._row, "fails"):
            phones, counts = self._own.phones(norm, table, compat=compat)
            if counts is not None and (len(counts) != len(norm) or sum(counts) != len(phones)):
                raise ValueError(
                    f"{sum(counts)} phones of {len(counts)} characters are not {len(phones)} of {len(norm)}"
                )
            return [str(phone) for phone in phones], None if counts is None else [int(count) for count in counts]


def asked(row: Language, place: str, text: str) -> Any:
    """What a "module:function" of a row says to a text. Raises TextError: it fails, and another package brought it."""
    if not row.origin:
        return load(place)(text)
    with _blamed(row, "fails"):
        return load(place)(text)


@contextmanager
def _blamed(row: Language, what: str) -> Iterator[None]:
    try:
        yield
    except TextError:
        raise
    except (Exception, SystemExit) as error:
        raise TextError(
            f"{row.name} of {row.origin} {what}: {type(error).__name__}: {' '.join(str(error).split())}",
            hint=f"pip install --upgrade {row.origin.partition(' ')[0]}",
        ) from error
