"""Step: the transcript as phones, for `2-name2text.txt`.

Unlike the official program, a percent sign is read out, not turned into a dash before normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovits_cli.data.layout import TextRow
from sovits_cli.prep import digests
from sovits_cli.prep.step import Clip, Step
from sovits_cli.text import frontend, symbols
from sovits_cli.versions import SymbolTable

REVISION = 2
"""Raised when the same text gives other phones."""


class TranscriptStep(Step[TextRow]):
    """Rows of earlier runs come from the journal, or from `table`, the transcripts already in the dataset."""

    name = "transcripts"

    def __init__(self, symbol_table: SymbolTable, table: Mapping[str, TextRow]) -> None:
        self._symbols = symbol_table
        self._table = table

    def key(self, clip: Clip) -> str:
        """Language, text, and the phones that an experiment folder brought along."""
        said = clip.utterance
        ready = said.ready.phones if said.ready else None
        return digests.of_values(self.name, REVISION, self._symbols.value, said.language, said.text, ready)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the row of the journal, or of the table."""
        clip.text = self._table.get(clip.name) if row is None else _text_row(clip.name, row)
        return clip.text is not None

    def prepare(self, clip: Clip) -> TextRow:
        """Read the text, unless its phones are there and the model knows them all."""
        said = clip.utterance
        if said.ready and set(said.ready.phones) <= symbols.known(self._symbols):
            return said.ready
        spoken = frontend.pronounce(said.text, said.language, self._symbols)
        counts = None if spoken.word2ph is None else tuple(spoken.word2ph)
        return TextRow(clip.name, tuple(spoken.phones), counts, spoken.norm)

    def finish(self, clip: Clip, prepared: TextRow) -> Any:
        """Keep the row."""
        clip.text = prepared
        counts = None if prepared.word2ph is None else list(prepared.word2ph)
        return {"phones": list(prepared.phones), "word2ph": counts, "norm": prepared.norm}


def _text_row(name: str, row: Mapping[str, Any]) -> TextRow:
    counts = row["word2ph"]
    return TextRow(name, tuple(row["phones"]), None if counts is None else tuple(counts), str(row["norm"]))
