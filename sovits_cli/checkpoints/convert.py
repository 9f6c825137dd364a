"""Model files from one container to the other: official (.ckpt, .pth) and safetensors; a LoRA becomes a whole model.

The container is that of the new file's name. Knows no networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.model_file import ModelFile, ModelKind, expect_kind, read_model_file
from sovits_cli.checkpoints.networks import read_whole_sovits
from sovits_cli.checkpoints.official import to_half
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.files import real_path

SAFETENSORS_SUFFIX = ".safetensors"
OFFICIAL_SUFFIXES = {ModelKind.GPT: ".ckpt", ModelKind.SOVITS: ".pth", ModelKind.LORA: ".pth"}
"""Kinds that the official program reads from files of its own form, and the suffix it gives them."""


def convert_model(source: Path, target: Path) -> str:
    """Write a model file in the other container.

    Args:
        target: its suffix says the container.

    Returns:
        What was written, in words.

    Raises:
        ModelError: the source cannot be read, or has no official form.
        UsageError: the target is the source, or its suffix says no container.
    """
    if target.exists() and real_path(target) == real_path(source):
        raise UsageError(f"{target} would be written over itself", hint="name another file")
    contents = read_model_file(source)
    if target.suffix == SAFETENSORS_SUFFIX:
        return _to_safetensors(contents, target)
    if target.suffix not in OFFICIAL_SUFFIXES.values():
        raise UsageError(
            f"{target} says no container: expected {SAFETENSORS_SUFFIX}, .ckpt (GPT) or .pth (SoVITS)",
            code="model.convert_suffix",
            fields={"source": source, "target": f"{source.stem}{SAFETENSORS_SUFFIX}"},
        )
    suffix = OFFICIAL_SUFFIXES.get(contents.kind)
    if suffix != target.suffix:
        raise ModelError(
            f"{source} is {contents}, which the official program does not read from a {target.suffix} file",
            code="model.convert_suffix",
            fields={"source": source, "target": target.with_suffix(suffix or SAFETENSORS_SUFFIX)},
        )
    return _to_official(contents, target)


def _to_safetensors(contents: ModelFile, target: Path) -> str:
    """Any kind can be written as safetensors; what the file says of itself goes along."""
    weight, config, version, description = _whole_model(contents)
    metadata: dict[str, object] = {"kind": contents.kind.name.lower(), "config": config, "info": contents.info}
    save_safetensors(target, weight, metadata if version is None else {**metadata, "version": version})
    return description


def _to_official(contents: ModelFile, target: Path) -> str:
    if contents.kind is ModelKind.GPT:
        file = official.read_gpt(contents.path)
        official.write_gpt(target, file.weight, file.config, info=file.info)
        return str(contents)
    whole = read_whole_sovits(contents.path)
    official.write_sovits(target, whole.weight, whole.config, info=whole.info, version=whole.version)
    return f"a SoVITS model ({whole.version.name})"


def _whole_model(contents: ModelFile) -> tuple[Mapping[str, Tensor], Mapping[str, Any], str | None, str]:
    """Weights, configuration, version and a description; a LoRA comes with its base, in half precision as files are."""
    if contents.kind is ModelKind.LORA:
        file = read_whole_sovits(contents.path)
        weight = {key: to_half(value) for key, value in file.weight.items()}
        return weight, file.config, file.version.name, f"a SoVITS model ({file.version.name})"
    expect_kind(contents, contents.kind)
    # Of two versions with the same tensors none is written down: the reader is to ask again.
    known_version = contents.version if len(contents.versions) == 1 else None
    return contents.weight, contents.config, known_version, str(contents)
