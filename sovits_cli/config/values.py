"""The kinds of values that settings have: types shared by the sections of the schema, and what null stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sovits_cli.errors import SettingsError
from sovits_cli.terms import Precision
from sovits_cli.versions import VERSIONS, ModelVersion


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys and does not convert types."""

    # strict: `epochs: true` or `mono: 1` is a slip, not a number or a switch
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())

    def changed(self, **values: object) -> Self:
        """The same settings with some values changed. Raises SettingsError: one of them does not fit."""
        try:
            # What nobody set stays unset: training asks whether a value was meant, or is a default that gives way.
            return type(self).model_validate({**self.model_dump(exclude_unset=True), **values})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            raise SettingsError(f"{key} is {first['input']!r}: {first['msg']}", fields={"key": key}) from None


def _precision_name(value: object) -> object:
    """`16` is Lightning's old name of `16-mixed`."""
    return {"16": "16-mixed", "bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32"}.get(str(value), value)


FilePath = Annotated[Path, Field(strict=False)]
"""A path, written as a string."""

Numbers = Annotated[tuple[int, ...], Field(strict=False)]
"""A list of whole numbers."""

DiscriminatorWidth = Annotated[float, BeforeValidator(lambda value: 0.0 if value == "none" else value)]
"""A share of the official width; `none` is 0."""

LoraRank = Annotated[int, Field(strict=False)]
"""A whole number, or its digits, as official files write it."""

BatchSize = Annotated[int, Field(ge=1)] | Literal["auto"]
"""A number of clips, or as many as fit."""

PrecisionName = Annotated[Precision, Field(strict=False), BeforeValidator(_precision_name)]
"""A Lightning precision; the old short names are taken too."""


def null_text(value: Callable[[ModelVersion], float | None]) -> str:
    """What null stands for in each version, by the table: "null: 15, mini 5"; versions without a value are left out."""
    versions: dict[float, list[str]] = {}
    for row in VERSIONS.values():
        if (found := value(row)) is not None:
            versions.setdefault(found, []).append(row.name)
    # the value of most versions stands alone, as the rule: "null: 15, mini 5"
    (usual, names), *others = sorted(versions.items(), key=lambda item: -len(item[1]))
    is_rule = len(names) > sum(len(names) for _, names in others)
    first = _text(usual) if is_rule else f"{' and '.join(names)} {_text(usual)}"
    return "null: " + ", ".join([first, *(f"{' and '.join(names)} {_text(found)}" for found, names in others)])


def _text(value: float) -> str:
    """A number or a truth value, as a settings file has it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
