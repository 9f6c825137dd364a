from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sovits_cli.errors import AudioError
from sovits_cli.report import json_output
from sovits_cli.terms import Precision, Span


@dataclass(frozen=True)
class Result:
    path: Path
    spans: list[Span]
    kinds: frozenset[str]
    level: np.float32
    loudness: float
    precision: Precision
    more: dict[int, None]


def test_a_result_becomes_one_line_of_json() -> None:
    result = Result(
        path=Path("a") / "b.wav",
        spans=[Span(1, 2)],
        kinds=frozenset({"b", "a"}),
        level=np.float32(0.5),
        loudness=float("-inf"),
        precision=Precision.HALF,
        more={1: None},
    )
    text = json_output.dumps(result)
    assert "\n" not in text
    assert json.loads(text) == {
        "path": str(Path("a/b.wav")),
        "spans": [[1, 2]],
        "kinds": ["a", "b"],
        "level": 0.5,
        "loudness": None,
        "precision": "16-mixed",
        "more": {"1": None},
    }


def test_texts_stay_readable() -> None:
    assert json_output.dumps("你好\n") == '"你好\\n"'


def test_what_has_no_json_form_is_a_bug() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        json_output.dumps(object())


def test_an_error_object() -> None:
    assert json_output.error_object(AudioError("a.wav: is empty", fields={"path": "a.wav"}), "leave it out") == {
        "error": {
            "type": "AudioError",
            "code": "audio",
            "fields": {"path": "a.wav"},
            "message": "a.wav: is empty",
            "hint": "leave it out",
            "exit_code": 3,
        }
    }
