"""What a model is made of: files that belong together, where they were found, and who else is made of them.

A bundle is a GPT, a SoVITS model, their content encoder and (where the GPT takes one) a BERT. They come from the
package, from the user's model directory, or from a voice trained here, which keeps the encoders of its base.
`catalogue.py` finds bundles, or makes them of single files; `networks.py` builds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sovits_cli.errors import ModelError
from sovits_cli.files import MAX_MODEL_JSON_BYTES, parse_json, read_text_file, real_path
from sovits_cli.paths import models_dir
from sovits_cli.versions import ModelVersion

Origin = Literal["bundled", "installed", "trained", "files"]

MODEL_FILE = "model.json"
"""In `<models dir>/<name>/`: an installed model."""

FILES_FOLDER = "files"
"""In the models directory: the files that were pulled."""

VOICE_FILE = "voice.json"
"""In `runs/<name>/`: a voice trained here."""

MAX_JSON_BYTES = 16 << 20
"""A configuration takes 1 kB, the vocabulary of 21 000 words 0.4 MB."""


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
        lora_bases: files that `sovits` may be a LoRA of, the nearest last; empty: an installed one of its version.
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
    lora_bases: tuple[Path, ...] = ()

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
        files = {file for part in self.parts for file in ([part] if part.is_file() else part.rglob("*"))}
        return sum(file.stat().st_size for file in files if file.is_file())


class BrokenModelError(ModelError):
    """A pulled model with a file that is not what it should be; `why` is what was said of the file."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the pulled model {name} is broken: {why}", code="model.pulled_broken", fields={"name": name})
        self.why = why


@contextmanager
def naming_pulled_model(path: Path) -> Iterator[None]:
    """Say of a pulled file that is broken which model it breaks, and what mends it."""
    try:
        yield
    except BrokenModelError:
        raise
    except ModelError as error:
        broken = broken_pulled_model(path, error.message)
        if broken is None:
            raise
        raise broken from error


def broken_pulled_model(path: Path, why: str) -> BrokenModelError | None:
    """The error for a file that was pulled; None if it was not, or no model is made of it."""
    names = models_using(path) if pulled_files_dir().absolute() in path.absolute().parents else []
    return BrokenModelError(names[0], why) if names else None


def pulled_files_dir() -> Path:
    """Where pulled files are."""
    return models_dir() / FILES_FOLDER


def models_using(path: Path) -> list[str]:
    """Name the installed models that are made of a file, or of a folder that it is in.

    One whose JSON file cannot be read may be: its files are not removed as those of nobody.
    """
    return sorted(model.parent.name for model in models_dir().glob(f"*/{MODEL_FILE}") if _uses(model, path))


def _uses(model: Path, path: Path) -> bool:
    try:
        record = parse_json(read_text_file(model, "a JSON file", max_bytes=MAX_MODEL_JSON_BYTES))
        paths = [real_path(model.parent / value) for value in record.values() if isinstance(value, str)]
    except (ModelError, OSError, ValueError, AttributeError, RecursionError):
        return True
    wanted = real_path(path)
    return any(wanted == path or path in wanted.parents for path in paths if path != real_path(model.parent))


def read_json_object(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ModelError: it is missing, too large, no JSON, or no object; a pulled file is named by its model.
    """
    with naming_pulled_model(path):
        try:
            found = parse_json(read_text_file(path, "a JSON file", max_bytes=max_bytes))
        except ValueError as error:
            raise ModelError(f"{path} cannot be read: {error}", hint=f"mend or remove {path.parent}") from error
        if not isinstance(found, dict):
            raise ModelError(f"{path} is no JSON object", hint=f"mend or remove {path.parent}")
        return found
