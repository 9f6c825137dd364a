"""What work reports while it runs. Pipelines emit events; `report/` draws them; nobody else prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class Chose(Event):
    """A default the command picked: `what` ("model"), its `value`, and `why`."""

    what: str
    value: str
    why: str = ""


@dataclass(frozen=True)
class Progress(Event):
    """A task moved on. `task` names it, `total` is None when unknown, `detail` is a short live text."""

    task: str
    done: float
    total: float | None = None
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Note(Event):
    """One line the user should read."""

    text: str


@dataclass(frozen=True)
class Warned(Event):
    """One line the user should act on, with what to type."""

    text: str
    hint: str = ""


@dataclass(frozen=True)
class Skipped(Event):
    """An item that was left out, and why. The exit code of the command becomes 7."""

    item: str
    reason: str


@dataclass(frozen=True)
class Metrics(Event):
    """Numbers of one training step."""

    stage: str
    step: int
    values: Mapping[str, float] = field(default_factory=dict)


class Reporter(Protocol):
    """Whoever wants to know. The console, a JSON writer, a list in a test."""

    def emit(self, event: Event) -> None:
        """Take one event."""


class Silent:
    """A reporter that hears nothing: the default of library calls."""

    def emit(self, event: Event) -> None:
        """Ignore the event."""
