"""The held-out share, the reasons, and the fingerprint of the order of batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from sovits_cli.data.experiment import LeftOut, LeftOutCause
from sovits_cli.errors import DatasetError
from sovits_cli.events import Surveyed, Warned
from sovits_cli.terms import Stage
from sovits_cli.training.curriculum import phase_limits_s
from sovits_cli.training.data import BatchingOptions, ClipSurvey, StageData, make_stage_data
from tests.differences import every_case
from tests.training.toys import Events, ToyBatch


@dataclass
class Numbers:
    names: list[str]
    lengths_s: list[float]
    left_out: tuple[LeftOut, ...] = ()
    asked: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> int:
        self.asked.append(index)
        return index


def numbers(count: int, **more: object) -> Numbers:
    return Numbers([f"clip{index}" for index in range(count)], [1.0 + index % 7 for index in range(count)], **more)  # type: ignore[arg-type]


def collate(items: Sequence[int]) -> ToyBatch:
    return ToyBatch(torch.tensor(items))


def prepare(
    clips: Numbers, *, batch_size: int | None = 4, seed: int = 1, most: int = 8, **more: object
) -> StageData[ToyBatch]:
    how = BatchingOptions(batch_size, seed=seed, max_held_out=most, **more)  # type: ignore[arg-type]
    return make_stage_data(clips, collate, how, Events())


@every_case(
    ("count", "most", "held_out"),
    [(19, 8, 0), (20, 8, 2), (60, 8, 4), (150, 8, 4), (400, 8, 8), (400, 0, 0), (999, 50, 20)],
)
def test_share_held_out(count: int, most: int, held_out: int) -> None:
    found = prepare(numbers(count), most=most)
    assert (found.clips, found.held_out_clips) == (count - held_out, held_out)


class Counted(Numbers):
    """Counts how often its whole table is asked for."""

    tables = 0

    def __getattribute__(self, name: str) -> object:
        if name in ("names", "lengths_s"):
            Counted.tables += 1
        return super().__getattribute__(name)


def test_tables_are_read_once_not_once_a_clip() -> None:
    """They may be made anew at each look: 7 000 clips took minutes."""
    clips = Counted([f"clip{index}" for index in range(50)], [1.0] * 50)
    Counted.tables = 0
    prepare(clips)
    assert Counted.tables <= 2 + 50  # `len` of the toy looks as well


def test_every_clip_is_used_once_and_on_one_side() -> None:
    found = prepare(numbers(50))
    trained = [item for group in found.training.plan(0) for item in group]
    judged = [item for group in found.held_out.plan(0) for item in group]
    assert sorted(trained + judged) == list(range(50))
    assert found.batches_per_epoch == len(found.training.plan(0)) == len(found.training.plan(5))
    assert found.training.plan(0) != found.training.plan(1)
    batch = found.training.prefetcher._load(trained[:3])
    assert batch is not None
    assert batch.inputs.tolist() == trained[:3]


def test_fingerprint_follows_what_decides_the_order() -> None:
    same = prepare(numbers(30)).fingerprint
    assert same == prepare(numbers(30)).fingerprint
    others = [prepare(numbers(31)), prepare(numbers(30), batch_size=5), prepare(numbers(30), seed=2)]
    assert len({same, *(other.fingerprint for other in others)}) == 4


def test_reasons_are_counted_by_kind(tmp_path: Path) -> None:
    clips = numbers(
        9,
        left_out=(
            LeftOut("a", "61.2 s, over max_sec 54", LeftOutCause.LONG, 61.2),
            LeftOut("b", "70.0 s, over max_sec 54", LeftOutCause.LONG, 70.0),
            LeftOut("c", "0.31 s, under min_sec 0.6", LeftOutCause.SHORT, 0.31),
            LeftOut(
                "d", "31.0 phones per second, expected 3..25: does the text fit the audio?", LeftOutCause.RATE, 2.0
            ),
            LeftOut("e", "no row in 6-name2semantic.tsv", LeftOutCause.MISSING),
        ),
    )
    events = Events()
    ClipSurvey(Stage.GPT, tmp_path, 54).report(clips, events)
    told = events.texts()
    (survey,) = (event for event in events.heard if isinstance(event, Surveyed))
    assert (survey.kept.clips, survey.kept.seconds, survey.limit_s) == (9, 31, 54)
    found = {group.what: (group.clips, round(group.seconds, 2)) for group in survey.left_out}
    expected = {"over max_sec": (2, 131.2), "under min_sec": (1, 0.31), "phones per second": (1, 2.0)}
    assert found == {**expected, "feature missing": (1, 0)}
    assert all(group.code for group in survey.left_out)
    assert "Skipped(item='e'" in told
    assert "Skipped(item='a'" not in told
    assert len((tmp_path / "left_out-gpt.tsv").read_text().splitlines()) == 5


def test_strict_stops_where_anything_is_left_out(tmp_path: Path) -> None:
    whole, lacking = (
        numbers(9),
        numbers(9, left_out=(LeftOut("a", "61.2 s, over max_sec 54", LeftOutCause.LONG, 61.2),)),
    )
    ClipSurvey(Stage.GPT, tmp_path, 54, strict=True).report(whole, Events())
    ClipSurvey(Stage.GPT, tmp_path, 54).report(lacking, Events())
    with pytest.raises(DatasetError, match=r"1 clips would be left out, the first: a: 61.2 s, over max_sec 54"):
        ClipSurvey(Stage.GPT, tmp_path, 54, strict=True).report(lacking, Events())


def test_few_long_clips_are_told(tmp_path: Path) -> None:
    for limit_s, told in ((54, True), (6, False)):
        events = Events()
        ClipSurvey(Stage.GPT, tmp_path, limit_s).report(numbers(30), events)
        assert any(isinstance(event, Warned) and "too few" in event.text for event in events.heard) is told


def test_batches_by_seconds() -> None:
    clips = numbers(40)
    for group in prepare(clips, batch_size=None, seconds=12.0, held_out=0.0).training.plan(0):
        assert len(group) * max(clips.lengths_s[index] for index in group) <= 12
        assert len(group) >= 1


def test_a_small_set_is_repeated_if_asked() -> None:
    found = prepare(numbers(12), repeat_below=40)
    trained = [item for group in found.training.plan(0) for item in group]
    assert sorted(trained) == sorted(list(range(12)) * 3)
    assert prepare(numbers(12), repeat_below=12).clips == 12


@every_case(("epochs", "max_steps"), [(6, None), (1, 60)])
def test_the_limit_rises_over_the_run(epochs: int, max_steps: int | None) -> None:
    clips = numbers(70)
    found = prepare(clips, held_out=0.0)
    rising = found.with_curriculum(phase_limits_s(3, 7, 3), epochs, max_steps, 2)
    seen: dict[float, int] = {}
    step = epoch = 0
    while (step < max_steps) if max_steps else (epoch < epochs):
        limit_s, plan = rising.training.limit_s(epoch), rising.training.plan(epoch)
        assert limit_s is not None
        longest = max(clips.lengths_s[index] for group in plan for index in group)
        assert longest <= limit_s
        updates = -(-len(plan) // 2)
        seen[limit_s] = seen.get(limit_s, 0) + (updates if max_steps else 1)
        step, epoch = step + updates, epoch + 1
    assert list(seen) == [3.0, 5.0, 7.0]
    shares = {3.0: 20, 5.0: 20} if max_steps else {3.0: 2, 5.0: 2, 7.0: 2}
    assert shares.items() <= seen.items()
    assert rising.fingerprint != found.fingerprint


def test_limits_without_clips_are_passed_over() -> None:
    rising = prepare(numbers(30)).with_curriculum(phase_limits_s(0.5, 7, 3), 4, None, 1)
    assert rising.training.limit_s(0) == 3.8
