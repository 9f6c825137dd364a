"""A hub on this machine: serves synthetic files as huggingface.co does, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sovits_cli.checkpoints.hub_protocol import RemoteFile

REMOTE = RemoteFile("someone/voices", "folder/a.pth")
BODY = random.Random(1).randbytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()

LARGE_BYTES = 4000
"""From this size on, the tag of a file is its SHA-256; below it is the name that git has for it."""

PORTAL = b"<html><body>Please log in.</body></html>\r\n"
"""What the network of a hotel answers to everything."""


@dataclass
class Hub:
    """What is served, by `repository/path`, and how.

    Args:
        files: contents.
        cut_after: bytes after which the connection for a file is cut, once for each number in the list.
        tags: announced in place of the true tag; "": none is.
        sizes: announced in place of the true size; None: none is.
        broken: answered with this status.
        portal: answers everything with this page, as a page of the web and with this tag; `portal_to` says what to.
        leads: redirects a file to another address: once the checksum is said, or, with `bare`, without saying it.
        bare: see `leads`.
        drip_s: seconds between the bytes of a body.
        head_drip_s: seconds between the bytes of the head of every answer.
        endless: bytes that are sent again and again, whatever was announced.
        whole_only: always answers from the beginning.
        sent: bytes of content sent for each file.
        asked: requests, `METHOD path`.
        told: the headers of each request.
    """

    files: dict[str, bytes]
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int | None] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    portal: bytes | None = None
    portal_tag: str = ""
    portal_to: tuple[str, ...] = ("HEAD", "GET")
    leads: dict[str, str] = field(default_factory=dict)
    bare: bool = False
    drip_s: dict[str, float] = field(default_factory=dict)
    head_drip_s: float = 0.0
    endless: dict[str, int] = field(default_factory=dict)
    whole_only: bool = False
    sent: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)

    def tag(self, name: str) -> str:
        """As the hub says it of a file."""
        body = self.files[name]
        if name in self.tags:
            return self.tags[name]
        if len(body) >= LARGE_BYTES:
            return hashlib.sha256(body).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()

    def size(self, name: str) -> int | None:
        """As the hub says it of a file."""
        return self.sizes.get(name, len(self.files[name]))


@contextmanager
def serving(hub: Hub) -> Iterator[str]:  # noqa: C901 - the methods of the handler inside count as its own
    """Serve; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, *, with_body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            hub.told.append({key.lower(): value for key, value in self.headers.items()})
            if hub.head_drip_s:
                self._drip(b"HTTP/1.1 200 OK\r\n" + b"X-Waiting: yes\r\n" * 100, hub.head_drip_s)
                return
            if hub.portal is not None and self.command in hub.portal_to:
                self._page(hub.portal, hub.portal_tag, with_body=with_body)
                return
            name = unquote(self.path).lstrip("/").replace("/resolve/main/", "/", 1)
            status = hub.broken.get(name, 200 if name in hub.files else 404)
            if status >= 400:
                self._refuse(status)
            elif name in hub.leads:
                self._lead(name)
            else:
                self._file(name, with_body=with_body)

        def _refuse(self, status: int) -> None:
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _page(self, body: bytes, tag: str, *, with_body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def _lead(self, name: str) -> None:
            self.send_response(302)
            self.send_header("Location", hub.leads[name])
            if not hub.bare:
                self.send_header("X-Linked-ETag", f'"{hub.tag(name)}"')
                self.send_header("X-Linked-Size", str(hub.size(name)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _file(self, name: str, *, with_body: bool) -> None:
            body, size = hub.files[name], hub.size(name)
            asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0]
            start = 0 if hub.whole_only else int(asked)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if hub.tag(name):
                self.send_header("ETag", f'"{hub.tag(name)}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            if size is None:
                self.send_header("Connection", "close")
                self.close_connection = True
            elif name not in hub.endless or not with_body:
                self.send_header("Content-Length", str(size - start))
            self.end_headers()
            if with_body:
                self._send(name, body[start:])

        def _send(self, name: str, body: bytes) -> None:
            cuts = hub.cut_after.get(name)
            if cuts:
                body = body[: cuts.pop(0)]
                self.close_connection = True
            if name in hub.endless:
                self.close_connection = True
                while True:  # until the client goes away
                    hub.sent[name] = hub.sent.get(name, 0) + hub.endless[name]
                    self.wfile.write(b"x" * hub.endless[name])
            if name in hub.drip_s:
                self._drip(body, hub.drip_s[name])
                return
            hub.sent[name] = hub.sent.get(name, 0) + len(body)  # before: whoever has it all may ask at once
            self.wfile.write(body)

        def _drip(self, body: bytes, pause_s: float) -> None:
            self.close_connection = True
            for letter in body:
                self.wfile.write(bytes([letter]))
                self.wfile.flush()
                time.sleep(pause_s)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            pass  # clients that go away are part of the play

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def record(models: Path) -> dict[str, dict[str, str]]:
    """What the tool noted of its pulls."""
    found: dict[str, dict[str, str]] = json.loads((models / "files" / "pulled.json").read_text())
    return found
