"""Addresses of the web as far as a download goes by them: who is asked, whether anybody reads along."""

from __future__ import annotations

from urllib.parse import urlsplit

_PORTS = {"https": 443, "http": 80}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


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
