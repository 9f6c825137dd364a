"""Model folders as their authors publish them: `config.json`, weights, a vocabulary.

Knows where the parts lie and the spellings of keys; not what the models are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sovits_cli.checkpoints.installed import named_if_pulled
from sovits_cli.checkpoints.opening import read_text
from sovits_cli.checkpoints.recognise import Contents, ModelKind, expect, read
from sovits_cli.errors import ModelError
from sovits_cli.files import parse_json

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "bigvgan_generator.pt", "vocoder.pth")
"""The first that exists is read."""

MAX_JSON_BYTES = 16 << 20
"""A configuration takes 1 kB, the vocabulary of 21 000 words 0.4 MB."""

_OLD_SPELLING = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
}
"""Weight norm and layer norm have two spellings each; these are the ones we use."""


def config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        ModelError: it is missing or no JSON object.
    """
    return json_object(folder / "config.json")


def weights(folder: Path, kind: ModelKind, *, prefix: str) -> Contents:
    """Read the weights, with our spelling of keys and without the prefix that some authors keep.

    Raises:
        ModelError: they are missing, unreadable, or of another model.
    """
    contents = expect(read(weight_file(folder)), kind)
    return replace(contents, weight={spelled(key, prefix): value for key, value in contents.weight.items()})


def weight_file(folder: Path) -> Path:
    """Find the file that holds the weights."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"{folder} has no weights: expected {' or '.join(WEIGHT_FILES)}", hint=f"ls {folder}")


def json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object."""
    with named_if_pulled(path):
        try:
            found = parse_json(read_text(path, "a file of a published model folder", most_bytes=MAX_JSON_BYTES))
        except ValueError as error:
            raise ModelError(
                f"{path} cannot be read: {error}",
                hint="expected a published model folder: config.json and its weights",
            ) from error
        if not isinstance(found, dict):
            raise ModelError(f"{path} is no JSON object", hint="fetch the model folder again")
        return found


def spelled(key: str, prefix: str) -> str:
    """Give our name of a published key."""
    key = key.removeprefix(prefix)
    for other, ours in _OLD_SPELLING.items():
        key = key.replace(other, ours)
    return key
