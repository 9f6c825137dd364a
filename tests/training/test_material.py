"""The held-out share, the reasons, and the fingerprint of the order of batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from sovits_cli.data.layout import LeftOut
from sovits_cli.terms import Stage
from sovits_cli.training import material
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


def prepare(clips: Numbers, *, batch_size: int = 4, seed: int = 1, most: int = 8) -> material.Material[ToyBatch]:
    return material.prepare(
        clips, collate, batch_size=batch_size, seed=seed, workers=0, most_held_out=most, reporter=Events()
    )


@pytest.mark.parametrize(
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
    batch = found.training.feed._load(trained[:3])
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
            LeftOut("a", "61.2 s, over max_sec 54"),
            LeftOut("b", "70.0 s, over max_sec 54"),
            LeftOut("c", "0.31 s, under min_sec 0.6"),
            LeftOut("d", "31.0 phones per second, expected 3..25: does the text fit the audio?"),
            LeftOut("e", "no row in 6-name2semantic.tsv"),
        ),
    )
    events = Events()
    material.tell(Stage.GPT, clips, tmp_path, events)
    told = events.texts()
    assert "9 clips kept, 0:00:31; 5 left out" in told
    assert "2 clips left out: over max_sec 54" in told
    assert "1 clips left out: under min_sec 0.6" in told
    assert "1 clips left out: phones per second, expected 3..25" in told
    assert "Skipped(item='e'" in told
    assert "Skipped(item='a'" not in told
    assert len((tmp_path / "left_out-gpt.tsv").read_text().splitlines()) == 5
