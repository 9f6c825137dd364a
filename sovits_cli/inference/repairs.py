"""Repairs: what is tried where the checks found something, one after the other.

To add a repair: a class here, its row in `REPAIRS`, and its name in the list of a version (`versions.py`). Knows no
networks: it asks a `CandidateSource` for candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sovits_cli.inference.checks import Candidate
from sovits_cli.text.utterances import Utterance

MAX_ATTEMPTS = 3
"""How often an utterance, or a part of one that was split, is spoken until it passes the checks."""

Position = tuple[int, ...]


@dataclass(frozen=True)
class Rendition:
    """An utterance as it is to be heard: one candidate for the whole of it, or one for each of its parts."""

    utterance: Utterance
    candidates: tuple[Candidate, ...]

    @property
    def position(self) -> Position:
        """Where in the text it is."""
        return self.utterance.position

    @property
    def penalty(self) -> float:
        """That of the worst of its candidates."""
        return max(one.verdict.penalty for one in self.candidates)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with any."""
        return all(one.verdict.passed for one in self.candidates)


class CandidateSource(Protocol):
    """What speaks for a repair."""

    def candidates(self, utterances: Sequence[Utterance], attempt: int) -> Iterator[Candidate]:
        """Speak each utterance once, with the seeds of this attempt; they come as they end."""

    def settled(self, utterances: Sequence[Utterance]) -> Iterator[Rendition]:
        """Speak, check and repair utterances; they come as they are done."""


class Repair(Protocol):
    """One way to make a rendition better."""

    def __call__(self, failed: Sequence[Rendition], speaker: CandidateSource) -> Iterator[Rendition]:
        """Give each of the failed renditions again, mended, better than before, or as it was.

        They come as they are done. What failed is given in the order of the text.
        """


class Reseed:
    """Speak again with other seeds, up to `MAX_ATTEMPTS` in all; the best candidate is kept."""

    def __call__(self, failed: Sequence[Rendition], speaker: CandidateSource) -> Iterator[Rendition]:
        """See `Repair`."""
        # each attempt speaks what still fails, all of it side by side; ties go to the earlier candidate
        best: dict[Position, Candidate] = {one.position: one.candidates[0] for one in failed}
        for attempt in range(1, MAX_ATTEMPTS):
            again = [candidate.utterance for _, candidate in sorted(best.items())]
            for candidate in speaker.candidates(again, attempt):
                position = candidate.utterance.position
                better = min(best[position], candidate, key=lambda one: one.verdict.penalty)
                best[position] = replace(better, tries=attempt + 1)
                if better.verdict.passed:
                    yield Rendition(better.utterance, (best.pop(position),))
        for candidate in best.values():
            yield Rendition(candidate.utterance, (candidate,))


# Halves are utterances like any other: they are spoken, checked and repaired, and so may be cut again themselves, as
# far as `Utterance.split` goes. `speaker.settled` calls this repair again for them:
#
#     (1,)      penalty 0.31   "One, two. Three, four, five."
#     (1, 0)    0              "One, two."
#     (1, 1)    0.28                      "Three, four, five."
#     (1, 1, 0) 0                         "Three,"
#     (1, 1, 1) 0                                 "four, five."       kept: (1, 0), (1, 1, 0), (1, 1, 1)
class Split:
    """Cut an utterance in two and speak the halves; they are kept where the worst of them is better than the whole."""

    def __call__(self, failed: Sequence[Rendition], speaker: CandidateSource) -> Iterator[Rendition]:
        """See `Repair`."""
        parts = {whole.position: whole.utterance.split() for whole in failed}
        every = [part for whole in failed for part in parts[whole.position]]
        spoken = {one.position: one for one in speaker.settled(every)}
        for whole in failed:
            candidates = [one for part in parts[whole.position] for one in spoken.pop(part.position).candidates]
            if candidates:  # the first also counts the attempts at the whole
                candidates[0] = replace(candidates[0], tries=candidates[0].tries + whole.candidates[0].tries)
            split = Rendition(whole.utterance, tuple(candidates))
            yield split if candidates and split.penalty < whole.penalty else whole


REPAIRS: dict[str, Repair] = {"reseed": Reseed(), "split": Split()}
"""By the names that versions list; they are tried in the order of that list."""
