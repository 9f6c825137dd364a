"""Web and mail addresses as one says them: "name at example dot com"."""

from __future__ import annotations

import re

_SIGNS = {
    ".": " dot ",
    "/": " slash ",
    "-": " dash ",
    "_": " underscore ",
    ":": " colon ",
    "?": " question mark ",
    "=": " equals ",
    "&": " and ",
    "#": " hash ",
    "%": " percent ",
    "~": " tilde ",
    "+": " plus ",
    "@": " at ",
}
_SPELLED = frozenset(("edu", "io", "ai", "uk", "de", "fr", "us", "eu", "tv", "ca", "jp", "cn", "ch", "nl", "au", "nz"))
_SUFFIXES = "com|org|net|edu|gov|io|ai|dev|app|info|co\\.uk|html?|txt|pdf|py|mp3|wav|exe|json|yaml|ckpt|pth"
_MAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@[\w\-]+(?:\.[\w\-]+)+")
_WEB = re.compile(
    r"\b(?:(?:https?|ftp)://|www\.)[^\s\"<>]+"
    rf"|(?<![\w@.\-])(?:[A-Za-z0-9\-]+\.)+(?:{_SUFFIXES})\b(?:/[^\s\"<>]*)?"
)
_HEAD = re.compile(r"^(?:https?://|ftp://)?(?:www\.)?")


def spoken(text: str) -> str:
    """`text` with its addresses in words; the protocol and "www" are left out."""
    return _WEB.sub(_address, _MAIL.sub(_address, text))


def _address(found: re.Match[str]) -> str:
    body = found[0].rstrip(".,!?;:)'\"")
    tail = found[0][len(body) :]
    parts = re.split(r"([^A-Za-z0-9])", _HEAD.sub("", body).rstrip("/"))
    words = "".join(_SIGNS.get(part) or (" ".join(part.upper()) if part in _SPELLED else part) for part in parts)
    return " ".join(words.split()) + tail
