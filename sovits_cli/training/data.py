"""What a stage trains on: its dataset with everything left out told, batches in order, and a held-out share.

Knows datasets and samplers; knows no model and no config.
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
from sovits_cli.training.curriculum import CurriculumPhase, LengthCurriculum, Plan
from sovits_cli.training.stages.base import Batch
from sovits_cli.training.trainer import BatchSource

Item = TypeVar("Item", covariant=True)
Sample = TypeVar("Sample")
Made = TypeVar("Made", bound=Batch)

FEW_CLIPS = 5
"""Fewer than these hardly make a voice."""

MIN_CLIPS_TO_HOLD_OUT = 20
"""From so many clips on, some are held out."""

MIN_HELD_OUT = 4
MAX_HELD_OUT_SHARE = 0.1

REMEDIES = {
    LeftOutCause.LONG: "--max-sec, or sovits slice cuts them",
    LeftOutCause.SHORT: "--set data.min_sec=..., or sovits slice --target-sec",
    LeftOutCause.PHONES: "--set data.max_phones=...",
    LeftOutCause.RATE: "--set data.min_phones_per_sec=... and data.max_phones_per_sec=...",
}
"""What keeps clips that a limit leaves out; any other reason is something wrong with the clip."""


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
    """Both sources of a run, and a fingerprint of the order of batches.

    Args:
        training, held_out: batches.
        clips, held_out_clips: how many clips each has.
        unseen: numbers of the held-out clips, shortest first; of all where none is held out.
        batches_per_epoch: of the training source.
        fingerprint: changes when a saved position in an epoch would mean other clips.
        plan_of: the plan of the clips up to a limit in seconds.
    """

    training: BatchSource[Made]
    held_out: BatchSource[Made]
    clips: int
    held_out_clips: int
    unseen: Sequence[int]
    batches_per_epoch: int
    fingerprint: str
    plan_of: Callable[[float], Plan]


def tell(
    stage: Stage,
    clips: ClipDataset[object],
    folder: Path,
    limit_s: float,
    reporter: Reporter,
    *,
    strict: bool = False,
    write: bool = True,
    advise: bool = True,
) -> None:
    """Say what is kept and what is left out, by reason; every clip left out is listed in a file of the run.

    Clips outside the limits are counted by reason; anything wrong with a clip is told clip by clip.

    Args:
        advise: whether long clips have to be there for long sentences to be learnt.

    Raises:
        DatasetError: nothing is left to train on, or `strict` and something is left out.
    """
    kept = ClipGroup("kept", len(clips), sum(clips.lengths_s))
    reporter.emit(Surveyed(stage.value, folder, kept, _groups(clips.left_out), tuple(clips.lengths_s), limit_s))
    for item in clips.left_out:
        if item.cause not in REMEDIES:
            reporter.emit(Skipped(item.name, item.reason))
    if clips.left_out and write:
        place = folder / f"left_out-{stage.value}.tsv"
        with atomic(place, follow_links=False) as temporary:
            temporary.write_text("".join(f"{one.name}\t{one.reason}\n" for one in clips.left_out), encoding="utf-8")
    if not len(clips):
        raise DatasetError(
            f"{stage.value}: no clip of the dataset can be trained on ({len(clips.left_out)} left out)",
            hint="the reasons are above; sovits prep makes a dataset anew",
        )
    if strict and clips.left_out:
        first = clips.left_out[0]
        raise DatasetError(
            f"{stage.value}: {len(clips.left_out)} clips would be left out, the first: {first.name}: {first.reason}",
            hint="the table above says what keeps them; without --strict the others train",
        )
    if len(clips) < FEW_CLIPS:
        reporter.emit(
            Warned(f"{stage.value}: only {len(clips)} clips: a voice needs at least a minute or two of speech")
        )
    advice = long_clip_shortage(clips.lengths_s, limit_s) if advise else None
    if advice is not None:
        reporter.emit(Warned(f"{stage.value}: {advice.text}", **advice.advice))


def _groups(left_out: Sequence[LeftOut]) -> list[ClipGroup]:
    """What is left out, by reason, in the order of `LeftOutCause`."""
    causes = [cause for cause in LeftOutCause if any(item.cause is cause for item in left_out)]
    return [
        ClipGroup(
            cause.value,
            clips=sum(item.cause is cause for item in left_out),
            seconds=sum(item.seconds or 0.0 for item in left_out if item.cause is cause),
            hint=REMEDIES.get(cause, "see the reason of each; sovits prep makes it anew"),
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


def prepare(
    clips: ClipDataset[Sample], collate: Callable[[Sequence[Sample]], Made], how: BatchingOptions, reporter: Reporter
) -> StageData[Made]:
    """Split off the held-out clips and form batches of similar length."""
    names, lengths_s = clips.names, clips.lengths_s
    held_out = _held_out(names, how)
    kept = [index for index in range(len(clips)) if index not in held_out]
    if len(kept) < how.repeat_below:
        kept = kept * max(2, how.repeat_below // len(kept))
    load = _Loader(clips, collate, reporter)
    unseen = sorted(held_out, key=lambda index: lengths_s[index])
    plan_of = partial(_plan, kept, lengths_s, how)
    judged = _plan(unseen, lengths_s, replace(how, seed=0))(0) if unseen else []
    described = [[names[index], round(lengths_s[index], 3)] for index in kept]
    plan = plan_of(math.inf)
    return StageData(
        training=BatchSource(plan, Prefetcher(load, how.workers)),
        held_out=BatchSource(lambda _: judged, Prefetcher(load, min(how.workers, 1))),
        clips=len(kept),
        unseen=tuple(unseen) or tuple(sorted(kept, key=lambda index: lengths_s[index])),
        held_out_clips=len(unseen),
        batches_per_epoch=len(plan(0)),
        fingerprint=digest([described, how.size, how.seconds, how.seed]),
        plan_of=plan_of,
    )


def rising(
    found: StageData[Made], limits: Sequence[float], rise: Callable[[Sequence[CurriculumPhase]], LengthCurriculum]
) -> StageData[Made]:
    """The same material with clips up to the first limit first, and so on; a limit no clip is under is passed over."""
    plans = [(limit_s, found.plan_of(limit_s)) for limit_s in limits]
    order = rise([CurriculumPhase(limit_s, plan) for limit_s, plan in plans if plan(0)])
    training = replace(found.training, plan=order.plan, limit_s=order.limit_s)
    return replace(found, training=training, fingerprint=digest([found.fingerprint, list(limits), order.group]))


def _plan(numbers: Sequence[int], lengths_s: Sequence[float], how: BatchingOptions, limit_s: float = math.inf) -> Plan:
    """Batches of the clips up to a limit, by epoch."""
    within = [index for index in numbers if lengths_s[index] <= limit_s]
    order = LengthBucketSampler([lengths_s[index] for index in within], how.size, how.seed, batch_s=how.seconds)
    return lambda epoch: [[within[place] for place in group] for group in order.epoch(epoch)]


def digest(value: object) -> str:
    """A short fingerprint of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


class _Loader(Generic[Sample, Made]):
    """Item numbers to a batch. A clip that can no longer be read is told once and left out."""

    def __init__(
        self, clips: ClipDataset[Sample], collate: Callable[[Sequence[Sample]], Made], reporter: Reporter
    ) -> None:
        self._clips, self._collate, self._reporter = clips, collate, reporter
        self._told: set[int] = set()
        self._lock = threading.Lock()

    def __call__(self, numbers: list[int]) -> Made | None:
        items = []
        for number in numbers:
            try:
                items.append(self._clips[number])
            except InputError as error:
                self._tell(number, error)
        return self._collate(items) if items else None

    def _tell(self, number: int, error: InputError) -> None:
        with self._lock:
            if number not in self._told:
                self._told.add(number)
                self._reporter.emit(Skipped(self._clips.names[number], error.message))


def _held_out(names: Sequence[str], how: BatchingOptions) -> set[int]:
    """Which clips are kept for judging: the same for the same names, seed and limit."""
    count = len(names)
    if count < MIN_CLIPS_TO_HOLD_OUT or not how.held_out:
        return set()
    wanted = max(MIN_HELD_OUT, round(how.held_out * count))
    wanted = min(wanted, int(max(MAX_HELD_OUT_SHARE, how.held_out) * count), how.max_held_out)
    by_name = sorted(range(count), key=lambda index: names[index])
    return set(random.Random(how.seed).sample(by_name, wanted))
