"""Texts of the golden files in every official mode, cut into languages and read; `texts` has those of one language.

With pyopenjtalk-plus, Japanese pieces are compared but for their phones, which were recorded with the naist-jdic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sovits_cli.text import reading, segment, symbols
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.versions import SymbolTable
from tests.parity import golden, texts
from tests.parity.differences import DICTIONARY, GUESSED_ONLY, MODEL, PIPELINE_WORDS, SEGMENTATION


@dataclass(frozen=True)
class Item:
    """One text in one mode; `want` is as in the golden file, `kind` is "cut" or "read"."""

    kind: str
    mode: str
    key: str
    text: str
    want: Any


def cuts() -> Iterator[Item]:
    """Every text of the segmentation file, in each mode."""
    for path in golden.paths("text_segmentation"):
        for found in golden.load(path)["items"]:
            for mode, want in found["modes"].items():
                yield Item("cut", mode, f"{found['id']}-{mode}", found["input"], want)


def readings() -> Iterator[Item]:
    """Every item of the pipeline file."""
    for path in golden.paths("text_pipeline"):
        for found in golden.load(path)["items"]:
            yield Item("read", found["mode"], f"{found['id']}-{found['mode']}", found["input"], found)


def by_script() -> Mapping[str, list[list[str]]]:
    """Texts that the official program cuts by a language model -> how it cuts them in `auto` by the script alone."""
    return {
        found["input"]: found["raw"]["default_script_zh"]
        for path in golden.paths("text_segmentation")
        for found in golden.load(path)["items"]
        if not found["model_free"]
    }


def missing(item: Item) -> str:
    """A language of the item whose extra is not installed; empty where there is none."""
    langs = {piece[0] for piece in item.want["pieces"]} & LANGUAGES.keys() if item.kind == "read" else set()
    return next(filter(texts.missing, sorted(langs)), "")


def recorded(item: Item) -> Any:
    """What the official program makes of it."""
    if item.kind == "cut":
        return item.want
    pieces = item.want["pieces"]
    return _comparable([piece[:3] for piece in pieces], [piece[3] for piece in pieces], item.want["ids"])


def read(item: Item) -> Any:
    """What we make of it, in the form of `recorded`."""
    if item.kind == "cut":
        return [
            [run.lang, run.text] for run in segment.language_runs(item.text, segment.find_mode(item.mode), compat=True)
        ]
    table = SymbolTable(item.want["version"])
    found = reading.read_for_speech(item.text, item.mode, reading.ReadingOptions(table, compat=True))
    pieces = [[piece.lang, piece.text, piece.norm] for piece in found]
    return _comparable(
        pieces,
        [len(piece.phones) for piece in found],
        symbols.ids([phone for piece in found for phone in piece.phones], table),
    )


def why(item: Item) -> str:
    """The reason why ours is another; empty where it must be the same."""
    code, _, _ = item.mode.partition("_")
    if item.text in SEGMENTATION and (
        code == segment.AUTO or (code == item.mode != "en" and item.text not in GUESSED_ONLY)
    ):
        return SEGMENTATION[item.text]
    if item.kind == "read" and texts.IS_PLUS and item.want["dot_prefixed"] and _is_japanese(item):
        return DICTIONARY
    if not golden.is_ours() and code in {segment.AUTO, item.mode} and item.text in by_script() and differs(item):
        return MODEL
    if item.kind == "cut":
        return ""
    return next((why for word, why in PIPELINE_WORDS.items() if word in item.text), "")


def differs(item: Item) -> bool:
    """Whether ours is cut otherwise."""
    want = item.want if item.kind == "cut" else [piece[:2] for piece in item.want["pieces"]]
    got = read(item) if item.kind == "cut" else [piece[:2] for piece in read(item)["pieces"]]
    return bool(got != want)


def _is_japanese(item: Item) -> bool:
    return any(piece[0] == "ja" for piece in item.want["pieces"])


def _comparable(pieces: list[list[str]], counts: list[int], ids: list[int]) -> dict[str, Any]:
    known = [count for piece, count in zip(pieces, counts, strict=True) if not (piece[0] == "ja" and texts.IS_PLUS)]
    return {"pieces": pieces, "counts": known} | ({"ids": ids} if len(known) == len(pieces) else {})
