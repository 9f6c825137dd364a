"""One writer per folder: the second is told who is there, a dead one is nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import filelock
import pytest

from sovits_cli import locks
from sovits_cli.errors import ResourceError
from sovits_cli.locks import HOLDER_FILE, LOCK_FILE, held

HOLDER = """
import sys
from pathlib import Path
from sovits_cli.locks import held

with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder `shared`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "shared")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "held\n"
        yield running
        running.kill()


def names(folder):
    return sorted(child.name for child in folder.iterdir())


def test_the_second_is_told_who_is_there(tmp_path, holder):
    with pytest.raises(ResourceError, match=rf"shared: another sovits \(pid {holder.pid}, since \d+-.*:\d\d\) works"):
        held(tmp_path / "shared").__enter__()
    holder.communicate("")
    with held(tmp_path / "shared"):
        assert json.loads((tmp_path / "shared" / HOLDER_FILE).read_text())["pid"] == os.getpid()


def test_a_killed_holder_is_nobody(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert names(tmp_path / "shared") == [LOCK_FILE, HOLDER_FILE]
    with held(tmp_path / "shared"):
        assert json.loads((tmp_path / "shared" / HOLDER_FILE).read_text())["pid"] == os.getpid()
    assert names(tmp_path / "shared") == []


def test_another_folder_is_free(tmp_path, holder):
    with held(tmp_path / "own"), held(tmp_path / "third"):
        pass


def test_a_thread_of_the_same_process_is_another_one(tmp_path):
    found = []

    def attempt():
        try:
            with held(tmp_path):
                found.append("got in")
        except ResourceError as error:
            found.append(error.message)

    with held(tmp_path):
        for _ in range(2):
            thread = Thread(target=attempt)
            thread.start()
            thread.join()
    assert len(found) == 2
    assert all(f"(pid {os.getpid()}, since" in told for told in found)


def test_a_new_folder_with_nothing_in_it_goes_again(tmp_path):
    (tmp_path / "old").mkdir()
    for name in ("old", "new", "filled"):
        with held(tmp_path / name):
            assert LOCK_FILE in names(tmp_path / name)
            if name == "filled":
                (tmp_path / name / "a.txt").write_text("a")
    assert names(tmp_path) == ["filled", "old"]
    assert names(tmp_path / "filled") == ["a.txt"]


def test_released_where_the_work_fails(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), held(tmp_path / "new"):
            raise KeyError
    assert names(tmp_path) == []


def test_a_folder_that_went_away_meanwhile(tmp_path):
    with held(tmp_path / "here"):
        (tmp_path / "here").rename(tmp_path / "there")
    with held(tmp_path / "there"):
        pass


@pytest.mark.parametrize("path", ["file", "file/below", f"linked/{LOCK_FILE}"])
def test_what_cannot_be_locked(tmp_path, path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / LOCK_FILE).symlink_to(tmp_path / "outside")
    with pytest.raises(ResourceError, match="cannot write"):
        held(tmp_path / path.removesuffix(f"/{LOCK_FILE}")).__enter__()
    assert not (tmp_path / "outside").exists()


def test_a_link_in_the_place_of_the_holder_is_not_written_through(tmp_path):
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / HOLDER_FILE).symlink_to(tmp_path / "outside")
    with held(tmp_path / "in"):
        assert (tmp_path / "outside").read_text() == "mine"


def _said(**changes):
    return json.dumps({"pid": 7, "host": "studio", "since": "2026-11-27T08:30:00+00:00", **changes})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (_said(), "(pid 7 on studio, since 2026-11-27 "),
        (_said(host="s" * 1000), f"(pid 7 on {'s' * 64}, since"),
        (_said(since="soon"), "another sovits works here"),
        (_said(pid="x"), "another sovits works here"),
        ("[" * 100_000, "another sovits works here"),
        ("", "another sovits works here"),
    ],
)
def test_what_a_holder_says_of_itself(tmp_path, monkeypatch, said, told):
    monkeypatch.setattr(locks, "_HOLDER_WAIT_S", 0)
    with held(tmp_path):
        (tmp_path / HOLDER_FILE).write_text(said)
        with pytest.raises(ResourceError) as caught:
            held(tmp_path).__enter__()
    assert told in caught.value.message
    assert "wait until it is done" in caught.value.hint


def test_a_lock_file_removed_before_it_was_locked_is_taken_anew(tmp_path, monkeypatch):
    """The one before removes its file between our opening and our locking it, on a file system that does not tell."""
    acquire, calls = filelock.FileLock.acquire, []

    def late(self, *args, **kwargs):
        found = acquire(self, *args, **kwargs)
        calls.append(self)
        if len(calls) == 1:
            Path(self.lock_file).unlink()
        return found

    monkeypatch.setattr(filelock.FileLock, "acquire", late)
    with held(tmp_path):
        assert len(calls) == 2
        assert LOCK_FILE in names(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_file_system_without_locks(tmp_path):
    """There the process that is named in the lock file is looked for."""
    code = f"""
import errno, fcntl, os, sys, warnings
warnings.simplefilter("ignore")
def none(*_):
    raise OSError(errno.ENOSYS, "no locks here")
fcntl.flock = none
{HOLDER}
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        second = subprocess.run(command, input="", capture_output=True, text=True, check=False)
        assert f"another sovits (pid {first.pid}, since" in second.stderr
        first.kill()
        first.wait()
    third = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert third.stdout == "held\n", third.stderr
    assert names(tmp_path) == []


@pytest.fixture
def dead():
    """The number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


KEPT = [
    ".a.txt",
    "a.partial.wav",
    ".s2G.pth.0123456789ab.partial",
    ".config.json.0123456789ab.partial",
    "b.wav",
    ".slicing",
]


def test_leftovers_of_the_dead_are_cleared(tmp_path, dead):
    folder = tmp_path / "in"
    gone = [f".{dead}-01ab23cd.partial.pt", f".{dead}-01ab23cd.partial", ".0123456789ab.partial.json"]
    for place in (folder, folder / "state", folder / "state" / "deeper"):
        place.mkdir()
        for name in (*gone, *KEPT):
            (place / name).write_text("x")
        (place / f".slicing-{dead}-01ab23cd").mkdir()
        (place / f".slicing-{dead}-01ab23cd" / "half.wav").write_text("x")
    with held(folder):
        pass
    assert names(folder) == sorted([*KEPT, "state"])
    assert names(folder / "state") == sorted([*KEPT, "deeper"])
    assert len(names(folder / "state" / "deeper")) == len(gone) + len(KEPT) + 1


def test_those_of_the_living_are_not(tmp_path, dead):
    """Nor is what a link leads to: the folder may be anybody's."""
    other = tmp_path / "other"
    other.mkdir()
    theirs = other / f".{dead}-01ab23cd.partial.wav"
    theirs.write_text("x")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link").symlink_to(other)
    mine = [folder / f".{os.getpid()}-01ab23cd.partial.wav", folder / f".{os.getppid()}-01ab23cd.partial.wav"]
    staging = folder / f".slicing-{os.getpid()}-01ab23cd"
    staging.mkdir()
    for path in mine:
        path.write_text("x")
    with held(folder):
        pass
    assert theirs.exists()
    assert staging.exists()
    assert all(path.exists() for path in mine)


def test_a_number_that_another_process_has_now(tmp_path):
    """As in containers, where every first process is number one."""
    path = tmp_path / f".{os.getpid()}-01ab23cd.partial.wav"
    path.write_text("x")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    with held(tmp_path):
        pass
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="kill")
def test_what_a_killed_writer_leaves_is_of_that_kind(tmp_path):
    code = "import os, sys\nfrom pathlib import Path\nfrom sovits_cli.files import atomic\n"
    code += "with atomic(Path(sys.argv[1])) as place:\n    place.write_text('half')\n    os.kill(os.getpid(), 9)\n"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "state" / "a.pt")], check=False)
    assert len(names(tmp_path / "state")) == 1
    with held(tmp_path):
        pass
    assert names(tmp_path / "state") == []
