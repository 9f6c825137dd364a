"""What a model is made of: files that belong together, and where they were found.

A bundle is a GPT, a SoVITS model, their content encoder and (where the GPT takes one) a BERT. They come from the
package, from the user's model directory, or from a voice trained here, which keeps the encoders of its base.
Reads no file; `catalogue.py` finds bundles, `pairing.py` makes them of single files, `networks.py` builds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sovits_cli.versions import ModelVersion

Origin = Literal["bundled", "installed", "trained", "files"]


@dataclass(frozen=True)
class Bundle:
    """Files that belong together.

    Args:
        name: as the user calls it.
        version: row of the version table.
        gpt, sovits: model files, official or ours.
        content: content encoder, a file or a folder; None: there is none, so recordings have no semantic tokens.
        bert: text encoder folder, or None where the GPT takes no text features.
        origin: where it was found.
        why: half a sentence for the user: why this one.
        vocoder: file or folder, where the version speaks through one.
        speaker: speaker encoder, where the version takes speaker vectors.
        discriminator: discriminators to go on from when it is tuned, where they are published.
        licence: of its files, as SPDX names; empty where nobody said.
        under: SoVITS files that `sovits` may be a LoRA of, the nearest last; empty: an installed one of its version.
    """

    name: str
    version: ModelVersion
    gpt: Path
    sovits: Path
    content: Path | None
    bert: Path | None
    origin: Origin
    why: str
    vocoder: Path | None = None
    speaker: Path | None = None
    discriminator: Path | None = None
    licence: str = ""
    under: tuple[Path, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether it has networks to speak with; a family to train from has only a content encoder."""
        return self.content not in (self.gpt, self.sovits)

    @property
    def parts(self) -> tuple[Path, ...]:
        """Its files and folders, each once."""
        parts = (self.gpt, self.sovits, self.content, self.bert, self.vocoder, self.speaker, self.discriminator)
        return tuple(dict.fromkeys(part for part in parts if part is not None))

    @property
    def size_bytes(self) -> int:
        """All its files together."""
        files = {file for place in self.parts for file in ([place] if place.is_file() else place.rglob("*"))}
        return sum(file.stat().st_size for file in files if file.is_file())
