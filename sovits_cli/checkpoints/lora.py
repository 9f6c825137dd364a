"""LoRA files of the flow-matching models: their official key names, and a LoRA put into the model it was tuned from.

Files of the official trainer carry the names of the peft library: `cfm.base_model.model.` instead of `cfm.`,
`.lora_A.default.weight`, and `.base_layer.` in training states, which hold the base as well.
Knows tensors by key; which file the base is in, `networks.py` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle, naming_pulled_model
from sovits_cli.checkpoints.catalogue import list_models
from sovits_cli.checkpoints.official import CODEBOOK, LORA_FACTORS, SovitsFile, read_sovits
from sovits_cli.checkpoints.restricted_unpickler import printable
from sovits_cli.errors import ModelError
from sovits_cli.versions import ModelVersion


def merge_lora(base: Mapping[str, Tensor], lora: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """The weights of a model with a LoRA in it.

    Args:
        base: of the model that was tuned, by our keys.
        lora: of the LoRA, by our keys (see `own_keys`); what it holds besides the factors replaces the base's.
        source: the LoRA's file, for messages.

    Raises:
        ModelError: the two do not belong together.
    """
    whole = {**base, **{key: value for key, value in lora.items() if not key.endswith(LORA_FACTORS)}}
    down, up = LORA_FACTORS
    for layer in {key.removesuffix(down).removesuffix(up) for key in lora if key.endswith(LORA_FACTORS)}:
        weight, first, second = whole.get(f"{layer}.weight"), lora.get(layer + down), lora.get(layer + up)
        if weight is None or first is None or second is None or not _fits(weight, first, second):
            raise ModelError(
                f"{source} does not fit its base model: {printable(layer)} is missing or of another shape or type",
                code="model.unfit",
                fields={"path": source},
            )
        whole[f"{layer}.weight"] = weight.float() + second.float() @ first.float()
    return whole


def _fits(weight: Tensor, first: Tensor, second: Tensor) -> bool:
    matrices = all(one.ndim == 2 and one.is_floating_point() for one in (weight, first, second))
    return matrices and (second.shape[0], first.shape[1]) == tuple(weight.shape) and first.shape[0] == second.shape[1]


def read_whole_sovits(source: Bundle | Path) -> SovitsFile:
    """Read the weights and the configuration of the SoVITS model; a LoRA is put into the model it was tuned from.

    Raises:
        ModelError: a file cannot be read, or the model that a LoRA belongs to is not there.
    """
    path, under = (source.sovits, source.under) if isinstance(source, Bundle) else (source, ())
    file = read_sovits(path, said=source.version if isinstance(source, Bundle) else None)
    if isinstance(source, Bundle) and file.version.name != source.version.name:
        with naming_pulled_model(path):
            raise ModelError(
                f"{path} is a {file.version.name} file, but {source.name} is said to be a {source.version.name} model",
                code="model.version_disagrees",
                fields={"path": path},
            )
    if not file.is_lora:
        return file
    is_whole = CODEBOOK in file.weight and "ssl_proj.weight" in file.weight  # a training state holds its base
    base = {} if is_whole else _base_file(path, file.version, under)
    return replace(file, weight=merge_lora(base, file.weight, path), is_lora=False)


def _base_file(lora: Path, row: ModelVersion, under: tuple[Path, ...]) -> Mapping[str, Tensor]:
    """The weights of the model that a LoRA was tuned from: the one it lies on, or the newest installed one."""
    if under:
        *deeper, nearest = under
        file = read_sovits(nearest, said=row)
        if file.version == row and file.is_lora:
            return merge_lora(_base_file(nearest, row, tuple(deeper)), file.weight, nearest)
        if file.version == row:
            return file.weight
    found, _ = list_models()  # a broken model is no base; `list` says what is wrong with it
    for one in found:
        if one.origin == "installed" and one.speaks and one.version == row:
            file = read_sovits(one.sovits, said=row)
            if not file.is_lora:
                return file.weight
    raise ModelError(
        f"{lora} is a LoRA, which needs the {row.name} model it was tuned from: none is installed",
        code="model.not_installed",
        fields={"name": row.name},
    )
