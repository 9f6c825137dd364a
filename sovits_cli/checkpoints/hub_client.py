"""The hub, as one client that believes little: where a file lies, its checksum and size, and its bytes as they come.

A request names the file, and this program without its version; nothing else is sent. HF_TOKEN, where it is set, goes to
the hub alone, never to where the hub sends us. Knows nothing of models and writes no file.

    HEAD hub/repo/resolve/main/file        200, or 302 with X-Linked-ETag: the hub says the checksum and the size
    GET  hub/repo/resolve/main/file        200, or 302 to the host that has the bytes; HTTPS is never left again
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx2

from sovits_cli.checkpoints.hub_protocol import (
    OFFICIAL_HUB,
    RETRY,
    Address,
    InterruptedTransferError,
    RemoteFile,
    RemoteInfo,
    body_offset,
    check_status,
    not_a_hub,
    parse_remote_info,
    redirect_target,
)
from sovits_cli.errors import NetworkError, UsageError

USER_AGENT = "sovits"
REVISION = "main"


MIN_BYTES_PER_S, SPEED_WINDOW_S = 1000, 60.0
"""A transfer that brings less, over so long, is given up."""

RESPONSE_TIMEOUT_S = 60.0
"""Within so long the head of an answer has to be here."""

_READ_TIMEOUT_S = 30.0
_MAX_REDIRECTS = 5


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

    def describe(self, remote: RemoteFile) -> RemoteInfo:
        """Ask what a file is.

        Raises:
            NetworkError: it cannot be reached, or whoever answers is no hub: it does not say the checksum.
        """
        url = f"{self._home.url.rstrip('/')}/{remote.repo}/resolve/{REVISION}/{quote(remote.path)}"
        for _ in range(_MAX_REDIRECTS):
            with self._answer("HEAD", url, remote) as answer:
                # A renamed repository is a redirect on the hub; one to the bytes carries their checksum.
                if answer.is_redirect and "X-Linked-ETag" not in answer.headers:
                    url = self._same_hub(url, answer, remote)
                    continue
                return parse_remote_info(url, answer, remote)
        raise NetworkError(f"{remote} cannot be fetched: it is redirected without end", hint=RETRY)

    @contextmanager
    def blocks(
        self, info: RemoteInfo, remote: RemoteFile, *, start: int, on_note: Callable[[str], None]
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Ask for the bytes of a file.

        Args:
            start: how many are here already.
            on_note: is given another host on an odd port, if the bytes come from one.

        Yields:
            Where the first block belongs (0 if the server cannot go on in the middle), and the blocks.

        Raises:
            InterruptedTransferError: the connection broke, or the server asks to come again.
            NetworkError: it is too slow, is refused, or leads from HTTPS to HTTP.
        """
        url = info.url
        for _ in range(_MAX_REDIRECTS):
            with self._answer("GET", url, remote, start=start) as answer:
                if not answer.is_redirect:
                    yield body_offset(answer, info, start, remote), self._steadily(answer, remote)
                    return
                url = self._elsewhere(url, answer, remote, on_note)
        raise NetworkError(f"{remote} cannot be fetched: it is redirected without end", hint=RETRY)

    @contextmanager
    def _answer(self, method: str, url: str, remote: RemoteFile, *, start: int = 0) -> Iterator[httpx2.Response]:
        """The head of an answer that is no failure."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        # The token is for the hub that the user named: never for the host it sends us to, never in the clear.
        token, address = os.environ.get("HF_TOKEN", "").strip(), Address(url)
        if token and address.origin == self._home.origin and address.is_confidential:
            headers["Authorization"] = f"Bearer {token}"
        with _translated(remote):
            request = self._client.build_request(method, url, headers=headers)
            with self._in_time(remote):
                answer = self._client.send(request, stream=True)
        try:
            check_status(answer, remote)
            yield answer
        finally:
            answer.close()

    @contextmanager
    def _in_time(self, remote: RemoteFile) -> Iterator[None]:
        """Close the client when the head of an answer comes letter by letter: each of them resets the other limit."""
        # httpx limits the silence between two packets; a server that sends a letter each 29 s would hold us for ever.
        timer = threading.Timer(RESPONSE_TIMEOUT_S, self._client.close)
        timer.daemon = True
        timer.start()
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            if time.monotonic() - began >= RESPONSE_TIMEOUT_S:
                raise NetworkError(
                    f"{remote} cannot be fetched: no answer in {RESPONSE_TIMEOUT_S:.0f} s", hint=RETRY
                ) from error
            raise
        finally:
            timer.cancel()

    def _steadily(self, answer: httpx2.Response, remote: RemoteFile) -> Iterator[bytes]:
        """The blocks as they come, as long as they come quickly enough."""
        began, had = time.monotonic(), 0
        with _translated(remote):
            for block in answer.iter_raw():
                had += len(block)
                took_s = time.monotonic() - began
                if took_s >= SPEED_WINDOW_S:
                    if had < MIN_BYTES_PER_S * took_s:
                        raise NetworkError(
                            f"{remote} comes too slowly: {had} bytes in {took_s:.0f} s, "
                            f"expected {MIN_BYTES_PER_S} a second",
                            hint=RETRY,
                        )
                    began, had = time.monotonic(), 0
                yield block

    def _same_hub(self, url: str, answer: httpx2.Response, remote: RemoteFile) -> str:
        """Where the hub says that a file is called otherwise now; a mirror may name the official hub."""
        new = redirect_target(url, answer, remote)
        if new.origin in {Address(url).origin, Address(OFFICIAL_HUB).origin}:
            return new.url
        raise not_a_hub(remote, f"it leads to {new}")

    def _elsewhere(self, url: str, answer: httpx2.Response, remote: RemoteFile, on_note: Callable[[str], None]) -> str:
        """Where the bytes are."""
        new = redirect_target(url, answer, remote)
        if Address(url).is_encrypted and not new.is_encrypted:
            raise NetworkError(f"{remote} cannot be fetched: it leads from HTTPS to {new}", hint="name another mirror")
        if new.host != self._home.host and new.has_odd_port:
            on_note(f"{remote} comes from {new}, an unusual port")
        return new.url


def _home() -> Address:
    given = os.environ.get("HF_ENDPOINT") or OFFICIAL_HUB
    try:
        return Address(given)
    except ValueError as error:
        raise UsageError(
            f"HF_ENDPOINT is {given!r}: expected the address of a hub", hint=f"HF_ENDPOINT={OFFICIAL_HUB}"
        ) from error


def _client() -> httpx2.Client:
    """Proxies and certificates are those of the environment (HTTPS_PROXY, SSL_CERT_FILE)."""
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    try:
        return httpx2.Client(headers=headers, timeout=_READ_TIMEOUT_S, follow_redirects=False)
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        raise NetworkError(
            f"the proxy or certificate of the environment cannot be used: {error}",
            hint="look at HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE",
        ) from error


@contextmanager
def _translated(remote: RemoteFile) -> Iterator[None]:
    """Turn the errors of the HTTP library into ours."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InterruptedTransferError(f"{remote} cannot be fetched: {reason}", hint=RETRY) from error
