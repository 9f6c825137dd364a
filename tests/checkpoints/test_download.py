"""One file from a hub that serves it, cuts connections, and lies."""

from __future__ import annotations

import hashlib
import random

import pytest

from sovits_cli.checkpoints import download
from sovits_cli.checkpoints.download import Remote, fetch
from sovits_cli.errors import NetworkError, ResourceError
from tests.checkpoints.hub import Hub, serving

REMOTE = Remote("someone/voices", "folder/a.pth")
BODY = random.Random(1).randbytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The hub library waits a second before it goes on, and keeps what comes in pieces of 10 MB."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)


@pytest.fixture
def hub(monkeypatch):
    made = Hub({str(REMOTE): BODY})
    with serving(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


def test_whole(hub, tmp_path):
    told = []
    target = tmp_path / "deep" / "a.pth"
    assert fetch(REMOTE, target, heard=lambda here, total: told.append((here, total))) == SHA
    assert target.read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    assert [path.name for path in target.parent.iterdir()] == ["a.pth"]
    assert "authorization" not in str(hub.asked).lower()


def test_cut_connections_are_gone_on_with(hub, tmp_path):
    hub.cut_after[str(REMOTE)] = [100_000, 50_000]
    assert fetch(REMOTE, tmp_path / "a.pth") == SHA
    assert (tmp_path / "a.pth").read_bytes() == BODY
    assert hub.sent[str(REMOTE)] == len(BODY)


def test_a_new_try_goes_on_where_the_last_one_ended(hub, tmp_path):
    hub.cut_after[str(REMOTE)] = [200_000] + [0] * 20
    with pytest.raises(NetworkError, match=r"someone/voices/folder/a.pth cannot be fetched") as caught:
        fetch(REMOTE, tmp_path / "a.pth")
    assert "HF_ENDPOINT" in caught.value.hint
    assert not (tmp_path / "a.pth").exists()
    hub.cut_after.clear()
    assert fetch(REMOTE, tmp_path / "a.pth") == SHA
    assert hub.sent[str(REMOTE)] == len(BODY)


def test_another_file_is_not_gone_on_with(hub, tmp_path):
    hub.cut_after[str(REMOTE)] = [200_000] + [0] * 20
    with pytest.raises(NetworkError):
        fetch(REMOTE, tmp_path / "a.pth")
    hub.cut_after.clear()
    hub.files[str(REMOTE)] = BODY[::-1]
    fetch(REMOTE, tmp_path / "a.pth")
    assert (tmp_path / "a.pth").read_bytes() == BODY[::-1]


def test_a_hub_that_lies_about_the_hash(hub, tmp_path):
    hub.tags[str(REMOTE)] = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(NetworkError, match="is not the file it should be: its SHA-256 begins with") as caught:
        fetch(REMOTE, tmp_path / "a.pth")
    assert "not to be trusted" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_hash_known_beforehand(hub, tmp_path):
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(NetworkError, match=f"begins with {SHA[:12]}, expected {other[:12]}"):
        fetch(REMOTE, tmp_path / "a.pth", sha256=other)
    assert not hub.sent, "a file announced as another one is not even fetched"
    hub.tags[str(REMOTE)] = "no-hash-at-all"
    with pytest.raises(NetworkError, match=f"expected {other[:12]}"):
        fetch(REMOTE, tmp_path / "a.pth", sha256=other)
    assert fetch(REMOTE, tmp_path / "a.pth", sha256=SHA) == SHA


def test_small_files_are_tagged_as_git_does(hub, tmp_path):
    hub.files[str(REMOTE)] = b"{}"
    fetch(REMOTE, tmp_path / "a.json")
    hub.tags[str(REMOTE)] = "a" * 40
    with pytest.raises(NetworkError, match="is not the file it should be"):
        fetch(REMOTE, tmp_path / "b.json")


@pytest.mark.parametrize("claimed", [len(BODY) - 1, 200])
def test_a_hub_that_lies_about_the_size(hub, tmp_path, claimed):
    hub.sizes[str(REMOTE)] = claimed
    with pytest.raises(NetworkError):
        fetch(REMOTE, tmp_path / "a.pth")
    assert not (tmp_path / "a.pth").exists()


@pytest.mark.parametrize(("status", "said"), [(404, "is not on the hub any more"), (403, "cannot be fetched")])
def test_a_hub_that_refuses(hub, tmp_path, status, said):
    hub.broken[str(REMOTE)] = status
    with pytest.raises(NetworkError, match=said):
        fetch(REMOTE, tmp_path / "a.pth")


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match="cannot be fetched"):
        fetch(REMOTE, tmp_path / "a.pth")


@pytest.mark.usefixtures("hub")
def test_no_room(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match=r"0\.0 GB free"):
        fetch(REMOTE, tmp_path / "a.pth")


@pytest.mark.usefixtures("hub")
def test_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot write"):
        fetch(REMOTE, tmp_path / "file" / "a.pth")
