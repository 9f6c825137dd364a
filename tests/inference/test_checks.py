"""What each check finds, and in what order candidates that all fail are preferred."""

import math
from dataclasses import replace

import numpy as np
import torch

from sovits_cli.inference.checks import CHECKS, PASSED, Candidate, Verdict, check_sound, check_tokens, failed
from sovits_cli.text.reading import Piece
from sovits_cli.text.utterances import Utterance
from sovits_cli.versions import VERSIONS
from tests.differences import every_case

UTTERANCE = Utterance(0, "Hello.", (0, 6), "en", (Piece("en", "Hello.", "Hello.", ("AA0",) * 24 + (".",), None),), 0.0)
GOOD = Candidate(UTTERANCE, 1, torch.ones(50, dtype=torch.long))
NAMES = VERSIONS["mini"].checks


def test_every_version_lists_checks_that_exist():
    assert all(set(version.checks) <= CHECKS.keys() for version in VERSIONS.values())


@every_case(
    "change, found",
    [
        ({}, []),
        ({"tokens": torch.zeros(0)}, ["empty"]),
        ({"has_ended": False}, ["unfinished"]),
        ({"alignment_error": 0.16}, ["alignment"]),
        ({"alignment_error": 0.15}, []),
        ({"tokens": torch.ones(19), "alignment_error": 0.2}, ["alignment", "too_short"]),
        ({"tokens": torch.ones(19)}, []),
        ({"tokens": torch.ones(19), "has_ended": False, "alignment_error": 0.2}, ["unfinished", "too_short"]),
    ],
)
def test_what_tokens_tell(change, found):
    assert list(check_tokens(replace(GOOD, **change), NAMES).findings) == found


def test_what_is_heard_counts_unless_the_tokens_were_too_few():
    assert check_sound(replace(GOOD, wave=np.zeros(9), audible_s=0.8), NAMES).verdict == PASSED
    short = check_sound(replace(GOOD, wave=np.zeros(9), audible_s=0.5), NAMES).verdict
    assert short == failed("only 0.5 s are heard of about 1.6 s", 20.0 + 0.8 - 0.5)
    few = check_tokens(replace(GOOD, tokens=torch.ones(19), alignment_error=0.2), NAMES)
    assert check_sound(replace(few, audible_s=0.1), NAMES).verdict == few.verdict


def test_candidates_that_fail_are_ordered_by_what_weighs_most():
    failing = [
        replace(GOOD, alignment_error=0.2),
        replace(GOOD, alignment_error=math.inf),
        replace(GOOD, has_ended=False, alignment_error=0.1),
        replace(GOOD, has_ended=False, tokens=torch.ones(19)),
        replace(GOOD, tokens=torch.ones(0)),
    ]
    penalties = [check_tokens(one, NAMES).verdict.penalty for one in failing]
    assert penalties == sorted(penalties)
    assert (penalties[1], penalties[-1]) == (9.0, math.inf)


def test_verdicts_add_up():
    both = failed("too long", 1.0) + failed("too loud", 2.0)
    assert both == Verdict(("too long", "too loud"), 3.0)
    assert (both.reason, both.passed, PASSED.passed) == ("too long; too loud", False, True)
