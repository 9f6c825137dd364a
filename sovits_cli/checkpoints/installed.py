"""Which installed models a file belongs to, so that whoever finds it broken can say what to type.

Knows the JSON files of models, not what is in the others; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sovits_cli.checkpoints.opening import MAX_MODEL_JSON_BYTES, read_text
from sovits_cli.errors import ModelError
from sovits_cli.files import parse_json, real_path
from sovits_cli.paths import models_dir

MODEL_FILE = "model.json"
"""In `<models dir>/<name>/`: an installed model."""

FILES_FOLDER = "files"
"""In the models directory: the files that were pulled."""


class BrokenModelError(ModelError):
    """A pulled model with a file that is not what it should be; `why` is what was said of the file."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"the pulled model {name} is broken: {why}", hint=f"sovits models pull {name} fetches the file again"
        )
        self.why = why


@contextmanager
def named_if_pulled(path: Path) -> Iterator[None]:
    """Say of a pulled file that is broken which model it breaks, and what mends it."""
    try:
        yield
    except BrokenModelError:
        raise
    except ModelError as error:
        broken = broken_model(path, error.message)
        if broken is None:
            raise
        raise broken from error


def broken_model(path: Path, why: str) -> BrokenModelError | None:
    """The error for a file that was pulled; None if it was not, or no model is made of it."""
    names = users(path) if pulled_files().absolute() in path.absolute().parents else []
    return BrokenModelError(names[0], why) if names else None


def pulled_files() -> Path:
    """Where pulled files are."""
    return models_dir() / FILES_FOLDER


def users(path: Path) -> list[str]:
    """Name the installed models that are made of a file, or of a folder that it is in; unreadable ones may be."""
    return sorted(place.parent.name for place in models_dir().glob(f"*/{MODEL_FILE}") if _uses(place, path))


def _uses(model: Path, path: Path) -> bool:
    try:
        said = parse_json(read_text(model, "a JSON file", most_bytes=MAX_MODEL_JSON_BYTES))
        places = [real_path(model.parent / value) for value in said.values() if isinstance(value, str)]
    except (ModelError, OSError, ValueError, AttributeError, RecursionError):
        return True
    wanted = real_path(path)
    return any(wanted == place or place in wanted.parents for place in places if place != real_path(model.parent))
