"""One file from a hub that serves it, cuts connections, and lies."""

from __future__ import annotations

import hashlib

import pytest

from sovits_cli.checkpoints import download, hub_client, hub_protocol
from sovits_cli.checkpoints.download import download_file
from sovits_cli.checkpoints.hub_protocol import RemoteFile
from sovits_cli.errors import ModelError, NetworkError, ResourceError
from tests.checkpoints.hub import BODY, PORTAL, REMOTE, SHA
from tests.differences import every_case


def test_whole(hub, tmp_path):
    told = []
    target = tmp_path / "deep" / "a.pth"
    assert download_file(REMOTE, target, on_progress=lambda here, total: told.append((here, total))).sha256 == SHA
    assert target.read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    assert [path.name for path in target.parent.iterdir()] == ["a.pth"]


def test_cut_connections_are_gone_on_with(hub, tmp_path):
    hub.cut_after[str(REMOTE)] = [100_000, 50_000]
    assert download_file(REMOTE, tmp_path / "a.pth").sha256 == SHA
    assert (tmp_path / "a.pth").read_bytes() == BODY
    assert hub.sent[str(REMOTE)] == len(BODY)


def test_a_new_try_goes_on_where_the_last_one_ended(hub, tmp_path):
    hub.cut_after[str(REMOTE)] = [200_000] + [0] * 20
    with pytest.raises(NetworkError, match=r"someone/voices/folder/a.pth cannot be fetched") as caught:
        download_file(REMOTE, tmp_path / "a.pth")
    assert "HF_ENDPOINT" in caught.value.hint
    assert not (tmp_path / "a.pth").exists()
    hub.cut_after.clear()
    assert download_file(REMOTE, tmp_path / "a.pth").sha256 == SHA
    assert hub.sent[str(REMOTE)] == len(BODY)


def test_another_file_is_not_gone_on_with(hub, tmp_path):
    hub.cut_after[str(REMOTE)] = [200_000] + [0] * 20
    with pytest.raises(NetworkError):
        download_file(REMOTE, tmp_path / "a.pth")
    hub.cut_after.clear()
    hub.files[str(REMOTE)] = BODY[::-1]
    download_file(REMOTE, tmp_path / "a.pth")
    assert (tmp_path / "a.pth").read_bytes() == BODY[::-1]


def test_a_hub_that_lies_about_the_hash(hub, tmp_path):
    hub.tags[str(REMOTE)] = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(NetworkError, match="is not the file it should be: its SHA-256 begins with") as caught:
        download_file(REMOTE, tmp_path / "a.pth")
    assert "not to be trusted" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_hash_known_beforehand(hub, tmp_path):
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(NetworkError, match=f"begins with {SHA[:12]}, expected {other[:12]}"):
        download_file(REMOTE, tmp_path / "a.pth", sha256=other)
    assert not hub.sent, "a file announced as another one is not even fetched"
    assert download_file(REMOTE, tmp_path / "a.pth", sha256=SHA).sha256 == SHA


def test_small_files_are_tagged_as_git_does(hub, tmp_path):
    hub.files[str(REMOTE)] = b"{}"
    download_file(REMOTE, tmp_path / "a.json")
    hub.tags[str(REMOTE)] = "a" * 40
    with pytest.raises(NetworkError, match="is not the file it should be"):
        download_file(REMOTE, tmp_path / "b.json")


@every_case("claimed", [len(BODY) - 1, 200])
def test_a_hub_that_lies_about_the_size(hub, tmp_path, claimed):
    hub.sizes[str(REMOTE)] = claimed
    with pytest.raises(NetworkError):
        download_file(REMOTE, tmp_path / "a.pth")
    assert not (tmp_path / "a.pth").exists()


@every_case(("status", "said"), [(404, "is not on the hub any more"), (403, "cannot be fetched")])
def test_a_hub_that_refuses(hub, tmp_path, status, said):
    hub.broken[str(REMOTE)] = status
    with pytest.raises(NetworkError, match=said):
        download_file(REMOTE, tmp_path / "a.pth")


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NetworkError, match="cannot be fetched"):
        download_file(REMOTE, tmp_path / "a.pth")


@pytest.mark.usefixtures("hub")
def test_no_room(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match=r"0\.0 GB free"):
        download_file(REMOTE, tmp_path / "a.pth")


@pytest.mark.usefixtures("hub")
def test_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot write"):
        download_file(REMOTE, tmp_path / "file" / "a.pth")


class TestWhoAnswers:
    """What is believed of an answer, and what is refused before a byte is kept."""

    @every_case("tag", ["", '"5d8c72a5edda8"', 'W/"abc"', '"' + "g" * 64 + '"'])
    def test_a_login_page(self, hub, tmp_path, tag):
        hub.portal, hub.portal_tag = PORTAL, tag
        with pytest.raises(NetworkError, match=r"what answers is no hub \((it has no|its) ETag") as caught:
            download_file(REMOTE, tmp_path / "a.pth")
        assert "login page" in caught.value.hint
        assert not list(tmp_path.iterdir())

    @every_case("tag", ["", "no-hash-at-all", SHA[:63]])
    def test_a_tag_that_is_no_checksum(self, hub, tmp_path, tag):
        hub.tags[str(REMOTE)] = tag
        for known in (None, SHA):
            with pytest.raises(NetworkError, match="what answers is no hub"):
                download_file(REMOTE, tmp_path / "a.pth", sha256=known)
        assert not hub.sent

    def test_a_login_page_in_place_of_the_bytes(self, hub, tmp_path):
        hub.portal, hub.portal_to = PORTAL, ("GET",)
        with pytest.raises(NetworkError, match=rf"no hub \(it sends {len(PORTAL)} bytes, expected {len(BODY)}\)"):
            download_file(REMOTE, tmp_path / "a.pth")
        hub.portal = None
        assert download_file(REMOTE, tmp_path / "a.pth").sha256 == SHA

    def test_what_was_begun_is_not_believed_either(self, hub, tmp_path):
        hub.cut_after[str(REMOTE)] = [200_000] + [0] * 20
        with pytest.raises(NetworkError):
            download_file(REMOTE, tmp_path / "a.pth")
        hub.cut_after.clear()
        (begun,) = tmp_path.iterdir()
        begun.write_bytes(PORTAL + begun.read_bytes()[len(PORTAL) :])
        assert download_file(REMOTE, tmp_path / "a.pth").sha256 == SHA
        assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]

    def test_a_login_page_elsewhere(self, hub, tmp_path):
        hub.leads[str(REMOTE)], hub.bare = "http://portal.invalid/login?back=1", True
        with pytest.raises(NetworkError, match=r"no hub \(it leads to http://portal\.invalid\)"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_what_is_recognised_as_something_else(self, hub, tmp_path):
        def refuse(path):
            raise ModelError(f"{path} is a GPT model: expected a vocoder")

        with pytest.raises(NetworkError, match=r"a\.pth is not the file it should be: is a GPT model: expected a v"):
            download_file(REMOTE, tmp_path / "a.pth", verify=refuse)
        assert not list(tmp_path.iterdir()), "neither under its name nor to be gone on with"
        assert download_file(REMOTE, tmp_path / "a.pth", verify=lambda _: "a vocoder").what == "a vocoder"


class TestLimits:
    """No transfer lasts for ever or fills the disk."""

    def test_a_size_nobody_believes(self, hub, tmp_path):
        hub.sizes[str(REMOTE)] = 10**15
        with pytest.raises(NetworkError, match="said to have 1000000000000000 bytes: expected at most 4000000000"):
            download_file(REMOTE, tmp_path / "a.pth")
        assert not hub.sent

    def test_a_size_known_beforehand(self, hub, tmp_path):
        with pytest.raises(NetworkError, match=f"said to have {len(BODY)} bytes: expected 5"):
            download_file(RemoteFile(REMOTE.repo, REMOTE.path, size_bytes=5), tmp_path / "a.pth")
        assert (
            download_file(RemoteFile(REMOTE.repo, REMOTE.path, size_bytes=len(BODY)), tmp_path / "a.pth").sha256 == SHA
        )

    def test_more_than_was_announced(self, hub, tmp_path):
        hub.endless[str(REMOTE)] = 1000
        with pytest.raises(NetworkError, match=f"more than {len(BODY)} bytes come"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_a_size_that_is_not_said(self, hub, tmp_path, monkeypatch):
        hub.sizes[str(REMOTE)] = None
        assert download_file(REMOTE, tmp_path / "a.pth").sha256 == SHA
        hub.endless[str(REMOTE)] = 1000
        monkeypatch.setattr(hub_protocol, "MAX_WEIGHTS_DOWNLOAD_BYTES", 500_000)
        with pytest.raises(NetworkError, match="more than 500000 bytes come"):
            download_file(REMOTE, tmp_path / "b.pth")

    def test_text_is_small(self):
        assert RemoteFile("a/b", "c/config.json").max_bytes < 20_000_000 < RemoteFile("a/b", "c.pth").max_bytes

    def test_letter_by_letter(self, hub, tmp_path, monkeypatch):
        monkeypatch.setattr(hub_client, "SPEED_WINDOW_S", 0.2)
        hub.drip_s[str(REMOTE)] = 0.01
        with pytest.raises(NetworkError, match="comes too slowly"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_a_head_letter_by_letter(self, hub, tmp_path, monkeypatch):
        monkeypatch.setattr(hub_client, "RESPONSE_TIMEOUT_S", 0.2)
        hub.head_drip_s = 0.05
        with pytest.raises(NetworkError, match="no answer in"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_silence(self, hub, tmp_path, monkeypatch):
        monkeypatch.setattr(hub_client, "_READ_TIMEOUT_S", 0.1)
        hub.drip_s[str(REMOTE)] = 5
        with pytest.raises(NetworkError, match="timed out"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_a_server_that_cannot_go_on_in_the_middle(self, hub, tmp_path):
        hub.whole_only = True
        hub.cut_after[str(REMOTE)] = [100_000]
        assert download_file(REMOTE, tmp_path / "a.pth").sha256 == SHA
        assert (tmp_path / "a.pth").read_bytes() == BODY

    def test_what_was_begun_of_another_content_is_removed(self, hub, tmp_path):
        hub.cut_after[str(REMOTE)] = [200_000] + [0] * 20
        with pytest.raises(NetworkError):
            download_file(REMOTE, tmp_path / "a.pth")
        assert len(list(tmp_path.iterdir())) == 1
        hub.cut_after.clear()
        hub.files[str(REMOTE)] = BODY[::-1]
        download_file(REMOTE, tmp_path / "a.pth")
        assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]
