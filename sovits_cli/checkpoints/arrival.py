"""Whether a fetched file is what it should be: its kind, its version, and the beginning where it is known beforehand.

Decided by content, never by name or size. Fetches nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from sovits_cli.checkpoints.published import json_object
from sovits_cli.checkpoints.recognise import Contents, ModelKind, read
from sovits_cli.checkpoints.registry import Pullable
from sovits_cli.errors import ModelError
from sovits_cli.versions import BASE_HEAD_BYTES, VERSIONS, VocoderKind

KINDS = {
    "gpt": ModelKind.GPT,
    "sovits": ModelKind.SOVITS,
    "discriminator": ModelKind.DISCRIMINATOR,
    "content": ModelKind.HUBERT,
    "bert": ModelKind.BERT,
    "speaker": ModelKind.SPEAKER,
    "vocoder": ModelKind.VOCODER,
}
"""What each part of a model is."""

_JSON_KEYS = {
    ("content", "config.json"): ("hidden_size", "num_hidden_layers", "num_attention_heads"),
    ("bert", "config.json"): ("hidden_size", "num_hidden_layers", "num_attention_heads"),
    ("bert", "tokenizer.json"): ("model",),
    ("vocoder", "config.json"): ("num_mels", "upsample_rates"),
}
"""What a network cannot be built without."""

_ANTI_ALIASED = "activation_post."
"""Beginning of keys that BigVGAN has and the vocoder of v4 has not."""


def recognised(path: Path, row: Pullable, part: str, file: str) -> str:
    """Say what a file is.

    Args:
        path: where it is, under any name.
        row: the model it is to be a part of.
        part: which part.
        file: its published path.

    Raises:
        ModelError: it is something else; the message begins with `path`.
    """
    if file.endswith(".json"):
        return _recognised_json(path, part, file)
    contents = read(path)
    if contents.kind is not KINDS[part]:
        raise ModelError(f"{path} is {contents}: expected {KINDS[part]}")
    _check_version(contents, row, part)
    head = row.parts[part].pin(file).head_md5
    if head is not None and _head(path) != head:
        raise ModelError(f"{path} is {contents}, but not the published one: it begins otherwise")
    return str(contents)


def _recognised_json(path: Path, part: str, file: str) -> str:
    name = file.rpartition("/")[2]
    found = json_object(path)
    for key in _JSON_KEYS[part, name]:
        if key not in found:
            raise ModelError(f"{path} is no {name} of {KINDS[part]}: {key} is missing")
    return f"{name} of {KINDS[part]}"


def _check_version(contents: Contents, row: Pullable, part: str) -> None:
    """Hold a file to the version of its model, where such files say it."""
    if part == "sovits" and row.version not in contents.versions:
        raise ModelError(f"{contents.path} is {contents}: expected {row.version}")
    flow = VERSIONS[row.version].flow
    if part == "vocoder" and flow is not None:
        is_bigvgan = any(key.startswith(_ANTI_ALIASED) for key in contents.weight)
        if is_bigvgan != (flow.vocoder is VocoderKind.BIGVGAN):
            raise ModelError(f"{contents.path} is another vocoder: expected that of {row.version}")


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.md5(file.read(BASE_HEAD_BYTES), usedforsecurity=False).hexdigest()
