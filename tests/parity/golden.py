"""Where the golden files are, and which kinds of them have a parity test.

`SOVITS_GOLDEN` names another folder of the same format; it may lack some files.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sovits_cli.versions import VERSIONS

OURS = Path(__file__).resolve().parent.parent / "golden"
FOLDER = Path(os.environ.get("SOVITS_GOLDEN") or OURS)

_VERSION = "(?:" + "|".join(map(re.escape, VERSIONS)) + ")"

KINDS: dict[str, str] = {
    "s1": r"s1_(tiny|full)",
    "s1_batch": r"s1_tiny_batch",
    "s1_eos": r"s1_tiny_eos",
    "s1_train": r"s1_train",
    "sampling": r"sampling",
    "scaled_adam": r"scaled_adam",
    "s2": rf"s2_{_VERSION}_(tiny|full)",
    "s2_train": rf"s2_{_VERSION}_train_tiny",
    "flow": r"v[34]_(tiny|full)",
    "vocoder": r"v[34]_(tiny|vocoder_full)",
    "sola": r"sola",
    "mel": r"mel",
    "slicer": r"slicer",
    "speaker": r"eres2net",
    "hubert": r"hubert_\w+",
    "bert": r"bert_\w+",
    "text_en": r"text_en",
    "text_zh": r"text_zh",
    "text_yue": r"text_yue",
    "text_ja": r"text_ja",
    "text_ko": r"text_ko",
    "text_edge": r"text_edge",
    "text_segmentation": r"text_segmentation",
    "text_pipeline": r"text_pipeline",
    "text_cut": r"text_cut",
    "symbols": r"symbols",
    "weights": r"weights_check",
}
"""Kind -> pattern of the file name without its suffix. A file that matches none is listed as not built."""


def is_ours() -> bool:
    """Whether the files are those of this repository."""
    return FOLDER.resolve() == OURS


def paths(kind: str) -> list[Path]:
    """Golden files of this kind in the folder."""
    return [path for path in _all() if re.fullmatch(KINDS[kind], path.stem)]


def files(kind: str) -> list[Any]:
    """Pytest parameters, one for each golden file of this kind in the folder; a skip where there is none."""
    found = paths(kind)
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no {kind} file in {FOLDER}"), id=f"no-{kind}-file")]
    return [pytest.param(path, id=path.stem) for path in found]


def not_built() -> list[Path]:
    """Golden files that no parity test reads yet."""
    return [path for path in _all() if not any(re.fullmatch(pattern, path.stem) for pattern in KINDS.values())]


def load(path: Path) -> dict[str, Any]:
    """A golden file as a dict of arrays; names ending in `_json` (and JSON files) come decoded."""
    if path.suffix == ".json":
        return dict(json.loads(path.read_text(encoding="utf-8")))
    with np.load(path) as archive:
        return {name: json.loads(str(archive[name])) if name.endswith("_json") else archive[name] for name in archive}


def _all() -> list[Path]:
    return sorted(path for path in FOLDER.iterdir() if path.suffix in {".npz", ".json"})
