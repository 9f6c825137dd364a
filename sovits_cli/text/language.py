"""A row of the table of languages: all that is particular to a language beside its front end.

Another package brings a language by a row of its own:

    from sovits_cli.text.language import WESTERN, Language
    from sovits_cli.text.scripts import LATIN

    ROW = Language(code="es", name="Spanish", place="sovits_es.spanish:Spanish", scripts=(LATIN,), marks=WESTERN,
                   tables=frozenset({SymbolTable.V2}), phones=PHONES, telling="ñ¿¡", conjunctions=("y", "o", "que"))

and by an entry point in its pyproject.toml, whose name is the code:

    [project.entry-points."sovits.languages"]
    es = "sovits_es:ROW"

`place` names a class that fulfils `frontend.Frontend`; its phones are symbols of the official tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from sovits_cli.text.charsets import Charset
from sovits_cli.text.scripts import UnicodeScript
from sovits_cli.versions import SymbolTable


@dataclass(frozen=True)
class Marks:
    """Punctuation at which a text may be cut; "…" and dashes are everybody's.

    Args:
        sentence: marks that close a sentence; the front end says which of them really do.
        clause: marks that close a clause, like ";".
        comma: the weakest.
        spaced: whether white space must follow them.
    """

    sentence: str
    clause: str
    comma: str
    spaced: bool = True


WESTERN = Marks(".!?", ";:", ",")
EAST_ASIAN = Marks("。！？", "；：", "，、", spaced=False)


@dataclass(frozen=True)
class Syllables:
    """How people write the phones of a language by syllables, in lexicons and in `[word|…]`.

    Args:
        name: what the syllables are called.
        example: a word with its syllables.
        place: "module:function" from a syllable to its phones, None where it is none.
    """

    name: str
    example: str
    place: str


@dataclass(frozen=True)
class Language:
    """One row. What is "module:name" is loaded on first use.

    Args:
        code: as in `--lang`, and the name of the extra that installs `packages`.
        name: in English.
        place: "module:class" of its `Frontend`.
        tables: the symbol tables that can write its phones.
        scripts: what it is written in, its own before one that it shares. A script is read in the first language of
            the table that has it, unless the mode names another; a language with Latin letters reads all of a text.
        packages: modules its front end imports that the base install does not bring.
        has_bert: whether the official models were trained with text features for it; zeros elsewhere.
        marks: at which its texts are cut.
        conjunctions: words before which a sentence that is too long may be cut.
        quoted_on: regular expression of what, after a quotation that has just closed, goes on with the sentence.
        judges_dots: whether its front end says which full stops end a sentence in texts of several languages; if not,
            that of the Latin letters does.
        telling: letters by which a text is told to be in it, and not in another language of the same script.
        word_ends: "module:function" from a stretch to positions at which words end, where no spaces do; None where
            the stretch is not in this language.
        charsets: older encodings of its texts, the one that fits most bytes first.
        recogniser: what speech recognisers call it, the best first; empty: `code`.
        aliases: other codes of it in transcript lists (official ones that differ from ours).
        phones: symbols that words of it are made of, marks of pitch among them.
        syllables: how its phones are written by syllables, where that is the custom.
        guesses: "module:function" from a normalised text to the words whose reading is a guess.
        origin: the package that registered it, and its version; empty for our own.
    """

    code: str
    name: str
    place: str
    tables: frozenset[SymbolTable]
    scripts: tuple[UnicodeScript, ...]
    packages: tuple[str, ...] = ()
    has_bert: bool = False
    marks: Marks = WESTERN
    conjunctions: tuple[str, ...] = ()
    quoted_on: str = ""
    judges_dots: bool = True
    telling: str = ""
    word_ends: str = ""
    charsets: tuple[Charset, ...] = ()
    recogniser: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    phones: frozenset[str] = frozenset()
    syllables: Syllables | None = None
    guesses: str = ""
    origin: str = ""

    @property
    def heard_as(self) -> tuple[str, ...]:
        """What speech recognisers call it, the best first."""
        return self.recogniser or (self.code,)


@lru_cache(maxsize=256)
def load(place: str) -> Any:
    """What a "module:name" names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
