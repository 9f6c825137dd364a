"""The hub, as one client that believes little: where a file lies, its checksum and size, and its bytes as they come.

A request names the file, and this program without its version; nothing else is sent. HF_TOKEN, where it is set, goes to
the hub alone, never to where the hub sends us. Knows nothing of models and writes no file.

    HEAD hub/repo/resolve/main/file        200, or 302 with X-Linked-ETag: the hub says the checksum and the size
    GET  hub/repo/resolve/main/file        200, or 302 to the host that has the bytes; HTTPS is never left again
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urljoin

import httpx2

from sovits_cli.checkpoints.addresses import Address
from sovits_cli.errors import NetworkError, UsageError

OFFICIAL = "https://huggingface.co"
AGENT = "sovits"
REVISION = "main"

MOST_WEIGHTS_BYTES, MOST_TEXT_BYTES = 4_000_000_000, 16_000_000
"""No published file is larger: weights, and JSON beside them."""

LEAST_BYTES_PER_S, WINDOW_S = 1000, 60.0
"""A transfer that brings less, over so long, is given up."""

ANSWER_S = 60.0
"""Within so long the head of an answer has to be here."""

_SILENCE_S = 30.0
_MOST_REDIRECTS = 5
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")
_AGAIN = {408, 429, 500, 502, 503, 504}
RETRY = "try again: what is here already is kept; HF_ENDPOINT=https://… names a mirror"


class BrokenOffError(NetworkError):
    """A transfer that stopped on the way: it may be gone on with."""


@dataclass(frozen=True)
class Remote:
    """A file on the hub: repository, path in it, and its size where that is known beforehand."""

    repo: str
    path: str
    size_bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.repo}/{self.path}"

    @property
    def most_bytes(self) -> int:
        """The largest size that is believed."""
        if self.size_bytes is not None:
            return self.size_bytes
        return MOST_TEXT_BYTES if self.path.endswith(".json") else MOST_WEIGHTS_BYTES


@dataclass(frozen=True)
class Described:
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


class HubClient:
    """Asks one hub: the official one, or the mirror that HF_ENDPOINT names.

    Raises:
        UsageError: HF_ENDPOINT is no address.
        NetworkError: HF_HUB_OFFLINE is set, or the proxy of the environment cannot be used.
    """

    def __init__(self) -> None:
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "on", "yes", "true"}:
            raise NetworkError("HF_HUB_OFFLINE forbids to ask the hub", hint="unset HF_HUB_OFFLINE")
        self._home = _home()
        self._client = _client()

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def describe(self, remote: Remote) -> Described:
        """Ask what a file is.

        Raises:
            NetworkError: it cannot be reached, or whoever answers is no hub: it does not say the checksum.
        """
        url = f"{self._home.url.rstrip('/')}/{remote.repo}/resolve/{REVISION}/{quote(remote.path)}"
        for _ in range(_MOST_REDIRECTS):
            with self._answer("HEAD", url, remote) as answer:
                if answer.is_redirect and "X-Linked-ETag" not in answer.headers:
                    url = self._same_hub(url, answer, remote)
                    continue
                return _described(url, answer, remote)
        raise NetworkError(f"{remote} cannot be fetched: it is redirected without end", hint=RETRY)

    @contextmanager
    def blocks(
        self, described: Described, remote: Remote, *, start: int, told: Callable[[str], None]
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Ask for the bytes of a file.

        Args:
            start: how many are here already.
            told: of another host on an odd port, which the bytes come from.

        Yields:
            Where the first block belongs (0 if the server cannot go on in the middle), and the blocks.

        Raises:
            BrokenOffError: the connection broke, or the server asks to come again.
            NetworkError: it is too slow, is refused, or leads from HTTPS to HTTP.
        """
        url = described.url
        for _ in range(_MOST_REDIRECTS):
            with self._answer("GET", url, remote, start=start) as answer:
                if not answer.is_redirect:
                    yield _first(answer, described, start, remote), self._steadily(answer, remote)
                    return
                url = self._elsewhere(url, answer, remote, told)
        raise NetworkError(f"{remote} cannot be fetched: it is redirected without end", hint=RETRY)

    @contextmanager
    def _answer(self, method: str, url: str, remote: Remote, *, start: int = 0) -> Iterator[httpx2.Response]:
        """The head of an answer that is no failure."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        token, place = os.environ.get("HF_TOKEN", "").strip(), Address(url)
        if token and place.origin == self._home.origin and place.is_confidential:
            headers["Authorization"] = f"Bearer {token}"
        with _translated(remote):
            request = self._client.build_request(method, url, headers=headers)
            with self._in_time(remote):
                answer = self._client.send(request, stream=True)
        try:
            _check_status(answer, remote)
            yield answer
        finally:
            answer.close()

    @contextmanager
    def _in_time(self, remote: Remote) -> Iterator[None]:
        """Close the client when the head of an answer comes letter by letter: each of them resets the other limit."""
        timer = threading.Timer(ANSWER_S, self._client.close)
        timer.daemon = True
        timer.start()
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            if time.monotonic() - began >= ANSWER_S:
                raise NetworkError(f"{remote} cannot be fetched: no answer in {ANSWER_S:.0f} s", hint=RETRY) from error
            raise
        finally:
            timer.cancel()

    def _steadily(self, answer: httpx2.Response, remote: Remote) -> Iterator[bytes]:
        """The blocks as they come, as long as they come quickly enough."""
        began, had = time.monotonic(), 0
        with _translated(remote):
            for block in answer.iter_raw():
                had += len(block)
                took_s = time.monotonic() - began
                if took_s >= WINDOW_S:
                    if had < LEAST_BYTES_PER_S * took_s:
                        raise NetworkError(
                            f"{remote} comes too slowly: {had} bytes in {took_s:.0f} s, "
                            f"expected {LEAST_BYTES_PER_S} a second",
                            hint=RETRY,
                        )
                    began, had = time.monotonic(), 0
                yield block

    def _same_hub(self, url: str, answer: httpx2.Response, remote: Remote) -> str:
        """Where the hub says that a file is called otherwise now; a mirror may name the official hub."""
        new = _location(url, answer, remote)
        if new.origin in {Address(url).origin, Address(OFFICIAL).origin}:
            return new.url
        raise _no_hub(remote, f"it leads to {new}")

    def _elsewhere(self, url: str, answer: httpx2.Response, remote: Remote, told: Callable[[str], None]) -> str:
        """Where the bytes are."""
        new = _location(url, answer, remote)
        if Address(url).is_encrypted and not new.is_encrypted:
            raise NetworkError(f"{remote} cannot be fetched: it leads from HTTPS to {new}", hint="name another mirror")
        if new.host != self._home.host and new.has_odd_port:
            told(f"{remote} comes from {new}, an unusual port")
        return new.url


def _home() -> Address:
    given = os.environ.get("HF_ENDPOINT") or OFFICIAL
    try:
        return Address(given)
    except ValueError as error:
        raise UsageError(
            f"HF_ENDPOINT is {given!r}: expected the address of a hub", hint=f"HF_ENDPOINT={OFFICIAL}"
        ) from error


def _location(url: str, answer: httpx2.Response, remote: Remote) -> Address:
    try:
        return Address(urljoin(url, answer.headers.get("Location", "")))
    except ValueError as error:
        raise NetworkError(f"{remote} cannot be fetched: it leads to no address", hint=RETRY) from error


def _client() -> httpx2.Client:
    """Proxies and certificates are those of the environment (HTTPS_PROXY, SSL_CERT_FILE)."""
    headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    try:
        return httpx2.Client(headers=headers, timeout=_SILENCE_S, follow_redirects=False)
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        raise NetworkError(
            f"the proxy or certificate of the environment cannot be used: {error}",
            hint="look at HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE",
        ) from error


def _described(url: str, answer: httpx2.Response, remote: Remote) -> Described:
    """Read what an answer says; an answer without a checksum is not that of a hub."""
    headers = answer.headers
    raw = headers.get("X-Linked-ETag") or headers.get("ETag") or ""
    checksum = raw.removeprefix("W/").strip('"')
    if not (_SHA256.fullmatch(checksum) or _GIT_BLOB.fullmatch(checksum)):
        said = f"its ETag is {raw[:80]!r}" if raw else "it has no ETag"
        raise _no_hub(remote, f"{said}, expected a checksum")
    length = headers.get("X-Linked-Size") or (None if answer.is_redirect else headers.get("Content-Length"))
    size = int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None
    if size is not None and (size > remote.most_bytes or remote.size_bytes not in (None, size)):
        expected = f"at most {remote.most_bytes}" if remote.size_bytes is None else str(remote.size_bytes)
        raise NetworkError(f"{remote} is said to have {size} bytes: expected {expected}", hint="name another mirror")
    commit = headers.get("X-Repo-Commit", "")
    return Described(url, checksum, size, commit if _GIT_BLOB.fullmatch(commit) else None)


def _first(answer: httpx2.Response, described: Described, start: int, remote: Remote) -> int:
    """Where the body begins in the file; a body of another length is not that of the file."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise NetworkError(f"{remote} cannot be fetched: it comes packed, though that was not asked for", hint=RETRY)
    begins = start if answer.status_code == httpx2.codes.PARTIAL_CONTENT else 0
    if begins != 0 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise NetworkError(f"{remote} cannot be fetched: another part of it comes than was asked for", hint=RETRY)
    length = answer.headers.get("Content-Length")
    if described.size is not None and length not in (None, str(described.size - begins)):
        raise _no_hub(remote, f"it sends {length} bytes, expected {described.size - begins}")
    return begins


def _check_status(answer: httpx2.Response, remote: Remote) -> None:
    if answer.is_success or answer.is_redirect:
        return
    if answer.headers.get("X-Error-Code") == "EntryNotFound":
        raise NetworkError(f"{remote} is not on the hub any more", hint="pip install --upgrade sovits")
    kind = BrokenOffError if answer.status_code in _AGAIN else NetworkError
    answered = f"{Address(str(answer.url))} answers {answer.status_code} {answer.reason_phrase}".rstrip()
    raise kind(f"{remote} cannot be fetched: {answered}", hint=RETRY)


@contextmanager
def _translated(remote: Remote) -> Iterator[None]:
    """Turn the errors of the HTTP library into ours."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BrokenOffError(f"{remote} cannot be fetched: {reason}", hint=RETRY) from error


def _no_hub(remote: Remote, why: str) -> NetworkError:
    return NetworkError(
        f"{remote} cannot be fetched: what answers is no hub ({why})",
        hint=f"a login page of the network, perhaps: open {OFFICIAL} in a browser; or name a mirror with HF_ENDPOINT",
    )
