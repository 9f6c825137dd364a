"""G2PW: which of its readings a Chinese character has in its sentence, by a small BERT run through onnxruntime.

The weights are a download of others (`G2PWModel_1.1.zip`): a folder `G2PWModel` among the installed models. Without
that folder nothing here is loaded. Facts of the format: GPT-SoVITS `text/g2pw/` (`onnx_api.py`, `G2PWOnnxConverter`;
`dataset.py`, `prepare_onnx_input`). Paper: Chen et al., "g2pW: A Conditional Weighted Softmax BERT for Polyphone
Disambiguation in Mandarin", Interspeech 2022, https://arxiv.org/abs/2203.10430.

Legend: N questions, W word pieces of the longest row, L labels.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovits_cli import paths
from sovits_cli.errors import TextError
from sovits_cli.files import parse_json
from sovits_cli.text.resources import once

if TYPE_CHECKING:
    import numpy as np

# One question a polyphonic character; the model is asked about all of a text at once:
#
#   text        他 在 银 行 门 口 等 着 行 人 …
#   polyphonic           ^              ^              the characters of POLYPHONIC_CHARS.txt
#   seen     |<--- 16 ---|---- between --|--- 16 --->|  cut there: what is further away does not count
#   row 1    [CLS] … 银 行 门 … [SEP]     position_ids = 1 + position of the first 行, char_ids = its number
#   row 2    [CLS] … 银 行 门 … [SEP]     position_ids = 1 + position of the second 行
#   answer   the likeliest of the labels that phoneme_mask leaves to the character

FOLDER = "G2PWModel"
VOCABULARY_FOLDER = "chinese-roberta-wwm-ext-large"
"""The official program takes the vocabulary of its BERT folder; one inside the G2PW folder comes first."""

_CONTEXT = 16
"""Characters before the first and after the last polyphone that the model sees (official)."""

_MAX_TOKENS = 512
_BATCH = 32
_THREADS = 2
_NOT_POLYPHONIC = frozenset("一不和咋嗲剖差攢倒難奔勁拗肖瘙誒泊听噢")
_NOT_MONOPHONIC = frozenset("似攢")


@dataclass(frozen=True)
class Tables:
    """What the files beside the weights say.

    Args:
        labels: what the model chooses from, sorted.
        choices: for each polyphonic character the labels it may have, by index.
        single: the label of each character with one reading.
        pinyin: bopomofo without its tone -> pinyin.
        vocabulary: word piece -> id.
        is_masked: a character may only have its own labels.
    """

    labels: list[str]
    choices: dict[str, list[int]]
    single: dict[str, str]
    pinyin: dict[str, str]
    vocabulary: dict[str, int]
    is_masked: bool

    def spelt(self, label: str) -> str:
        """Pinyin with its tone of a label, which may name its character first."""
        bopomofo = label.split(" ")[-1]
        return self.pinyin[bopomofo[:-1]] + bopomofo[-1]


def g2pw_folder() -> Path:
    """Where the weights are looked for."""
    return paths.models_dir() / FOLDER


@once
def installed_g2pw() -> G2pw | None:
    """The model, if its weights are there. Raises TextError: a file or a package that it needs is missing."""
    weights = [g2pw_folder() / name for name in ("g2pW.onnx", "g2pw.onnx")]
    found = next((path for path in weights if path.is_file()), None)
    if found is None:
        return None
    missing = [package for package in ("onnxruntime", "opencc") if find_spec(package) is None]
    if missing:
        raise TextError(f"{found} needs {' and '.join(missing)}: not installed", hint='pip install "sovits[zh]"')
    return G2pw(found, _tables(found.parent))


class G2pw:
    """The model and its tables. Inputs and outputs have the official names and types."""

    def __init__(self, weights: Path, tables: Tables) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as states
        from opencc import OpenCC

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _THREADS
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(str(weights), options, providers=providers)
        except (states.Fail, states.InvalidGraph, states.InvalidProtobuf, states.NoSuchFile) as error:
            raise TextError(f"{weights} is no ONNX model: {error}", hint="fetch the folder again") from error
        self._traditional = OpenCC("s2tw")
        self._tables = tables
        self._characters = {character: position for position, character in enumerate(sorted(tables.choices))}

    def readings(self, text: str) -> list[str] | None:
        """Pinyin of each character ("ni3"), marks as they are; None where the text cannot be asked about."""
        converted = str(self._traditional.convert(text))
        if len(converted) != len(text):
            return None
        found = [self._certain(old, new) for old, new in zip(text, converted, strict=True)]
        asked = [position for position, character in enumerate(converted) if self._is_open(character)]
        for position, label in zip(asked, self._answers(converted, asked), strict=True):
            found[position] = self._tables.spelt(label)
        return found

    def _is_open(self, character: str) -> bool:
        return character in self._tables.choices and character not in _NOT_POLYPHONIC

    def _certain(self, character: str, traditional: str) -> str:
        """The reading of a character with one, else what pypinyin says first."""
        if traditional in self._tables.single and traditional not in _NOT_MONOPHONIC:
            return self._tables.spelt(self._tables.single[traditional])
        from pypinyin import Style, lazy_pinyin

        return str(lazy_pinyin(character, style=Style.TONE3, neutral_tone_with_five=True)[0])

    def _answers(self, text: str, asked: list[int]) -> list[str]:
        """Labels of the characters of `text` at `asked`."""
        if not asked:
            return []
        start = max(0, asked[0] - _CONTEXT)
        seen = text[start : asked[-1] + _CONTEXT + 1]
        rows = [self._row(seen, position - start) for position in asked]
        labels: list[str] = []
        for first in range(0, len(rows), _BATCH):
            probabilities = self._session.run(None, _batch(rows[first : first + _BATCH]))[0]
            labels += [self._tables.labels[int(best)] for best in probabilities.argmax(axis=-1)]
        return labels

    #   text    |--------------------------------|          longer than `_MAX_TOKENS` less [CLS] and [SEP]
    #   window         |------ ^ ------|                     as much before the character as behind it,
    #   window  |-^------------|                             moved to the side at the ends of the text
    def _row(self, text: str, position: int) -> dict[str, Any]:
        """Inputs of one question; a long text is cut to the window that the model can see."""
        room = _MAX_TOKENS - 2
        start = max(0, min(position - room // 2, len(text) - room))
        vocabulary = self._tables.vocabulary
        unknown = vocabulary["[UNK]"]
        pieces = [vocabulary.get(character.lower(), unknown) for character in text[start : start + room]]
        own = self._tables.choices[text[position]]
        allowed = [float(not self._tables.is_masked or label in own) for label in range(len(self._tables.labels))]
        return {
            "input_ids": [vocabulary["[CLS]"], *pieces, vocabulary["[SEP]"]],
            "phoneme_mask": allowed,
            "char_ids": self._characters[text[position]],
            "position_ids": position - start + 1,
        }


def _batch(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Questions about one text as arrays; a text over the window gives them different lengths.

    Returns:
        input_ids, token_type_ids and attention_mask (N, W) int64, phoneme_mask (N, L) float32, 1 for labels that the
        character may have, char_ids and position_ids (N,) int64.
    """
    import numpy as np

    longest = max(len(row["input_ids"]) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros((len(rows), longest), np.int64)
    for position, row in enumerate(rows):
        ids[position, : len(row["input_ids"])] = row["input_ids"]
        mask[position, : len(row["input_ids"])] = 1
    return {
        "input_ids": ids,
        "token_type_ids": np.zeros_like(ids),
        "attention_mask": mask,
        "phoneme_mask": np.array([row["phoneme_mask"] for row in rows], np.float32),
        "char_ids": np.array([row["char_ids"] for row in rows], np.int64),
        "position_ids": np.array([row["position_ids"] for row in rows], np.int64),
    }


def _tables(folder: Path) -> Tables:
    settings = _settings(folder / "config.py")
    pairs = [line.split("\t") for line in _text(folder / "POLYPHONIC_CHARS.txt").splitlines() if "\t" in line]
    named = bool(settings.get("use_char_phoneme", False))
    label_of = {(character, sound): f"{character} {sound}" if named else sound for character, sound in pairs}
    labels = sorted(set(label_of.values()))
    index = {label: number for number, label in enumerate(labels)}
    choices: dict[str, list[int]] = {}
    for (character, _), label in label_of.items():
        choices.setdefault(character, []).append(index[label])
    single = [line.split("\t") for line in _text(folder / "MONOPHONIC_CHARS.txt").splitlines() if "\t" in line]
    return Tables(
        labels=labels,
        choices=choices,
        single={character: sound for character, sound, *_ in single},
        pinyin=_json(folder / "bopomofo_to_pinyin_wo_tune_dict.json"),
        vocabulary=_vocabulary(folder),
        is_masked=bool(settings.get("use_mask", True)),
    )


def _settings(path: Path) -> dict[str, Any]:
    """Plain values assigned in a Python file, which is read, never run."""
    found: dict[str, Any] = {}
    try:
        tree = ast.parse(_text(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _unknown(path, f"expected Python: {error}") from error
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        ):
            found[node.targets[0].id] = node.value.value
    return found


def _vocabulary(folder: Path) -> dict[str, int]:
    for candidate in (folder, paths.models_dir() / VOCABULARY_FOLDER):
        if (candidate / "vocab.txt").is_file():
            return {word: row for row, word in enumerate(_text(candidate / "vocab.txt").splitlines())}
        if (candidate / "tokenizer.json").is_file():
            model = _json(candidate / "tokenizer.json").get("model")
            if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
                raise _unknown(candidate / "tokenizer.json", "expected a vocabulary in it")
            return dict(model["vocab"])
    raise TextError(
        f"{folder} has no vocabulary: expected vocab.txt or tokenizer.json in it",
        hint=f"copy vocab.txt of {VOCABULARY_FOLDER} into it",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TextError(f"cannot read {path}, which G2PW needs", hint="fetch the folder again") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(_text(path))
    except ValueError as error:
        raise _unknown(path, f"expected JSON: {error}") from error
    if not isinstance(found, dict):
        raise _unknown(path, "expected a JSON object")
    return found


def _unknown(path: Path, why: str) -> TextError:
    return TextError(f"{path} is no file of G2PW: {why}", hint="fetch the folder again")
