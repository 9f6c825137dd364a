"""Japanese exactly as the official program reads it, defects included: for comparing, and for datasets made with it.

The rules are facts of GPT-SoVITS `text/japanese.py`; its user dictionary is not part of them.
"""

from __future__ import annotations

import re

from sovits_cli.text import ja_labels

_REPEATED_MARKS = re.compile(r"([!?…,.\-])[!?…,.\-]+")
_READ = r"A-Za-z\d々\u3040-\u30ff\u4e00-\u9fff\uff11-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d"
_PART = re.compile(rf"[{_READ}]+|[^{_READ}]")
MARKS = {
    **dict.fromkeys("：；，·、", ","),
    **dict.fromkeys("。\n", "."),
    "！": "!",
    "？": "?",
}


def normalise(text: str) -> str:
    """Runs of ASCII marks become the first of them; nothing else is done."""
    return _REPEATED_MARKS.sub(r"\1", text)


def phones(norm: str) -> list[str]:
    """Phones of a text: words with pitch marks, punctuation as symbols, all else as it stands."""
    found: list[str] = []
    for part in _PART.findall(norm.replace("％", "パーセント").lower()):
        if re.match(rf"[{_READ}]", part):
            found += ja_labels.phones(part)
        elif part != " ":
            found.append(MARKS.get(part, part))
    return found
