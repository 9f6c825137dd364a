"""What every test stands on: user directories of its own, no SOVITS_ variables of the machine, events kept."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a worker: before torch is first imported

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from sovits_cli.events import Event

settings.register_profile("sovits", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("sovits")


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`pytest -m gpu` stays in one process: the tests are few, and each further process would start CUDA anew."""
    return 0 if config.option.markexpr == "gpu" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of a GPU are skipped where there is none, however they were chosen."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a GPU, and torch sees none here")


class Heard:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


Measured = Callable[[float, float, str], None]
"""Takes a deviation, the most it may be, and what deviates."""


_TOO_FAR = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Measured:
    """Hold a deviation to its limit, and note it for `tests.tools.parity_table`; all that are too far fail together."""
    too_far = request.node.stash.setdefault(_TOO_FAR, [])

    def hold(deviation: float, limit: float, what: str) -> None:
        record_property(what, (float(deviation), float(limit)))
        if not deviation <= limit:
            too_far.append(f"{what}: off by {deviation:.1e}, {limit:.0e} at most")

    return hold


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test ends with every deviation of its own that is too far."""
    result = yield
    if too_far := pyfuncitem.stash.get(_TOO_FAR, None):
        pytest.fail(f"{len(too_far)} too far:\n  " + "\n  ".join(too_far), pytrace=False)
    return result


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's is read or written."""
    for name in list(os.environ):
        if name.startswith("SOVITS_") and name != "SOVITS_GOLDEN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("SOVITS_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
