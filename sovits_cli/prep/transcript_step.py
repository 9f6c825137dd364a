"""PrepStep: the transcript as phones, for `2-name2text.txt`.

Unlike the official program, a percent sign is read out, not turned into a dash before normalisation, and words of
other languages within a text are read in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovits_cli.data.experiment import TextRow
from sovits_cli.prep.resume_log import digest_of_values
from sovits_cli.prep.step_runner import Clip, PrepStep
from sovits_cli.text import lexicon, reading, segment, symbols
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.text.reading import Piece, Reading
from sovits_cli.versions import SymbolTable

REVISION = 4
"""Raised when the same text gives other phones."""


class TranscriptStep(PrepStep[Reading]):
    """Rows of earlier runs come from the log, or from `table`, the transcripts already in the dataset.

    Args:
        symbol_table: of the model.
        table: rows by name.
        compat: read as the official program does.
        words: how some words are read.
    """

    name = "transcripts"

    def __init__(
        self,
        symbol_table: SymbolTable,
        table: Mapping[str, TextRow],
        *,
        compat: bool = False,
        words: Lexicon = lexicon.EMPTY_LEXICON,
    ) -> None:
        self._symbols = symbol_table
        self._table = table
        self._compat = compat
        self._words = words

    def key(self, clip: Clip) -> str:
        """Language, text, and the phones that an experiment folder brought along."""
        # Also the versions of packages that registered a language: their new release may read otherwise.
        row = clip.row
        existing = row.existing.phones if row.existing else None
        how = (row.language, self._compat, self._words.key, *_registered(row.language))
        return digest_of_values(self.name, REVISION, self._symbols.value, *how, row.text, existing)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the row of the log, or of the table."""
        if row is not None:
            self._take(clip, Reading(tuple(_piece(cells) for cells in row["pieces"])))
        elif clip.name in self._table:
            self._take(clip, _whole(self._table[clip.name], clip.row.language))
        return clip.text is not None

    def prepare(self, clip: Clip) -> Reading:
        """Read the text, unless its phones are there and the model knows them all."""
        row = clip.row
        if row.existing and set(row.existing.phones) <= symbols.known(self._symbols):
            return _whole(row.existing, row.language)
        return reading.read_text(row.text, row.language, self._symbols, compat=self._compat, words=self._words)

    def finish(self, clip: Clip, prepared: Reading) -> Any:
        """Keep the row."""
        self._take(clip, prepared)
        return {
            "pieces": [
                {
                    "lang": piece.lang,
                    "norm": piece.norm,
                    "phones": list(piece.phones),
                    "word2ph": None if piece.word2ph is None else list(piece.word2ph),
                }
                for piece in prepared.pieces
            ]
        }

    @staticmethod
    def _take(clip: Clip, read: Reading) -> None:
        counts = read.word2ph
        clip.text = TextRow(clip.name, tuple(read.phones), None if counts is None else tuple(counts), read.norm)
        clip.pieces = read.pieces


def _registered(lang: str) -> tuple[str, ...]:
    """The packages and their versions that languages of a mode come from, beside our own."""
    return tuple(filter(None, (LANGUAGES[code].origin for code in segment.find_mode(lang).languages)))


def _piece(cells: Mapping[str, Any]) -> Piece:
    counts = cells["word2ph"]
    return Piece(
        lang=str(cells["lang"]),
        text="",
        norm=str(cells["norm"]),
        phones=tuple(cells["phones"]),
        word2ph=None if counts is None else tuple(counts),
    )


# `2-name2text.txt` does not say in which language a row is. Where the mode of the transcript is one language, it is
# that one; in a mixed mode a row counts as one of a language with BERT features, so that those it has (a row with
# phones per character) are used; a row without counts has none in any language.
def _whole(row: TextRow, lang: str) -> Reading:
    """A row of a table as a reading of one language."""
    with_counts = [code for code, language in LANGUAGES.items() if language.has_bert]
    code = lang if lang in LANGUAGES else with_counts[0]
    return Reading((Piece(code, "", row.norm, row.phones, row.word2ph),))
