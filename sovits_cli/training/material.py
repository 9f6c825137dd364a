"""What a stage trains on: its dataset with everything left out told, batches in order, and a held-out share.

Knows datasets and samplers; knows no model and no calendar.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sovits_cli.data.layout import LeftOut
from sovits_cli.data.samplers import LengthBatches
from sovits_cli.errors import DatasetError, InputError
from sovits_cli.events import Note, Reporter, Skipped, Warned
from sovits_cli.files import atomic
from sovits_cli.terms import Stage
from sovits_cli.training.feed import Feed
from sovits_cli.training.loop import Source
from sovits_cli.training.stages import Batch

Item = TypeVar("Item", covariant=True)
Sample = TypeVar("Sample")
Made = TypeVar("Made", bound=Batch)

FEW_CLIPS = 5
"""Fewer than these hardly make a voice."""

SMALLEST_SPLIT = 20
"""From so many clips on, some are held out."""

HELD_OUT_SHARE = 0.02
LEAST_HELD_OUT = 4
MOST_HELD_OUT_SHARE = 0.1

_LIMIT = re.compile(r"over max_sec|under min_sec|phones per second|over the \d+ of max_sec|shorter than")


class Clips(Protocol[Item]):
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
class Material(Generic[Made]):
    """Both sources of a run, and a fingerprint of the order of batches.

    Args:
        training, held_out: batches.
        clips, held_out_clips: how many clips each has.
        batches_per_epoch: of the training source.
        fingerprint: changes when a saved position in an epoch would mean other clips.
    """

    training: Source[Made]
    held_out: Source[Made]
    clips: int
    held_out_clips: int
    batches_per_epoch: int
    fingerprint: str


def tell(stage: Stage, clips: Clips[object], folder: Path, reporter: Reporter) -> None:
    """Say what is kept and what is left out, by reason; every clip left out is listed in a file of the run.

    Clips outside the limits are counted by reason; anything wrong with a clip is told clip by clip.

    Raises:
        DatasetError: nothing is left to train on.
    """
    reporter.emit(
        Note(f"{stage.value}: {len(clips)} clips kept, {_clock(sum(clips.lengths_s))}; {len(clips.left_out)} left out")
    )
    limits = Counter(_reason(item.reason) for item in clips.left_out if _LIMIT.search(item.reason))
    for reason, count in limits.most_common():
        reporter.emit(Warned(f"{stage.value}: {count} clips left out: {reason}", _keeping(reason)))
    for item in clips.left_out:
        if not _LIMIT.search(item.reason):
            reporter.emit(Skipped(item.name, item.reason))
    if clips.left_out:
        place = folder / f"left_out-{stage.value}.tsv"
        with atomic(place) as temporary:
            temporary.write_text("".join(f"{one.name}\t{one.reason}\n" for one in clips.left_out), encoding="utf-8")
    if not len(clips):
        raise DatasetError(
            f"{stage.value}: no clip of the dataset can be trained on ({len(clips.left_out)} left out)",
            hint="the reasons are above; sovits prep makes a dataset anew",
        )
    if len(clips) < FEW_CLIPS:
        reporter.emit(
            Warned(f"{stage.value}: only {len(clips)} clips: a voice needs at least a minute or two of speech")
        )


def prepare(
    clips: Clips[Sample],
    collate: Callable[[Sequence[Sample]], Made],
    *,
    batch_size: int,
    seed: int,
    workers: int,
    most_held_out: int,
    reporter: Reporter,
) -> Material[Made]:
    """Split off the held-out clips and form batches of similar length."""
    names, lengths_s = clips.names, clips.lengths_s
    held_out = _held_out(names, seed, most_held_out)
    kept = [index for index in range(len(clips)) if index not in held_out]
    order = LengthBatches([lengths_s[index] for index in kept], batch_size, seed)
    load = _Loader(clips, collate, reporter)
    unseen = sorted(held_out, key=lambda index: lengths_s[index])
    groups = [unseen[start : start + batch_size] for start in range(0, len(unseen), batch_size)]
    described = [[names[index], round(lengths_s[index], 3)] for index in kept]

    def plan(epoch: int) -> list[list[int]]:
        return [[kept[place] for place in group] for group in order.epoch(epoch)]

    return Material(
        training=Source(plan, Feed(load, workers)),
        held_out=Source(lambda _: groups, Feed(load, min(workers, 1))),
        clips=len(kept),
        held_out_clips=len(unseen),
        batches_per_epoch=len(order.epoch(0)),
        fingerprint=digest([described, batch_size, seed]),
    )


def digest(value: object) -> str:
    """A short fingerprint of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


class _Loader(Generic[Sample, Made]):
    """Item numbers to a batch. A clip that can no longer be read is told once and left out."""

    def __init__(self, clips: Clips[Sample], collate: Callable[[Sequence[Sample]], Made], reporter: Reporter) -> None:
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


def _held_out(names: Sequence[str], seed: int, most: int) -> set[int]:
    """Which clips are kept for judging: the same for the same names, seed and limit."""
    count = len(names)
    if count < SMALLEST_SPLIT:
        return set()
    wanted = min(max(LEAST_HELD_OUT, round(HELD_OUT_SHARE * count)), int(MOST_HELD_OUT_SHARE * count), most)
    by_name = sorted(range(count), key=lambda index: names[index])
    return set(random.Random(seed).sample(by_name, wanted))


def _clock(seconds: float) -> str:
    """Hours, minutes, seconds: "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _reason(text: str) -> str:
    """A reason without the number of the one clip: "61.2 s, over max_sec 54" is "over max_sec 54"."""
    return re.sub(r"^[\d.]+ (s|phones|frames), ", "", re.sub(r"^[\d.]+ phones per second", "phones per second", text))


def _keeping(reason: str) -> str:
    """The option that keeps such clips."""
    if "max_sec" in reason:
        return "--max-sec raises the limit; sovits slice cuts longer clips"
    if "min_sec" in reason:
        return "--set data.min_sec=... lowers the limit"
    return ""
