"""Texts of the golden files in one language each: what was recorded, what we read, and why the two may differ.

Japanese is compared with what was recorded for the package that is installed: pyopenjtalk with the naist-jdic, or
pyopenjtalk-plus. Fragments were recorded with the former only; with the latter, only what is not up to a dictionary is
compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text import en, symbols
from sovits_cli.text.frontend import pronounce
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.versions import SymbolTable
from tests.parity import golden
from tests.parity.differences import CRASHES, DICTIONARY, GUESSED

IS_PLUS = bool(find_spec("pyopenjtalk") and find_spec("pyopenjtalk.yomi_model"))


@dataclass(frozen=True)
class Item:
    """One recorded text; `want` is as in the golden file, `kind` is "sentence" or "fragment"."""

    kind: str
    lang: str
    key: str
    table: SymbolTable
    text: str
    want: Mapping[str, Any]


def items() -> Iterator[Item]:
    """Everything recorded for one language, but the Japanese of symbol table v1 that this package has no truth for."""
    for lang in LANGUAGES:
        for path in golden.paths(f"text_{lang}"):
            for found in golden.load(path)["items"]:
                if not (lang == "ja" and IS_PLUS and "phones_plus" not in found):
                    yield _item("sentence", lang, found["version"], found, found)
    for path in golden.paths("text_edge"):
        for found in golden.load(path)["items"]:
            yield _item("fragment", found["language"], found["version"], found, found)
            if "v1" in found:
                yield _item("fragment", found["language"], "v1", found, {"norm": found["norm"], **found["v1"]})


def without_onnx() -> None:
    """No onnxruntime from here on, which pyopenjtalk-plus would ask how 何 is read; it was recorded without."""
    nani_predict = import_module("pyopenjtalk.yomi_model.nani_predict")
    nani_predict.enc_session = None  # type: ignore[attr-defined]


def missing(lang: str) -> bool:
    """Whether the extra of a language is not installed."""
    return any(find_spec(package) is None for package in LANGUAGES[lang].packages)


def recorded(item: Item) -> dict[str, Any]:
    """What the official program reads: norm, phones, ids, phones per character; or that it fails."""
    if "error" in item.want:
        return {"fails": True}
    if item.lang == "ja" and IS_PLUS:
        found = {"norm": item.want["norm"]}
        return found | (
            {"phones": item.want["phones_plus"], "word2ph": None}
            if "phones_plus" in item.want
            else {"phones": item.want["phones"], "marks": _marks(item.want["phones"])}
        )
    return {key: item.want[key] for key in ("norm", "phones", "ids", "word2ph") if key in item.want}


def read(item: Item) -> dict[str, Any]:
    """What we read, by the names of `recorded`."""
    try:
        said = pronounce(item.text, item.lang, item.table, compat=True)
    except TextError as error:
        if "the official program fails at" in error.message:
            return {"fails": True}
        raise
    found = {
        "norm": said.norm,
        "phones": said.phones,
        "marks": _marks(said.phones),
        "ids": symbols.ids(said.phones, item.table),
        "word2ph": said.word2ph,
    }
    return {key: found[key] for key in recorded(item) if key in found} or found


def why(item: Item) -> str:
    """The reason why our reading may be another; empty where it must be the same."""
    if "error" in item.want:
        return CRASHES.get(item.text, "")
    if item.lang == "ja" and IS_PLUS and "phones_plus" not in item.want:
        return DICTIONARY
    if item.lang == "en" and en.official_guesses(item.want["norm"]):
        return GUESSED
    return ""


def _item(kind: str, lang: str, version: str, found: Mapping[str, Any], want: Mapping[str, Any]) -> Item:
    return Item(kind, lang, f"{found['id']}-{version}", SymbolTable(version), found["input"], want)


def _marks(phones: list[str]) -> list[str]:
    return [phone for phone in phones if phone in symbols.PUNCTUATION]
