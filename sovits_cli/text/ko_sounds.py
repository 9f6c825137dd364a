"""Korean as it is written to Korean as it sounds, by g2pk2 and mecab: 같이 is 가치. Loads them on first use.

g2pk2 wants a list of English words, and looks for it on the internet when it is imported; it never needs it here, as
no Latin letters reach it. So it is given an empty one.
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from sovits_cli.text.once import once

_NO_WORDS = SimpleNamespace(dict=dict)
"""What stands in for the English dictionary of nltk."""

_lock = threading.Lock()


def pronounced(text: str) -> str:
    """Syllables as they sound; digits in words. Takes no Latin letters."""
    converter = _converter()
    with _lock:
        return converter(text)


@once
def _converter() -> Callable[[str], str]:
    with _no_english_words(), warnings.catch_warnings(action="ignore"):  # its patterns are written carelessly
        from g2pk2 import g2pk2
    from mecab import MeCab

    class Converter(g2pk2.G2p):  # type: ignore[misc]
        """Without what its maker prints or installs, and without compiling hundreds of patterns for each sentence."""

        def __init__(self) -> None:
            self.mecab = MeCab()
            self.cmu: dict[str, Any] = {}
            self.table: list[Any] = [
                (re.compile(written), sound, rules) for written, sound, rules in g2pk2.parse_table()
            ]
            self.rule2text = g2pk2.get_rule_id2text()
            self._idioms = _idioms(Path(g2pk2.__file__).with_name("idioms.txt"))

        def idioms(self, string: str, *_: object) -> str:
            """Replace words that follow no rule."""
            for written, sound in self._idioms:
                string = written.sub(sound, string)
            return string

    made: Callable[[str], str] = Converter()
    return made


def _idioms(path: Path) -> list[tuple[re.Pattern[str], str]]:
    """The rows "written===sound" of a list; "#" begins a comment."""
    rows = (line.partition("#")[0].strip().split("===") for line in path.read_text(encoding="utf-8").splitlines())
    return [(re.compile(row[0]), row[1]) for row in rows if len(row) == 2]


@contextmanager
def _no_english_words() -> Iterator[None]:
    """Let `import nltk` find a dictionary without words, while this lasts."""
    stand_in: dict[str, Any] = {"nltk": ModuleType("nltk"), "nltk.corpus": ModuleType("nltk.corpus")}
    stand_in["nltk"].data = SimpleNamespace(find=lambda _: None)
    stand_in["nltk.corpus"].cmudict = _NO_WORDS
    before = {name: sys.modules[name] for name in stand_in if name in sys.modules}
    sys.modules.update(stand_in)
    try:
        yield
    finally:
        for name in stand_in:
            del sys.modules[name]
        sys.modules.update(before)
