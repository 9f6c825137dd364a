"""What work reports while it runs. Pipelines emit events; `report/` draws them; nobody else prints.

Events that ask for something carry `hint`, `code` and `fields` as the errors of `errors.py` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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
    hint: str | None = None
    code: str = ""
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Warned(Event):
    """One line the user should act on."""

    text: str
    hint: str | None = None
    code: str = ""
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Skipped(Event):
    """An item that was left out, and why. The exit code of the command becomes 7.

    `cause` is the exception behind a failure that nobody expected: its traceback is for whoever mends it.
    """

    item: str
    reason: str
    cause: BaseException | None = field(default=None, compare=False, metadata={"json": False})


@dataclass(frozen=True)
class Doubtful(Event):
    """An item that was made and may be wrong, and why. The exit code of the command becomes 7.

    `cause` is as in `Skipped`.
    """

    item: str
    reason: str
    hint: str | None = None
    cause: BaseException | None = field(default=None, compare=False, metadata={"json": False})
    code: str = ""
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Metrics(Event):
    """Numbers of one training step."""

    stage: str
    step: int
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipGroup:
    """Clips of one fate: kept, or left out for one reason; hint or code and fields say what would keep them."""

    what: str
    clips: int
    seconds: float
    hint: str | None = None
    code: str = ""
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Surveyed(Event):
    """What a stage trains on and what it does not.

    Args:
        stage: of the training.
        folder: of the run.
        kept: clips that train, the held-out ones among them.
        left_out: the others, by reason; a clip whose length is not known counts no seconds.
        lengths_s: of the kept clips.
        limit_s: longest clip that trains.
    """

    stage: str
    folder: Path
    kept: ClipGroup
    left_out: Sequence[ClipGroup]
    lengths_s: Sequence[float]
    limit_s: float


@dataclass(frozen=True)
class Saved(Event):
    """A stage saved its weights: the curves of the run have a new end. `best` tells whether none was better."""

    stage: str
    folder: Path
    step: int
    best: bool


class Reporter(Protocol):
    """Whoever takes events: the console, a progress window, a list in a test."""

    def emit(self, event: Event) -> None:
        """Take one event."""


class Silent:
    """A reporter that ignores every event: the default of library calls."""

    def emit(self, event: Event) -> None:
        """Ignore the event."""
