"""A hub on this machine: serves synthetic files as huggingface.co does, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

LARGE_BYTES = 4000
"""From this size on, the tag of a file is its SHA-256; below it is the name that git has for it."""


@dataclass
class Hub:
    """What is served, by `repository/path`, and how.

    Args:
        files: contents.
        cut_after: bytes after which the connection for a file is cut, once for each number in the list.
        tags: announced in place of the true tag.
        sizes: announced in place of the true size.
        broken: answered with this status.
        sent: bytes of content sent for each file.
        asked: requests, `METHOD path`.
    """

    files: dict[str, bytes]
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def tag(self, name: str) -> str:
        """As the hub says it of a file."""
        body = self.files[name]
        if name in self.tags:
            return self.tags[name]
        if len(body) >= LARGE_BYTES:
            return hashlib.sha256(body).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
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
            name = unquote(self.path).lstrip("/").replace("/resolve/main/", "/", 1)
            status = hub.broken.get(name, 200 if name in hub.files else 404)
            if status >= 400:
                self.send_response(status)
                if status == 404:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = hub.files[name]
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", f'"{hub.tag(name)}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(hub.sizes.get(name, len(body)) - start))
            self.end_headers()
            if with_body:
                self._send(name, body[start:])

        def _send(self, name: str, body: bytes) -> None:
            cuts = hub.cut_after.get(name)
            if cuts:
                body = body[: cuts.pop(0)]
                self.close_connection = True
            hub.sent[name] = hub.sent.get(name, 0) + len(body)  # before: whoever has it all may ask at once
            self.wfile.write(body)

    class Server(ThreadingHTTPServer):
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


def published(repo: str, paths: dict[str, Path]) -> dict[str, bytes]:
    """Files of this machine as those of a repository."""
    return {f"{repo}/{name}": path.read_bytes() for name, path in paths.items()}


def record(models: Path) -> dict[str, dict[str, str]]:
    """What the tool noted of its pulls."""
    found: dict[str, dict[str, str]] = json.loads((models / "files" / "pulled.json").read_text())
    return found
