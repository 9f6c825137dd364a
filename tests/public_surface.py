"""The public names of the package with their signatures, as text. `python -m tests.public_surface` writes them anew."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path

import sovits_cli

FROZEN = Path(__file__).with_suffix(".txt")


def surface() -> str:
    """Every name in `__all__`: functions with their signature, classes with what can be asked of them."""
    names = [name for name in sovits_cli.__all__ if not name.startswith("__")]
    return "".join(f"{line}\n" for name in names for line in _described(name, getattr(sovits_cli, name)))


def _described(name: str, value: object) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{name}{_signature(value)}"
        return
    base = value.__mro__[1].__name__
    yield f"class {name}" + ("" if base == "object" else f"({base})")
    if dataclasses.is_dataclass(value):
        yield from (f"    {field.name}: {field.type}" for field in dataclasses.fields(value) if field.repr)
    elif hasattr(value, "model_fields"):
        yield f"    fields: {', '.join(value.model_fields)}"
        return
    elif "__init__" in vars(value) and base != "Protocol":
        yield f"    __init__{_signature(value.__init__)}"
    for member, found in vars(value).items():
        if member.startswith("_"):
            continue
        if isinstance(found, property):
            yield f"    {member} -> {found.fget.__annotations__.get('return')}"
        elif isinstance(found, classmethod | staticmethod) or inspect.isfunction(found):
            yield f"    {member}{_signature(getattr(value, member))}"


def _signature(value: object) -> str:
    parameters = inspect.signature(value).parameters.values()  # type: ignore[arg-type]
    shown = [one.replace(default=...) if _is_long(one.default) else one for one in parameters]
    returned = inspect.signature(value).return_annotation  # type: ignore[arg-type]
    return str(inspect.Signature(shown, return_annotation=returned))


def _is_long(default: object) -> bool:
    """Whether a default is an object of ours, whose looks may change."""
    return default is not inspect.Parameter.empty and type(default).__module__.startswith("sovits_cli")


if __name__ == "__main__":
    FROZEN.write_text(surface(), encoding="utf-8")
