"""What a training state must hold before any of it is believed: a file of the right format may still say anything.

`checked` looks at the values alone, `check_fit` at the networks and optimisers they are meant for. Each problem is a
`WrongStateError` whose text completes "this state ...". Knows no files and no config.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sovits_cli.training.optim import ScaledAdam

MAX_DEPTH = 12
"""Containers inside each other; a real state has five."""

MAX_VALUES = 1_000_000

MT19937_WORDS = 624

Shape = tuple[int, ...]


class WrongStateError(ValueError):
    """What is wrong with a state, as the end of a sentence that begins with it."""


def checked(content: object) -> dict[str, Any]:
    """A copy of the content of a state with tensors of its own, all of it of the right type and range.

    Raises:
        WrongStateError: it is not what `StateFolder.save` writes.
    """
    found = _copied(content, [MAX_VALUES], MAX_DEPTH)
    if not isinstance(found, dict):
        raise WrongStateError("is no dictionary")
    if isinstance(found.get("rng"), dict):  # before several processes could train
        found["rng"] = [found["rng"]]
    for key in ("model", "batches"):
        if not isinstance(found.get(key), str):
            raise WrongStateError(f"lacks its fingerprint of the {key}")
    _check_position(found.get("position"))
    for key in ("modules", "optimizers"):
        if not _is_section(found.get(key)) or not found[key]:
            raise WrongStateError(f"holds no {key}")
    for name, module in found["modules"].items():
        _check_module(name, module)
    for name, optimizer in found["optimizers"].items():
        _check_optimizer(name, optimizer)
    _check_scaler(found.get("scaler", {}))
    _check_generators(found.get("rng"))
    return found


def _copied(value: object, left: list[int], depth: int) -> Any:
    """Plain values as they are, containers and tensors as copies; the depth of both calls and data is bounded."""
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise WrongStateError("nests values deeper, or holds more of them, than any training writes")
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(item, left, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(item, left, depth - 1) for item in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise WrongStateError(f"holds a {type(value).__name__}, which no training writes")


def _is_section(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


# --- values alone -------------------------------------------------------------------------------------------------

COUNTS = {"step": 0, "epoch": 0, "batch": 0}
OPTIONAL_COUNTS = {"best_step": 0, "max_micro_batch_positions": 1}
"""Whole numbers of a position, and the least that each may be."""


def _check_position(position: object) -> None:
    if not isinstance(position, dict):
        raise WrongStateError("lacks its position")
    for key, least in (COUNTS | OPTIONAL_COUNTS).items():
        value = position.get(key)
        if value is None and key in OPTIONAL_COUNTS:
            continue
        if type(value) is not int or not least <= value < 2**62:
            raise WrongStateError(f"has the {key} {value!r}, expected a whole number from {least}")
    elapsed, best = position.get("elapsed_s"), position.get("best")
    if not _is_number(elapsed) or elapsed < 0:
        raise WrongStateError(f"has the elapsed_s {elapsed!r}, expected seconds")
    if best is not None and not _is_number(best):
        raise WrongStateError(f"has the best loss {best!r}, expected a number")
    if type(position.get("finished", False)) is not bool:
        raise WrongStateError(f"has the value {position['finished']!r} for finished, expected true or false")


def _check_module(name: str, module: object) -> None:
    if not _is_section(module) or not isinstance(module, dict):
        raise WrongStateError(f"holds a module {name} that is no dictionary of tensors")
    for key, value in module.items():
        if not isinstance(value, Tensor):
            raise WrongStateError(f"holds a {type(value).__name__} for {name}.{key}, expected a tensor")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise WrongStateError(f"holds NaN or infinite values in {name}.{key}")


def _check_optimizer(name: str, optimizer: object) -> None:
    if not isinstance(optimizer, dict) or not isinstance(optimizer.get("state"), dict):
        raise WrongStateError(f"holds an optimizer {name} without its state")
    groups = optimizer.get("param_groups")
    if not isinstance(groups, list) or not all(_is_section(group) for group in groups):
        raise WrongStateError(f"holds an optimizer {name} without its parameter groups")
    for value in _leaves([optimizer["state"], groups]):
        if _has_nan(value):
            raise WrongStateError(f"holds NaN values in the optimizer {name}")
    for index, entry in optimizer["state"].items():
        if type(index) is not int or not _is_section(entry):
            raise WrongStateError(f"holds a state of the optimizer {name} for {index!r}, expected one a parameter")


SCALER_ABOVE = {"scale": 0.0, "growth_factor": 1.0, "backoff_factor": 0.0, "growth_interval": 0, "_growth_tracker": -1}
"""What torch's loss scale saves, and what each is above."""


def _check_scaler(scaler: object) -> None:
    if not isinstance(scaler, dict):
        raise WrongStateError("holds a loss scale that is no dictionary")
    for key, value in scaler.items():
        if not _is_number(value) or value <= SCALER_ABOVE.get(key, -math.inf):
            raise WrongStateError(f"has the {key} {value!r} of the loss scale")


def _check_generators(rng: object) -> None:
    """Try the states of the random generators on generators of our own."""
    if not isinstance(rng, list) or not rng:
        raise WrongStateError("holds no states of the random generators")
    for one in rng:
        try:
            _try_generators(one)
        except (TypeError, ValueError, KeyError, IndexError, OverflowError, AttributeError, RuntimeError) as error:
            raise WrongStateError("holds malformed states of the random generators") from error


def _try_generators(state: Mapping[str, Any]) -> None:
    if not isinstance(state, dict):
        raise TypeError(state)
    version, words, next_gauss = state["python"]
    if next_gauss is not None and not _is_number(next_gauss):
        raise ValueError(next_gauss)
    random.Random().setstate((version, tuple(words), next_gauss))
    kind, keys, position, has_gauss, gauss = state["numpy"]
    if not 0 <= position <= MT19937_WORDS or not _is_number(gauss) or has_gauss not in (0, 1):
        raise ValueError(position)  # numpy would read beyond its words
    np.random.RandomState().set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.Generator().set_state(state["torch"])
    for one in state["cuda"]:
        if one.dtype is not torch.uint8 or one.shape != (16,):  # seed and offset
            raise ValueError(one.shape)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _has_nan(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point() and bool(value.isnan().any())
    return isinstance(value, float) and math.isnan(value)


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


# --- for these networks -------------------------------------------------------------------------------------------


def check_fit(
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    saved_modules: Mapping[str, Mapping[str, Tensor]],
    saved_optimizers: Mapping[str, Mapping[str, Any]],
) -> None:
    """Make sure that loading these values into these networks and optimisers would succeed.

    Args:
        modules, optimizers: of the run, by name.
        saved_modules, saved_optimizers: their states in a file.

    Raises:
        WrongStateError: it would not.
    """
    _check_names("module", modules, saved_modules)
    for name, module in modules.items():
        check_tensors(name, module, saved_modules[name])
    _check_names("optimizer", optimizers, saved_optimizers)
    for name, optimizer in optimizers.items():
        _check_groups(name, optimizer, saved_optimizers[name]["param_groups"])
        _check_entries(name, optimizer, saved_optimizers[name]["state"])


def check_tensors(name: str, module: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Raise WrongStateError unless these are the tensors of the module, in shape and kind."""
    own = module.state_dict()
    _check_names(f"tensor of {name}", own, saved)
    for key, tensor in own.items():
        if tensor.shape != saved[key].shape:
            shapes = f"{tuple(saved[key].shape)}, the network has {tuple(tensor.shape)}"
            raise WrongStateError(f"does not fit the network: {name}.{key} is {shapes}")
        if tensor.is_floating_point() != saved[key].is_floating_point():
            raise WrongStateError(f"does not fit the network: {name}.{key} is {saved[key].dtype}")


def first_not_finite(modules: Mapping[str, nn.Module]) -> str | None:
    """The name of the first tensor with NaN or infinite values ("generator.dec.weight"); None if all are finite."""
    for name, module in modules.items():
        for key, tensor in module.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                return f"{name}.{key}"
    return None


def _check_names(what: str, own: Mapping[str, object], saved: Mapping[str, object]) -> None:
    for missing in own.keys() - saved.keys():
        raise WrongStateError(f"does not fit the network: it has no {what} {missing}")
    for unexpected in saved.keys() - own.keys():
        raise WrongStateError(f"does not fit the network: it has a {what} {unexpected}, the network none")


def _check_groups(name: str, optimizer: Optimizer, saved: Sequence[Mapping[str, Any]]) -> None:
    """Which parameters a group has; what else it says is not taken from a state."""
    own = [group["params"] for group in optimizer.state_dict()["param_groups"]]
    others = [group.get("params") for group in saved]
    plain = all(isinstance(other, list) and all(type(one) is int for one in other) for other in others)
    if not plain or own != others:
        raise WrongStateError(f"does not fit the network: its optimizer {name} is for other parameters")


def _check_entries(name: str, optimizer: Optimizer, saved: Mapping[int, Mapping[str, Any]]) -> None:
    expected = state_shapes(optimizer)
    if expected is None:
        return
    if isinstance(optimizer, ScaledAdam) and saved and saved.keys() != expected.keys():
        raise WrongStateError(f"holds the optimizer {name} for some parameters only")
    for index, entry in saved.items():
        if index not in expected:
            raise WrongStateError(f"holds a state of the optimizer {name} for parameter {index}, which is none")
        for key, shape in expected[index].items():
            value: Any = entry.get(key)
            if not _has_shape(value, shape) or (key == "step" and value < 0):
                raise WrongStateError(f"holds no fitting {key} in the optimizer {name}, parameter {index}")


def _has_shape(value: Any, shape: Shape) -> bool:
    """Whether this is a tensor of a shape; a number may stand for one without axes."""
    return tuple(value.shape) == shape if isinstance(value, Tensor) else not shape and _is_number(value)


def state_shapes(optimizer: Optimizer) -> dict[int, dict[str, Shape]] | None:
    """The shapes that an optimiser keeps for each parameter; None for an optimiser that keeps what it likes."""
    if isinstance(optimizer, ScaledAdam):
        return optimizer.state_shapes()
    if not isinstance(optimizer, AdamW):
        return None
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    return {
        index: {"step": (), "exp_avg": tuple(one.shape), "exp_avg_sq": tuple(one.shape)}
        for index, one in enumerate(parameters)
    }
