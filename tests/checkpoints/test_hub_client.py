"""Who is asked, what is sent, and where the bytes may come from."""

from __future__ import annotations

import pytest

from sovits_cli.checkpoints import hub_protocol
from sovits_cli.checkpoints.download import download_file
from sovits_cli.errors import NetworkError, UsageError
from tests.checkpoints.hub import BODY, REMOTE, SHA, Hub, serving
from tests.differences import every_case


class TestBytesElsewhere:
    """The hub leads to the host that has the bytes."""

    @pytest.fixture
    def store(self):
        made = Hub({"blob": BODY})
        with serving(made) as address:
            yield made, address.replace("127.0.0.1", "localhost")

    def test_an_odd_port_is_told(self, hub, store, tmp_path):
        made, address = store
        hub.leads[str(REMOTE)] = f"{address}/blob?signature=secret"
        made.files["blob?signature=secret"] = BODY
        told = []
        assert download_file(REMOTE, tmp_path / "a.pth", on_note=told.append).sha256 == SHA
        assert told == [f"{REMOTE} comes from {address}, an unusual port"]

    def test_a_path_on_the_same_host_is_not(self, hub, tmp_path):
        hub.leads[str(REMOTE)], hub.files["other"] = "/other", BODY
        told = []
        assert download_file(REMOTE, tmp_path / "a.pth", on_note=told.append).sha256 == SHA
        assert not told

    def test_other_bytes_than_the_hub_says(self, hub, store, tmp_path):
        made, address = store
        hub.leads[str(REMOTE)], made.files["blob"] = f"{address}/blob", BODY[::-1]
        with pytest.raises(NetworkError, match="is not the file it should be"):
            download_file(REMOTE, tmp_path / "a.pth")

    @every_case("place", ["ftp://127.0.0.1/a", "http://127.0.0.1:99999/", "file:///etc/passwd"])
    def test_no_address(self, hub, tmp_path, place):
        hub.leads[str(REMOTE)] = place
        with pytest.raises(NetworkError, match="it leads to no address"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_round_and_round(self, hub, tmp_path):
        hub.leads[str(REMOTE)] = f"/{REMOTE.repo}/resolve/main/{REMOTE.path}"
        with pytest.raises(NetworkError, match="redirected without end"):
            download_file(REMOTE, tmp_path / "a.pth")
        hub.bare = True
        with pytest.raises(NetworkError, match="redirected without end"):
            download_file(REMOTE, tmp_path / "a.pth")
        assert len(hub.asked) < 15


class TestNothingIsSent:
    def test_one_request_to_ask_and_one_to_fetch(self, hub, tmp_path):
        download_file(REMOTE, tmp_path / "a.pth")
        path = f"/{REMOTE.repo}/resolve/main/{REMOTE.path}"
        assert hub.asked == [f"HEAD {path}", f"GET {path}"]
        for headers in hub.told:
            assert headers.keys() == {"host", "user-agent", "accept", "accept-encoding", "connection"}
            assert headers["user-agent"] == "sovits"

    def test_a_token_goes_to_the_hub_alone(self, hub, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        store = Hub({"blob": BODY})
        with serving(store) as address:
            hub.leads[str(REMOTE)] = f"{address}/blob"
            download_file(REMOTE, tmp_path / "a.pth")
        assert [headers.get("authorization") for headers in hub.told] == ["Bearer hf_secret"] * 2
        assert "authorization" not in store.told[0]

    def test_a_token_is_not_sent_in_the_open(self):
        assert hub_protocol.Address("https://mirror.example").is_confidential
        assert not hub_protocol.Address("http://mirror.example").is_confidential

    def test_offline(self, hub, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(NetworkError, match="HF_HUB_OFFLINE"):
            download_file(REMOTE, tmp_path / "a.pth")
        assert not hub.asked

    @every_case("address", ["mirror", "ftp://a", "http://", "http://a:b"])
    def test_a_mirror_that_is_no_address(self, tmp_path, monkeypatch, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(UsageError, match="HF_ENDPOINT is"):
            download_file(REMOTE, tmp_path / "a.pth")

    def test_a_proxy_that_cannot_be_used(self, hub, tmp_path, monkeypatch):
        monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1")
        with pytest.raises(NetworkError, match="proxy or certificate"):
            download_file(REMOTE, tmp_path / "a.pth")
