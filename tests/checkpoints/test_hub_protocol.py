"""What the headers of an answer mean, and which answers are none of a hub."""

from __future__ import annotations

import httpx2
import pytest

from sovits_cli.checkpoints.hub_protocol import (
    Address,
    InterruptedTransferError,
    RemoteFile,
    RemoteInfo,
    body_offset,
    check_status,
    parse_remote_info,
    redirect_target,
)
from sovits_cli.errors import NetworkError
from tests.differences import every_case

REMOTE = RemoteFile("someone/voices", "folder/a.pth")
URL = "https://hub.example/someone/voices/resolve/main/folder/a.pth"
SHA, BLOB = "a" * 64, "b" * 40


def answer(status=200, **headers):
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return httpx2.Response(status, headers=named, request=httpx2.Request("GET", URL))


@every_case(
    "url, origin, encrypted, confidential, odd",
    [
        ("https://hub.example/a?b=c", ("https", "hub.example", 443), True, True, False),
        ("http://hub.example:80/", ("http", "hub.example", 80), False, False, False),
        ("http://localhost:8080", ("http", "localhost", 8080), False, True, True),
        ("https://user:secret@hub.example:444", ("https", "hub.example", 444), True, True, True),
    ],
)
def test_addresses(url, origin, encrypted, confidential, odd):
    found = Address(url)
    assert (found.origin, found.is_encrypted, found.is_confidential, found.has_odd_port) == (
        origin,
        encrypted,
        confidential,
        odd,
    )
    assert "secret" not in str(found)
    assert "?" not in str(found)


@every_case("url", ["ftp://a", "mirror", "http://", "https:///a", "file:///etc/passwd"])
def test_what_is_no_address(url):
    with pytest.raises(ValueError, match="no HTTP address"):
        Address(url)


@every_case(
    "headers, wanted",
    [
        ({"ETag": f'"{SHA}"', "Content_Length": "10"}, RemoteInfo(URL, SHA, 10, None)),
        ({"ETag": f'W/"{BLOB}"'}, RemoteInfo(URL, BLOB, None, None)),
        (
            {"ETag": f'"{BLOB}"', "X_Linked_ETag": f'"{SHA}"', "X_Linked_Size": "7", "Content_Length": "9"},
            RemoteInfo(URL, SHA, 7, None),
        ),
        ({"ETag": SHA, "X_Repo_Commit": BLOB}, RemoteInfo(URL, SHA, None, BLOB)),
        ({"ETag": SHA, "X_Repo_Commit": "main"}, RemoteInfo(URL, SHA, None, None)),
        ({"ETag": SHA, "Content_Length": "1" * 30}, RemoteInfo(URL, SHA, None, None)),
    ],
)
def test_what_the_hub_says_of_a_file(headers, wanted):
    assert parse_remote_info(URL, answer(**headers), REMOTE) == wanted
    assert wanted.sha256 == (SHA if wanted.checksum == SHA else None)


@every_case("headers", [{}, {"ETag": '"5d8c72a5edda8"'}, {"ETag": SHA[:63]}, {"ETag": "g" * 64}])
def test_without_a_checksum_it_is_no_hub(headers):
    with pytest.raises(NetworkError, match="what answers is no hub"):
        parse_remote_info(URL, answer(**headers), REMOTE)


def test_a_size_is_held_to_what_is_known():
    for remote, size in ((REMOTE, "9" * 11), (RemoteFile("a", "b.json"), "99999999"), (RemoteFile("a", "b", 10), "11")):
        with pytest.raises(NetworkError, match="is said to have"):
            parse_remote_info(URL, answer(ETag=SHA, Content_Length=size), remote)


@every_case(
    "status, headers, start, wanted",
    [
        (200, {}, 0, 0),
        (200, {"Content_Length": "10"}, 4, 0),
        (206, {"Content_Length": "6", "Content_Range": "bytes 4-9/10"}, 4, 4),
        (206, {"Content_Length": "6", "Content_Range": "bytes 3-9/10"}, 4, "another part of it"),
        (206, {"Content_Length": "6"}, 4, "another part of it"),
        (200, {"Content_Length": "11"}, 0, "it sends 11 bytes, expected 10"),
        (200, {"Content_Encoding": "gzip"}, 0, "it comes packed"),
    ],
)
def test_where_a_body_begins(status, headers, start, wanted):
    info = RemoteInfo(URL, SHA, 10, None)
    if isinstance(wanted, int):
        assert body_offset(answer(status, **headers), info, start, REMOTE) == wanted
    else:
        with pytest.raises(NetworkError, match=wanted):
            body_offset(answer(status, **headers), info, start, REMOTE)


def test_which_failures_are_worth_another_try():
    for status in (200, 206, 302):
        check_status(answer(status), REMOTE)
    for status in (408, 429, 500, 502, 503, 504):
        with pytest.raises(InterruptedTransferError, match=f"answers {status}"):
            check_status(answer(status), REMOTE)
    for status in (401, 403, 404):
        with pytest.raises(NetworkError, match=f"answers {status}") as caught:
            check_status(answer(status), REMOTE)
        assert not isinstance(caught.value, InterruptedTransferError)
    with pytest.raises(NetworkError, match="is not on the hub any more"):
        check_status(answer(404, X_Error_Code="EntryNotFound"), REMOTE)


def test_redirects_lead_to_addresses():
    assert redirect_target(URL, answer(302, Location="/b"), REMOTE).url == "https://hub.example/b"
    assert redirect_target(URL, answer(302, Location="https://cdn.example/c"), REMOTE).host == "cdn.example"
    with pytest.raises(NetworkError, match="it leads to no address"):
        redirect_target(URL, answer(302, Location="file:///etc/passwd"), REMOTE)
