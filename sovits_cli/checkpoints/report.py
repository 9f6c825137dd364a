"""Putting weights into a network, with a report of every key that did not fit. Nothing is ever left out in silence.

Knows nothing of files or of particular models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sovits_cli.checkpoints.machine import printable
from sovits_cli.checkpoints.soundness import check_types, check_values
from sovits_cli.errors import ModelError

_SHOWN = 3
"""Keys named in a message; the rest are counted."""


@dataclass(frozen=True)
class Mismatch:
    """A key whose shape in the file is not the one of the network."""

    key: str
    found: tuple[int, ...]
    expected: tuple[int, ...]

    def __str__(self) -> str:
        return f"{printable(self.key)} {list(self.found)} where {list(self.expected)} was expected"


@dataclass(frozen=True)
class LoadReport:
    """What did not fit: keys the network needs, keys it does not know, keys of another shape."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every key of file and network found its partner."""
        return not (self.missing or self.unexpected or self.mismatched)

    def without(self, optional: Sequence[str]) -> LoadReport:
        """Leave out the missing and unexpected keys that start with one of these. Shapes are never optional."""
        prefixes = tuple(optional)
        return LoadReport(
            missing=tuple(key for key in self.missing if not key.startswith(prefixes)),
            unexpected=tuple(key for key in self.unexpected if not key.startswith(prefixes)),
            mismatched=self.mismatched,
        )

    def __str__(self) -> str:
        """One line: `2 missing (a, b), 1 unexpected (c)`."""
        groups = (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", self.mismatched))
        said = [f"{len(keys)} {name} ({_listed(keys)})" for name, keys in groups if keys]
        return ", ".join(said) or "all keys fit"


def compare(module: nn.Module, weight: Mapping[str, Tensor]) -> LoadReport:
    """Compare keys and shapes without loading anything."""
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weight.items()}
    return LoadReport(
        missing=tuple(key for key in expected if key not in found),
        unexpected=tuple(key for key in found if key not in expected),
        mismatched=tuple(
            Mismatch(key, found[key], shape) for key, shape in expected.items() if key in found and found[key] != shape
        ),
    )


def load_into(
    module: nn.Module,
    weight: Mapping[str, Tensor],
    *,
    optional: Sequence[str] = (),
    source: Path | None = None,
    replace: bool = False,
    fresh: Callable[[], nn.Module] | None = None,
) -> LoadReport:
    """Copy weights into a network, in the network's own precision.

    Args:
        optional: beginnings of keys that may be missing (they keep their values) or left over (they are not used).
        source: the file, for messages.
        replace: the network takes float32 copies in place of its own tensors, which spares filling those first.
        fresh: makes the network with its fresh values; None: those are in it.

    Returns:
        Everything that did not fit, optional keys included.

    Raises:
        ModelError: a key that is not optional is missing or left over, any shape differs, or values are unsound.
    """
    report = check(module, weight, optional=optional, source=source)
    left_over = set(report.unexpected)
    used = {key: value for key, value in weight.items() if key not in left_over}
    check_types(module, used, source=source)
    own = {
        key: value.to(torch.float32 if value.is_floating_point() else value.dtype, copy=replace)
        for key, value in used.items()
    }
    check_values(module, own, optional=optional, source=source, fresh=fresh or (lambda: module))
    module.load_state_dict(own, strict=False, assign=replace)
    return report


def check(
    module: nn.Module,
    weight: Mapping[str, Tensor],
    *,
    optional: Sequence[str] = (),
    source: Path | None = None,
) -> LoadReport:
    """Compare keys and shapes, and raise what `load_into` would raise, without loading."""
    report = compare(module, weight)
    problems = report.without(optional)
    if not problems.complete:
        where = "the weights" if source is None else str(source)
        raise ModelError(
            f"{where} does not fit {_article(type(module).__name__)}: {problems}",
            hint="sovits models inspect FILE" if source is None else f"sovits models inspect {source}",
        )
    return report


def _listed(keys: Sequence[object]) -> str:
    shown = ", ".join(str(key) if isinstance(key, Mismatch) else printable(str(key)) for key in keys[:_SHOWN])
    return shown if len(keys) <= _SHOWN else f"{shown}, …"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIOU" else f"a {noun}"
