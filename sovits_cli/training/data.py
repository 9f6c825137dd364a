"""What a stage trains on: a report of its clips, batches in order, and a held-out share.

    clips of the dataset ─┬─ left out: outside the limits, or broken ──────────────> report, left_out-<stage>.tsv
                          ├─ held out: min 4, about 2 %, the same for one seed ────> held-out loss, samples
                          └─ the rest ─> batches of similar length ─> curriculum ──> training

Knows datasets and samplers; knows no model and nothing of steps.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sovits_cli.data.batching import LengthBucketSampler
from sovits_cli.data.experiment import LeftOut, LeftOutCause
from sovits_cli.data.length_bins import long_clip_shortage
from sovits_cli.data.prefetch import Prefetcher
from sovits_cli.errors import DatasetError, InputError
from sovits_cli.events import ClipGroup, Reporter, Skipped, Surveyed, Warned
from sovits_cli.files import atomic
from sovits_cli.terms import Stage
from sovits_cli.training.curriculum import CurriculumPhase, EpochPlan, LengthCurriculum
from sovits_cli.training.stages.base import Batch
from sovits_cli.training.trainer_config import BatchSource

Item = TypeVar("Item", covariant=True)
Sample = TypeVar("Sample")
Made = TypeVar("Made", bound=Batch)

FEW_CLIPS = 5
"""Fewer than these hardly make a voice."""

MIN_CLIPS_TO_HOLD_OUT = 20
"""From so many clips on, some are held out."""

MIN_HELD_OUT = 4
MAX_HELD_OUT_SHARE = 0.1

LIMIT_CODES = {
    LeftOutCause.LONG: "train.clips_too_long",
    LeftOutCause.SHORT: "train.clips_too_short",
    LeftOutCause.PHONES: "train.clips_of_many_phones",
    LeftOutCause.RATE: "train.clips_of_odd_rate",
}
"""Limits that leave clips out -> the code that says what would keep them; any other cause is something wrong with the
clip."""


class ClipDataset(Protocol[Item]):
    """A dataset of `data/datasets.py`."""

    left_out: tuple[LeftOut, ...]

    @property
    def lengths_s(self) -> Sequence[float]:
        """Seconds of each item."""

    @property
    def names(self) -> list[str]:
        """Names of the items."""

    def __getitem__(self, index: int) -> Item:
        """One item."""

    def __len__(self) -> int:
        """How many items."""


@dataclass(frozen=True)
class StageData(Generic[Made]):
    """The batches that train and those that judge, and a fingerprint of their order.

    Args:
        training, held_out: batches.
        clips, held_out_clips: how many clips each has.
        sample_clips: numbers of the held-out clips, shortest first; of all where none is held out.
        batches_per_epoch: of the training source.
        fingerprint: changes when a saved position in an epoch would mean other clips.
        plan_up_to: the batches of the clips up to a limit in seconds.
    """

    training: BatchSource[Made]
    held_out: BatchSource[Made]
    clips: int
    held_out_clips: int
    sample_clips: Sequence[int]
    batches_per_epoch: int
    fingerprint: str
    plan_up_to: Callable[[float], EpochPlan]

    def with_curriculum(
        self, limits_s: Sequence[float], epochs: int, max_steps: int | None, batches_per_update: int
    ) -> StageData[Made]:
        """The same data with clips up to the first limit first, and so on; a limit no clip is under is passed over.

        Args:
            limits_s: rising, one a phase.
            epochs, max_steps, batches_per_update: of the run, see `LengthCurriculum`.
        """
        plans = [(limit_s, self.plan_up_to(limit_s)) for limit_s in limits_s]
        phases = [CurriculumPhase(limit_s, plan) for limit_s, plan in plans if plan(0)]
        curriculum = LengthCurriculum(phases, epochs, max_steps, batches_per_update)
        training = replace(self.training, plan=curriculum.plan, limit_s=curriculum.limit_s)
        return replace(
            self, training=training, fingerprint=fingerprint([self.fingerprint, list(limits_s), batches_per_update])
        )


@dataclass(frozen=True)
class ClipSurvey:
    """The report of what a stage trains on and what it leaves out.

    Args:
        stage, folder: of the run.
        limit_s: longest clip that trains.
        strict: refuse to leave anything out.
        writes: whether the clips left out are listed in a file of the run.
        advises: whether long clips have to be there for long sentences to be learnt.
    """

    stage: Stage
    folder: Path
    limit_s: float
    strict: bool = False
    writes: bool = True
    advises: bool = True

    def report(self, clips: ClipDataset[object], reporter: Reporter) -> None:
        """Report what is kept and what is left out, by cause.

        Clips outside the limits are counted by cause; anything wrong with a clip is reported clip by clip.

        Raises:
            DatasetError: nothing is left to train on, or `strict` and something is left out.
        """
        name, left_out = self.stage.value, clips.left_out
        kept = ClipGroup("kept", len(clips), sum(clips.lengths_s))
        reporter.emit(Surveyed(name, self.folder, kept, _groups(left_out), tuple(clips.lengths_s), self.limit_s))
        for item in left_out:
            if item.cause not in LIMIT_CODES:
                reporter.emit(Skipped(item.name, item.reason))
        if left_out and self.writes:
            with atomic(self.folder / f"left_out-{name}.tsv", follow_links=False) as temporary:
                rows = "".join(f"{one.name}\t{one.reason}\n" for one in left_out)
                temporary.write_text(rows, encoding="utf-8")
        if not len(clips):
            count = f"({len(left_out)} left out)"
            raise DatasetError(f"{name}: no clip of the dataset can be trained on {count}", code="train.no_clips")
        if self.strict and left_out:
            first = f"{left_out[0].name}: {left_out[0].reason}"
            count = f"{len(left_out)} clips would be left out"
            raise DatasetError(f"{name}: {count}, the first: {first}", code="train.clips_left_out")
        if len(clips) < FEW_CLIPS:
            reporter.emit(Warned(f"{name}: only {len(clips)} clips: a voice needs at least a minute or two of speech"))
        advice = long_clip_shortage(clips.lengths_s, self.limit_s) if self.advises else None
        if advice is not None:
            reporter.emit(Warned(f"{name}: {advice.text}", **advice.advice))


def _groups(left_out: Sequence[LeftOut]) -> list[ClipGroup]:
    """What is left out, by cause, in the order of `LeftOutCause`."""
    causes = [cause for cause in LeftOutCause if any(item.cause is cause for item in left_out)]
    return [
        ClipGroup(
            cause.value,
            clips=sum(item.cause is cause for item in left_out),
            seconds=sum(item.seconds or 0.0 for item in left_out if item.cause is cause),
            code=LIMIT_CODES.get(cause, "train.clips_broken"),
        )
        for cause in causes
    ]


@dataclass(frozen=True)
class BatchingOptions:
    """How clips become batches.

    Args:
        size: clips in a batch; None for as many as `seconds` allows.
        seconds: of audio in a batch, with padding; None for any.
        seed: of the order, and of which clips are held out.
        workers: threads that read.
        held_out: share of the clips that discriminators the training.
        max_held_out: at most so many.
        repeat_below: a set of fewer clips is repeated up to about so many.
    """

    size: int | None
    seconds: float | None = None
    seed: int = 1234
    workers: int = 0
    held_out: float = 0.02
    max_held_out: int = 50
    repeat_below: int = 0


def make_stage_data(
    clips: ClipDataset[Sample],
    collate: Callable[[Sequence[Sample]], Made],
    how: BatchingOptions,
    reporter: Reporter,
) -> StageData[Made]:
    """Split off the held-out clips and form batches of similar length.

    Args:
        clips: the dataset.
        collate: items to a batch.
        how: size and order of the batches, and the held-out share.
        reporter: hears of clips that can no longer be read.
    """
    names, lengths_s = clips.names, clips.lengths_s
    held_out = _choose_held_out(names, how)
    kept = [index for index in range(len(clips)) if index not in held_out]
    if len(kept) < how.repeat_below:
        kept = kept * max(2, how.repeat_below // len(kept))
    load = _BatchLoader(clips, collate, reporter)
    shortest_first = sorted(held_out, key=lambda index: lengths_s[index])
    plan_up_to = partial(_plan, kept, lengths_s, how)
    held_out_batches = _plan(shortest_first, lengths_s, replace(how, seed=0))(0) if shortest_first else []
    plan = plan_up_to(math.inf)
    # What decides the order: names and lengths of the clips, and how they are batched.
    items = [[names[index], round(lengths_s[index], 3)] for index in kept]
    return StageData(
        training=BatchSource(plan, Prefetcher(load, how.workers)),
        held_out=BatchSource(lambda _: held_out_batches, Prefetcher(load, min(how.workers, 1))),
        clips=len(kept),
        held_out_clips=len(shortest_first),
        sample_clips=tuple(shortest_first) or tuple(sorted(kept, key=lambda index: lengths_s[index])),
        batches_per_epoch=len(plan(0)),
        fingerprint=fingerprint([items, how.size, how.seconds, how.seed]),
        plan_up_to=plan_up_to,
    )


def _plan(
    numbers: Sequence[int], lengths_s: Sequence[float], how: BatchingOptions, limit_s: float = math.inf
) -> EpochPlan:
    """Batches of the clips up to a limit, by epoch."""
    within = [index for index in numbers if lengths_s[index] <= limit_s]
    order = LengthBucketSampler([lengths_s[index] for index in within], how.size, how.seed, batch_s=how.seconds)
    return lambda epoch: [[within[index] for index in group] for group in order.epoch(epoch)]


def fingerprint(value: object) -> str:
    """A short fingerprint of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


class _BatchLoader(Generic[Sample, Made]):
    """Item numbers to a batch. A clip that can no longer be read is reported once and left out."""

    def __init__(
        self, clips: ClipDataset[Sample], collate: Callable[[Sequence[Sample]], Made], reporter: Reporter
    ) -> None:
        self._clips, self._collate, self._reporter = clips, collate, reporter
        self._reported: set[int] = set()
        self._lock = threading.Lock()

    def __call__(self, numbers: list[int]) -> Made | None:
        items = []
        for number in numbers:
            try:
                items.append(self._clips[number])
            except InputError as error:
                self._report(number, error)
        return self._collate(items) if items else None

    def _report(self, number: int, error: InputError) -> None:
        with self._lock:
            if number not in self._reported:
                self._reported.add(number)
                self._reporter.emit(Skipped(self._clips.names[number], error.message))


def _choose_held_out(names: Sequence[str], how: BatchingOptions) -> set[int]:
    """Which clips are kept for judging: the same for the same names, seed and limit."""
    count = len(names)
    if count < MIN_CLIPS_TO_HOLD_OUT or not how.held_out:
        return set()
    # Few clips judge badly, many are missing in the training: at least four, at most a tenth.
    wanted = max(MIN_HELD_OUT, round(how.held_out * count))
    wanted = min(wanted, int(max(MAX_HELD_OUT_SHARE, how.held_out) * count), how.max_held_out)
    # By name, so that the same clips are held out whatever order the dataset lists them in.
    by_name = sorted(range(count), key=lambda index: names[index])
    return set(random.Random(how.seed).sample(by_name, wanted))
