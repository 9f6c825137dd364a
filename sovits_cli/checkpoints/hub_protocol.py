"""What the hub and we say to each other: addresses, files, and what the headers of an answer mean.

Sends nothing; `hub_client.py` does. Every answer is doubted: a portal, a mirror or a proxy may have given it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx2

from sovits_cli.errors import NetworkError

_PORTS = {"https": 443, "http": 80}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

OFFICIAL_HUB = "https://huggingface.co"

MAX_WEIGHTS_DOWNLOAD_BYTES, MAX_JSON_DOWNLOAD_BYTES = 4_000_000_000, 16_000_000
"""No published file is larger: weights, and JSON beside them."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

_GIT_BLOB = re.compile(r"[0-9a-f]{40}")

_RETRYABLE_STATUS = {408, 429, 500, 502, 503, 504}

RETRY = "try again: what is here already is kept; HF_ENDPOINT=https://… names a mirror"


class Address:
    """An HTTP address.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"no HTTP address: {url}")
        self.url = url
        self.scheme, self.host, self.port = parts.scheme, parts.hostname, parts.port

    def __str__(self) -> str:
        """Without path and query, which may hold a signature, and without a password."""
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is asked: scheme, host and port."""
        return self.scheme, self.host, self.port or _PORTS[self.scheme]

    @property
    def is_encrypted(self) -> bool:
        """Whether it is HTTPS."""
        return self.scheme == "https"

    @property
    def is_confidential(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.is_encrypted or self.host in _LOOPBACK

    @property
    def has_odd_port(self) -> bool:
        """Whether it is not the port of its scheme."""
        return self.port not in (None, _PORTS[self.scheme])


class InterruptedTransferError(NetworkError):
    """A transfer that stopped on the way: it may be gone on with."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub: repository, path in it, and its size where that is known beforehand."""

    repo: str
    path: str
    size_bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.repo}/{self.path}"

    @property
    def max_bytes(self) -> int:
        """The largest size that is believed."""
        if self.size_bytes is not None:
            return self.size_bytes
        return MAX_JSON_DOWNLOAD_BYTES if self.path.endswith(".json") else MAX_WEIGHTS_DOWNLOAD_BYTES


@dataclass(frozen=True)
class RemoteInfo:
    """What the hub says of a file.

    Args:
        url: where to ask for its bytes.
        checksum: its SHA-256, or for small files the name that git has for it (SHA-1 of a header and the content).
        size: in bytes, where it is said.
        revision: commit of the repository, where it is said.
    """

    url: str
    checksum: str
    size: int | None
    revision: str | None

    @property
    def sha256(self) -> str | None:
        """The checksum, if it is one."""
        return self.checksum if _SHA256.fullmatch(self.checksum) else None


def redirect_target(url: str, answer: httpx2.Response, remote: RemoteFile) -> Address:
    """Where a redirect leads. Raises NetworkError: to no address."""
    try:
        return Address(urljoin(url, answer.headers.get("Location", "")))
    except ValueError as error:
        raise NetworkError(f"{remote} cannot be fetched: it leads to no address", hint=RETRY) from error


def parse_remote_info(url: str, answer: httpx2.Response, remote: RemoteFile) -> RemoteInfo:
    """Read what an answer says; an answer without a checksum is not that of a hub."""
    headers = answer.headers
    raw = headers.get("X-Linked-ETag") or headers.get("ETag") or ""
    checksum = raw.removeprefix("W/").strip('"')
    if not (_SHA256.fullmatch(checksum) or _GIT_BLOB.fullmatch(checksum)):
        shown = f"its ETag is {raw[:80]!r}" if raw else "it has no ETag"
        raise not_a_hub(remote, f"{shown}, expected a checksum")
    length = headers.get("X-Linked-Size") or (None if answer.is_redirect else headers.get("Content-Length"))
    size = int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None
    if size is not None and (size > remote.max_bytes or remote.size_bytes not in (None, size)):
        expected = f"at most {remote.max_bytes}" if remote.size_bytes is None else str(remote.size_bytes)
        raise NetworkError(f"{remote} is said to have {size} bytes: expected {expected}", hint="name another mirror")
    commit = headers.get("X-Repo-Commit", "")
    return RemoteInfo(url, checksum, size, commit if _GIT_BLOB.fullmatch(commit) else None)


def body_offset(answer: httpx2.Response, info: RemoteInfo, start: int, remote: RemoteFile) -> int:
    """Where the body of an answer begins in the file; a body of another length is not that of the file.

    Args:
        answer: to the request for the bytes.
        info: what the hub says of the file.
        start: from where the bytes were asked for.
        remote: the file, for messages.

    Raises:
        NetworkError: the body is another part, another length, or packed.
    """
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise NetworkError(f"{remote} cannot be fetched: it comes packed, though that was not asked for", hint=RETRY)
    begins = start if answer.status_code == httpx2.codes.PARTIAL_CONTENT else 0
    if begins != 0 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise NetworkError(f"{remote} cannot be fetched: another part of it comes than was asked for", hint=RETRY)
    length = answer.headers.get("Content-Length")
    if info.size is not None and length not in (None, str(info.size - begins)):
        raise not_a_hub(remote, f"it sends {length} bytes, expected {info.size - begins}")
    return begins


def check_status(answer: httpx2.Response, remote: RemoteFile) -> None:
    """Pass answers that are no failure. Raises NetworkError; InterruptedTransferError if asking again may help."""
    if answer.is_success or answer.is_redirect:
        return
    if answer.headers.get("X-Error-Code") == "EntryNotFound":
        raise NetworkError(
            f"{remote} is not on the hub any more", hint="a newer version of this program knows where it is now"
        )
    kind = InterruptedTransferError if answer.status_code in _RETRYABLE_STATUS else NetworkError
    answered = f"{Address(str(answer.url))} answers {answer.status_code} {answer.reason_phrase}".rstrip()
    raise kind(f"{remote} cannot be fetched: {answered}", hint=RETRY)


def not_a_hub(remote: RemoteFile, why: str) -> NetworkError:
    """The error for an answer that no hub gives: a portal, most likely."""
    return NetworkError(
        f"{remote} cannot be fetched: what answers is no hub ({why})",
        hint=f"a login page of the network, perhaps: open {OFFICIAL_HUB} in a browser; "
        "or name a mirror with HF_ENDPOINT",
    )
