"""Model files from one container to the other: official (.ckpt, .pth) and safetensors; a LoRA becomes a whole model.

The container is that of the new file's name. Knows no networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits_cli.checkpoints import official, ours
from sovits_cli.checkpoints.networks import sovits_file
from sovits_cli.checkpoints.recognise import Contents, ModelKind, expect, read
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.files import real_path

SAFETENSORS = ".safetensors"
OFFICIAL = {ModelKind.GPT: ".ckpt", ModelKind.SOVITS: ".pth", ModelKind.LORA: ".pth"}
"""Kinds that the official program reads from files of its own form, and the suffix it gives them."""


def convert(source: Path, target: Path) -> str:
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
    contents = read(source)
    if target.suffix == SAFETENSORS:
        return _to_ours(contents, target)
    if target.suffix not in OFFICIAL.values():
        raise UsageError(
            f"{target} says no container: expected {SAFETENSORS}, .ckpt (GPT) or .pth (SoVITS)",
            hint=f"sovits models convert {source} {source.stem}{SAFETENSORS}",
        )
    suffix = OFFICIAL.get(contents.kind)
    if suffix != target.suffix:
        raise ModelError(
            f"{source} is {contents}, which the official program does not read from a {target.suffix} file",
            hint=f"sovits models convert {source} {target.with_suffix(suffix or SAFETENSORS)}",
        )
    return _to_official(contents, target)


def _to_ours(contents: Contents, target: Path) -> str:
    """Any kind can be written as safetensors; what the file says of itself goes along."""
    weight, config, version, said = _whole(contents)
    told: dict[str, object] = {"kind": contents.kind.name.lower(), "config": config, "info": contents.info}
    ours.save(target, weight, told if version is None else {**told, "version": version})
    return said


def _to_official(contents: Contents, target: Path) -> str:
    if contents.kind is ModelKind.GPT:
        file = official.read_gpt(contents.path)
        official.write_gpt(target, file.weight, file.config, info=file.info)
        return str(contents)
    whole = sovits_file(contents.path)
    official.write_sovits(target, whole.weight, whole.config, info=whole.info, version=whole.version)
    return f"a SoVITS model ({whole.version.name})"


def _whole(contents: Contents) -> tuple[Mapping[str, Tensor], Mapping[str, Any], str | None, str]:
    """Weights, configuration, version and a description; a LoRA comes with its base, in half precision as files are."""
    if contents.kind is ModelKind.LORA:
        file = sovits_file(contents.path)
        weight = {key: official.half(value) for key, value in file.weight.items()}
        return weight, file.config, file.version.name, f"a SoVITS model ({file.version.name})"
    expect(contents, contents.kind)
    certain = contents.version if len(contents.versions) == 1 else None
    return contents.weight, contents.config, certain, str(contents)
