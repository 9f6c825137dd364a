"""What is tried where checks found something: other seeds, then halves."""

from dataclasses import replace

import torch

from sovits_cli.inference.checks import Candidate, failed
from sovits_cli.inference.repairs import MAX_ATTEMPTS, REPAIRS, Rendition, Reseed, Split
from sovits_cli.text.utterances import Utterance
from sovits_cli.versions import VERSIONS


def utterance(*position, halves=()):
    index, *part = position
    split = lambda: [utterance(*position, number) for number in halves]  # noqa: E731
    return Utterance(index, "Words.", (0, 6), "en", (), 0.3, part=tuple(part), _split=split)


def candidate(spoken, penalty):
    found = {} if not penalty else {"alignment": failed("words may be missing", penalty)}
    return Candidate(spoken, 1, torch.ones(3), findings=found)


def rendition(spoken, penalty):
    return Rendition(spoken, (replace(candidate(spoken, penalty), tries=MAX_ATTEMPTS),))


class FakeSpeaker:
    """Speaks with penalties by position and attempt."""

    def __init__(self, penalties):
        self.penalties, self.asked = penalties, []

    def candidates(self, utterances, attempt):
        self.asked.append([one.position for one in utterances])
        for one in reversed(utterances):
            yield candidate(one, self.penalties[one.position][attempt - 1])

    def settled(self, utterances):
        return (rendition(one, self.penalties[one.position][0]) for one in utterances)


def test_every_version_lists_repairs_that_exist():
    assert all(set(version.repairs) <= REPAIRS.keys() for version in VERSIONS.values())


def test_other_seeds_are_tried_until_one_passes_and_the_best_is_kept():
    speaker = FakeSpeaker({(0,): (3.0, 0.0), (1,): (0.0,), (2,): (5.0, 5.0)})
    found = {one.position: one for one in Reseed()([rendition(utterance(index), 4.0) for index in range(3)], speaker)}
    assert speaker.asked == [[(0,), (1,), (2,)], [(0,), (2,)]]
    assert {place: one.penalty for place, one in found.items()} == {(0,): 0.0, (1,): 0.0, (2,): 4.0}
    assert [found[place,].candidates[0].tries for place in range(3)] == [3, 2, 3]


def test_halves_are_kept_where_the_worst_of_them_is_better():
    speaker = FakeSpeaker({(0, 0): (0.0,), (0, 1): (3.9,), (1, 0): (0.0,), (1, 1): (4.0,)})
    failing = [utterance(0, halves=(0, 1)), utterance(1, halves=(0, 1)), utterance(2)]
    first, second, third = Split()([rendition(one, 4.0) for one in failing], speaker)
    assert [one.utterance.position for one in first.candidates] == [(0, 0), (0, 1)]
    assert [one.tries for one in first.candidates] == [2 * MAX_ATTEMPTS, MAX_ATTEMPTS], "those of the whole count too"
    assert [one.utterance.position for one in second.candidates] == [(1,)], "no better"
    assert [one.utterance.position for one in third.candidates] == [(2,)], "cannot be cut"
