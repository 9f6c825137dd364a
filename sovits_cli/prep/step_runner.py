"""What a step of preparation is, and how one is run over all clips: what is done is kept, the rest done in order.

Knows nothing of any particular step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from sovits_cli.data.experiment import LeftOut, TextRow
from sovits_cli.data.manifest import ManifestRow
from sovits_cli.errors import SovitsError, UnforeseenError, contained
from sovits_cli.events import Progress, Reporter, Skipped
from sovits_cli.prep.resume_log import ResumeLog
from sovits_cli.text.reading import Piece

Prepared = TypeVar("Prepared")

AHEAD_PER_WORKER = 2
"""Clips in memory per worker, prepared or being prepared."""


@dataclass
class Clip:
    """One utterance on its way through the steps, each of which fills in what it found.

    Args:
        row: recording and transcript.
        digest: of the recording's bytes.
        seconds: of the recording.
        text: phones and normalised text.
        pieces: its stretches of one language each.
        codes: semantic tokens.
        keys: step name -> what its result depends on.
        worked: some step had to be done in this run.
    """

    row: ManifestRow
    digest: str = ""
    seconds: float = 0.0
    text: TextRow | None = None
    pieces: tuple[Piece, ...] = ()
    codes: Sequence[int] = ()
    keys: dict[str, str] = field(default_factory=dict)
    worked: bool = False

    @property
    def name(self) -> str:
        """Key of every file of this clip."""
        return self.row.name


class Step(ABC, Generic[Prepared]):
    """One step. An InputError leaves the clip out, and so does what nobody expected; other errors stop the run."""

    name: str

    @abstractmethod
    def key(self, clip: Clip) -> str:
        """Digest of all that the result depends on."""

    @abstractmethod
    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the result of an earlier run with the same key; False if it is gone."""

    @abstractmethod
    def prepare(self, clip: Clip) -> Prepared:
        """Do what needs no model, in a worker thread."""

    @abstractmethod
    def finish(self, clip: Clip, prepared: Prepared) -> Any:
        """Do the rest, in the main thread and in the order of the clips. Gives a row for the journal, or None."""


@dataclass(frozen=True)
class StepPlan:
    """How many clips a step has done already, and how many it would do."""

    step: str
    done: int
    to_do: int


@dataclass
class StepRunner:
    """Runs steps over clips, and remembers what was left out.

    Args:
        journal: what earlier runs did.
        workers: threads that prepare.
        reporter: hears of progress and of what is left out.
        left_out: what is not used, and why.
    """

    journal: ResumeLog
    workers: int
    reporter: Reporter
    left_out: list[LeftOut] = field(default_factory=list)

    def run(self, step: Step[Any], clips: Sequence[Clip]) -> list[Clip]:
        """Run one step; give the clips that passed it, in order."""
        kept: list[Clip] = []
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=f"prep-{step.name}")
        try:
            for done, (clip, prepared) in enumerate(self._ahead(step, clips, pool), start=1):
                with contained(partial(self._fail, clip)):
                    if prepared is not None:
                        self._finish(step, clip, prepared.result())
                    kept.append(clip)
                self.reporter.emit(Progress(step.name, done, len(clips), "clips"))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return kept

    def plan(self, steps: Sequence[Step[Any]], clips: Sequence[Clip]) -> list[StepPlan]:
        """What `run` would do of these steps, the first of which is done (it only looks)."""
        look, *others = steps
        kept = self.run(look, clips)
        plans = []
        for step in others:
            clips, kept, done = kept, [], 0
            for clip in clips:
                with contained(partial(self._fail, clip)):
                    done += self._is_done(step, clip)
                    kept.append(clip)
            plans.append(StepPlan(step.name, done=done, to_do=len(kept) - done))
        return plans

    def _is_done(self, step: Step[Any], clip: Clip) -> bool:
        key = clip.keys[step.name] = step.key(clip)
        entry = self.journal.get(step.name, clip.name)
        if entry is None or entry.key != key:
            return False
        try:
            return step.recall(clip, entry.row)
        except (LookupError, TypeError, ValueError, AttributeError):
            return False  # a row that is none of ours is work to be done again

    def leave_out(self, item: LeftOut) -> None:
        """Name an item that is not used."""
        self.left_out.append(item)
        self.reporter.emit(Skipped(item.name, item.reason, item.bug and item.bug.__cause__))

    def _fail(self, clip: Clip, error: SovitsError) -> None:
        self.leave_out(LeftOut.from_error(clip.name, error))

    def _ahead(
        self, step: Step[Any], clips: Sequence[Clip], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Clip, Future[Any] | None]]:
        """Clips in order, each with what is being prepared for it, or None if it is done already."""
        waiting: deque[tuple[Clip, Future[Any] | None]] = deque()
        for clip in clips:
            waiting.append((clip, self._begin(step, clip, pool)))
            if len(waiting) > self.workers * AHEAD_PER_WORKER:
                yield waiting.popleft()
        yield from waiting

    def _begin(self, step: Step[Any], clip: Clip, pool: ThreadPoolExecutor) -> Future[Any] | None:
        failed: Future[Any] = Future()
        begun: Future[Any] | None = failed
        with contained(lambda error: failed.set_exception(_original(error))):
            begun = None if self._is_done(step, clip) else self._submit(step, clip, pool)
        return begun  # noqa: RET504 - `contained` may have ended the block

    def _submit(self, step: Step[Any], clip: Clip, pool: ThreadPoolExecutor) -> Future[Any]:
        clip.worked = True
        self.journal.forget(step.name, clip.name)
        return pool.submit(step.prepare, clip)

    def _finish(self, step: Step[Any], clip: Clip, prepared: Any) -> None:
        row = step.finish(clip, prepared)
        self.journal.add(step.name, clip.name, clip.keys[step.name], row)


def _original(error: SovitsError) -> BaseException:
    """The exception itself, which is contained once more where the clip's turn comes."""
    return error.__cause__ or error if isinstance(error, UnforeseenError) else error
