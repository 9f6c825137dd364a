"""LoRA files of the flow-matching models: their official key names, and a LoRA put into the model it was tuned from.

Files of the official trainer carry the names of the peft library: `cfm.base_model.model.` instead of `cfm.`,
`.lora_A.default.weight`, and `.base_layer.` in training states, which hold the base as well.
Knows tensors by key; which file the base is in, `networks.py` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sovits_cli.checkpoints.machine import printable
from sovits_cli.errors import ModelError

WRAPPER = "cfm.base_model.model."
FACTORS = (".lora_A", ".lora_B")
FACTOR_END = ".default.weight"
BASE_LAYER = ".base_layer"


def own_keys(weight: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a LoRA file, or of a training state, to those of our networks."""
    return {_own(key): value for key, value in weight.items()}


def official_key(key: str) -> str:
    """The name of one of our tensors in a LoRA file."""
    wrapped = WRAPPER + key.removeprefix("cfm.") if key.startswith("cfm.") else key
    return wrapped + FACTOR_END if key.endswith(FACTORS) else wrapped


def merged(base: Mapping[str, Tensor], lora: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """The weights of a model with a LoRA in it.

    Args:
        base: of the model that was tuned, by our keys.
        lora: of the LoRA, by our keys (see `own_keys`); what it holds besides the factors replaces the base's.
        source: the LoRA's file, for messages.

    Raises:
        ModelError: the two do not belong together.
    """
    whole = {**base, **{key: value for key, value in lora.items() if not key.endswith(FACTORS)}}
    down, up = FACTORS
    for layer in {key.removesuffix(down).removesuffix(up) for key in lora if key.endswith(FACTORS)}:
        weight, first, second = whole.get(f"{layer}.weight"), lora.get(layer + down), lora.get(layer + up)
        if weight is None or first is None or second is None or not _fits(weight, first, second):
            raise ModelError(
                f"{source} does not fit its base model: {printable(layer)} is missing or of another shape or type",
                hint=f"sovits models inspect {source}",
            )
        whole[f"{layer}.weight"] = weight.float() + second.float() @ first.float()
    return whole


def rank_of(lora: Mapping[str, Tensor]) -> int | None:
    """The rank of a LoRA by its factors, or None if it has none. Keys are ours or official."""
    return next((value.shape[0] for key, value in lora.items() if FACTORS[0] in key), None)


def _own(key: str) -> str:
    if key.startswith(WRAPPER):
        key = "cfm." + key.removeprefix(WRAPPER)
    return key.removesuffix(FACTOR_END).replace(BASE_LAYER, "") if key.startswith("cfm.") else key


def _fits(weight: Tensor, first: Tensor, second: Tensor) -> bool:
    matrices = all(one.ndim == 2 and one.is_floating_point() for one in (weight, first, second))
    return matrices and (second.shape[0], first.shape[1]) == tuple(weight.shape) and first.shape[0] == second.shape[1]
