"""What a step of preparation is, and how steps are run over all clips: what is done is kept, the rest done in order.

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

import numpy as np

from sovits_cli.data.experiment import LeftOut, TextRow
from sovits_cli.data.manifest import ManifestRow
from sovits_cli.errors import SovitsError, contained
from sovits_cli.events import Progress, Reporter, Skipped
from sovits_cli.prep.resume_log import ResumeLog
from sovits_cli.text.reading import Piece

Prepared = TypeVar("Prepared")

AHEAD_PER_WORKER = 2
"""Clips in memory per worker, prepared or being prepared."""


@dataclass
class Clip:
    """One row of the manifest on its way through the steps, each of which fills in what it found.

    Args:
        row: recording and transcript.
        digest: of the recording's bytes.
        seconds: of the recording.
        text: phones and normalised text.
        pieces: its stretches of one language each.
        tokens: semantic tokens.
        keys: step name -> what its result depends on.
        worked: some step had to be done in this run.
        samples: the decoded recording, while the steps of one pass share it.
    """

    row: ManifestRow
    digest: str = ""
    seconds: float = 0.0
    text: TextRow | None = None
    pieces: tuple[Piece, ...] = ()
    tokens: Sequence[int] = ()
    keys: dict[str, str] = field(default_factory=dict)
    worked: bool = False
    samples: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Key of every file of this clip."""
        return self.row.name


class PrepStep(ABC, Generic[Prepared]):
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
        """Do the rest, in the main thread and in the order of the clips. Gives a row for the log, or None."""


_PreparedStep = tuple[PrepStep[Any], Any]
"""A step with what its `prepare` gave."""

_Begun = Future[list[_PreparedStep]]
"""What is being prepared for a clip."""


@dataclass(frozen=True)
class Pass:
    """Steps that go over the clips together, so that a recording is decoded once for all of them."""

    name: str
    steps: tuple[PrepStep[Any], ...]

    @classmethod
    def of(cls, step: PrepStep[Any]) -> Pass:
        """A pass of one step, which gives it its name."""
        return cls(step.name, (step,))


@dataclass(frozen=True)
class StepPlan:
    """How many clips a step has done already, and how many it would do."""

    step: str
    done: int
    to_do: int


# One pass, with two workers. `key` and `recall` are asked in the main thread, in the order of the clips, a few clips
# ahead; what is not done is prepared by the workers and finished in the main thread, again in order:
#
#     main      key 0..4  finish 0  key 5  (1 is done)  key 6  finish 2 ...       models run here, one clip at a time
#     worker a  prepare 0 ........ prepare 3 ...                                  decoding, resampling, reading of texts
#     worker b  prepare 2 ................ prepare 4 ...
#
# What is skipped when. A step of a clip is done if the log holds its name with the same key and `recall` finds the
# result. Before it is done again its line is withdrawn, so that a kill in between leaves work to do and never a stale
# result; its new line is written as soon as its result is on the disk. Keys hold the keys of the steps they build on:
#
#     recordings   path, size, time of change        (the bytes are read again only if one of these differs)
#     transcripts  language, text, lexicon
#     alignments   bytes of the sidecar
#     bert         key of transcripts, text encoder
#     audio        bytes of the recording
#     content      key of audio, content encoder
#     speaker      key of audio, speaker encoder
#     semantic     key of content, codebook
@dataclass
class StepRunner:
    """Runs steps over clips, and remembers what was left out.

    Args:
        log: what earlier runs did.
        workers: threads that prepare.
        reporter: hears of progress and of what is left out.
        left_out: what is not used, and why.
    """

    log: ResumeLog
    workers: int
    reporter: Reporter
    left_out: list[LeftOut] = field(default_factory=list)

    def run(self, pass_: Pass, clips: Sequence[Clip]) -> list[Clip]:
        """Run the steps of one pass; give the clips that passed all of them, in order."""
        kept: list[Clip] = []
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix=f"prep-{pass_.name}")
        try:
            for done, (clip, prepared) in enumerate(self._ahead(pass_.steps, clips, pool), start=1):
                with contained(partial(self._fail, clip)):
                    if prepared is not None:
                        self._finish(clip, prepared.result())
                    kept.append(clip)
                self.reporter.emit(Progress(pass_.name, done, len(clips), "clips"))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return kept

    def plan(self, passes: Sequence[Pass], clips: Sequence[Clip]) -> list[StepPlan]:
        """What `run` would do of these passes, the first of which is done (it only looks at the recordings)."""
        first, *others = passes
        kept = self.run(first, clips)
        plans = []
        for step in (step for pass_ in others for step in pass_.steps):
            clips, kept, done = kept, [], 0
            for clip in clips:
                with contained(partial(self._fail, clip)):
                    done += self._is_done(step, clip)
                    kept.append(clip)
            plans.append(StepPlan(step.name, done=done, to_do=len(kept) - done))
        return plans

    def _is_done(self, step: PrepStep[Any], clip: Clip) -> bool:
        key = clip.keys[step.name] = step.key(clip)
        finished = self.log.get(step.name, clip.name)
        if finished is None or finished.key != key:
            return False
        try:
            return step.recall(clip, finished.row)
        except (LookupError, TypeError, ValueError, AttributeError):
            return False  # a row that is none of ours is work to be done again

    def leave_out(self, item: LeftOut) -> None:
        """Record and report an item that is not used."""
        self.left_out.append(item)
        self.reporter.emit(Skipped(item.name, item.reason, item.bug and item.bug.unforeseen))

    def _fail(self, clip: Clip, error: SovitsError) -> None:
        self.leave_out(LeftOut.from_error(clip.name, error))

    def _ahead(
        self, steps: Sequence[PrepStep[Any]], clips: Sequence[Clip], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Clip, _Begun | None]]:
        """Clips in order, each with what is being prepared for it, or None if it is done already."""
        waiting: deque[tuple[Clip, _Begun | None]] = deque()
        for clip in clips:
            waiting.append((clip, self._begin(steps, clip, pool)))
            if len(waiting) > self.workers * AHEAD_PER_WORKER:
                yield waiting.popleft()
        yield from waiting

    def _begin(self, steps: Sequence[PrepStep[Any]], clip: Clip, pool: ThreadPoolExecutor) -> _Begun | None:
        failed: _Begun = Future()
        begun: _Begun | None = failed
        # The exception itself waits in the future; it is contained once more when the turn of its clip comes.
        with contained(lambda error: failed.set_exception(error.unforeseen or error)):
            to_do = [step for step in steps if not self._is_done(step, clip)]
            begun = self._submit(to_do, clip, pool) if to_do else None
        return begun  # noqa: RET504 - `contained` may have ended the block

    def _submit(
        self, to_do: Sequence[PrepStep[Any]], clip: Clip, pool: ThreadPoolExecutor
    ) -> Future[list[_PreparedStep]]:
        clip.worked = True
        for step in to_do:
            self.log.forget(step.name, clip.name)
        return pool.submit(_prepare, to_do, clip)

    def _finish(self, clip: Clip, prepared: Sequence[_PreparedStep]) -> None:
        for step, value in prepared:
            row = step.finish(clip, value)
            self.log.add(step.name, clip.name, clip.keys[step.name], row)


def _prepare(steps: Sequence[PrepStep[Any]], clip: Clip) -> list[_PreparedStep]:
    """Prepare a clip for all steps of a pass; in a worker thread."""
    try:
        return [(step, step.prepare(clip)) for step in steps]
    finally:
        clip.samples = None
