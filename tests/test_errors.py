"""The containment of one item's failure: what stays with the item, and what stops the batch."""

from __future__ import annotations

import errno

import pytest

from sovits_cli.errors import (
    AudioError,
    ModelError,
    ResourceError,
    SovitsError,
    UnforeseenError,
    UsageError,
    contained,
)
from tests.differences import every_case


def handled(error: BaseException) -> list[SovitsError]:
    """Raise an error within `contained`; what was handed over."""
    failures: list[SovitsError] = []
    with contained(failures.append):
        raise error
    return failures


def test_what_raises_nothing_fails_nothing() -> None:
    failures: list[SovitsError] = []
    with contained(failures.append):
        pass
    assert failures == []


def test_the_fault_of_an_item_is_handed_over_as_it_is() -> None:
    error = AudioError("a.wav is empty")
    assert handled(error) == [error]


def test_an_unexpected_exception_is_ours_and_keeps_its_traceback() -> None:
    error = KeyError("٣")
    (failure,) = handled(error)
    assert isinstance(failure, UnforeseenError)
    assert failure.exit_code == 1
    assert failure.message == "internal error: KeyError: '٣'"
    assert failure.__cause__ is error
    assert error.__traceback__ is not None


@every_case(
    "error",
    [
        ModelError("no model"),
        UsageError("no flag"),
        ResourceError("no disk"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        OSError(errno.ENOSPC, "no space"),
        OSError(errno.EDQUOT, "quota"),
        KeyboardInterrupt(),
    ],
)
def test_what_strikes_every_item_stops_the_batch(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        handled(error)
    assert caught.value is error
