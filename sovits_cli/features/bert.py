"""Text features: one BERT vector per character of a normalised text, repeated over the phones of that character.

Used where a language has a text encoder (Chinese); elsewhere the features are zeros. Texts over the position limit
go through in overlapping windows. Which stretches of a text have features, the text room says.

Legend: P phones, D width of the features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers.normalizers import BertNormalizer
from torch import Tensor

from sovits_cli.checkpoints.bundle import MAX_JSON_BYTES, read_json_object
from sovits_cli.checkpoints.model_file import ModelKind, read_folder_config, read_folder_weights
from sovits_cli.checkpoints.weight_loading import build_network, config_errors
from sovits_cli.errors import ModelError, TextError
from sovits_cli.files import read_text_file
from sovits_cli.models.bert import Bert, BertConfig
from sovits_cli.text.reading import Piece

CONTEXT_CHARACTERS = 64
"""What a window sees, but does not give, on either side of its share of a long text."""

_SPECIAL = 2
"""Each window begins with [CLS] and ends with [SEP]."""


@dataclass(frozen=True)
class Window:
    """Characters `start` to `end` go through the encoder; the features of `keep_start` to `keep_end` are used."""

    start: int
    end: int
    keep_start: int
    keep_end: int


class BertFeatures:
    """A published BERT folder behind one call."""

    def __init__(self, model: Bert, ids: CharacterIds, device: torch.device) -> None:
        self._model, self._ids, self._device = model.eval().requires_grad_(False).to(device), ids, device
        self._limit = model.config.max_position_embeddings - _SPECIAL

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu", *, width: int | None = None) -> BertFeatures:
        """Load a folder: `config.json`, weights, and `tokenizer.json` or `vocab.txt`.

        Args:
            width: what the features have to have, where it is known.

        Raises:
            ModelError: a file is missing, broken, or of another model.
        """
        contents = read_folder_weights(folder, ModelKind.BERT, prefix="bert.")
        with config_errors(folder / "config.json"):
            config = BertConfig.from_dict(read_folder_config(folder))
        model, _ = build_network(
            lambda: Bert(config),
            contents.weight,
            layers=config.num_hidden_layers,
            source=contents.path,
            optional=config.unused_keys,
        )
        if width not in (None, config.hidden_size):
            raise ModelError(
                f"{folder} gives text features of width {config.hidden_size}, but the GPT takes {width}",
                hint="use the BERT that the GPT was trained with",
            )
        return cls(model, CharacterIds(folder, config.vocab_size), torch.device(device))

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self._model.config.hidden_size

    # GPT-SoVITS, prepare_datasets/1-get-text.py, `get_bert_feature`: the third layer from the end, one vector for each
    # character, without those of [CLS] and [SEP]; each is repeated for the phones of its character:
    #
    #     characters   你        好            word2ph  [2, 2]
    #     vectors      a         b
    #     phones       n   i3    h    ao3
    #     features     a   a     b    b       (D, P)
    def features(self, norm_text: str, word2ph: Sequence[int]) -> Tensor:
        """Features (D, P) on the CPU: the vector of each character, repeated `word2ph` times.

        Raises:
            TextError: `word2ph` does not have one entry for each character.
        """
        if len(word2ph) != len(norm_text) or not norm_text:
            raise TextError(f"{len(word2ph)} phone counts for {len(norm_text)} characters: expected one for each")
        with torch.inference_mode():
            pieces = [self._window(norm_text, window) for window in character_windows(len(norm_text), self._limit)]
        rows = torch.cat(pieces)
        return rows.repeat_interleave(torch.tensor(word2ph), dim=0).T.contiguous()

    def of_pieces(self, pieces: Sequence[Piece]) -> Tensor:
        """Features (D, P) of a text in several languages, zeros for those without."""
        return join_piece_features(pieces, self.features)

    def _window(self, text: str, window: Window) -> Tensor:
        """Vectors (characters, D) of the characters this window keeps."""
        ids = [self._ids.first, *map(self._ids, text[window.start : window.end]), self._ids.last]
        hidden: Tensor = self._model(torch.tensor([ids], device=self._device))
        rows = hidden[0, 1:-1].float().cpu()
        return rows[window.keep_start - window.start : window.keep_end - window.start]


class CharacterIds:
    """The vocabulary, one character at a time: a text can never come out with more or fewer tokens than characters."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._words = _vocabulary(folder)
        if not all(type(row) is int and 0 <= row < rows for row in self._words.values()):
            raise ModelError(
                f"{folder}: its vocabulary is of another model: expected rows 0 to {rows - 1}",
                hint="fetch the model folder again",
            )
        self._normalizer = BertNormalizer(lowercase=_lowercase(folder))
        missing = [name for name in ("[CLS]", "[SEP]", "[UNK]") if name not in self._words]
        if missing:
            raise ModelError(f"{folder}: its vocabulary has no {missing[0]}", hint="fetch the model folder again")
        self.first, self.last, self._unknown = (self._words[name] for name in ("[CLS]", "[SEP]", "[UNK]"))

    def __call__(self, character: str) -> int:
        """Give the id of a character; [UNK] where the vocabulary lacks it."""
        normal = self._normalizer.normalize_str(character).strip()
        return self._words.get(normal, self._unknown)


def join_piece_features(pieces: Sequence[Piece], encode: Callable[[str, Sequence[int]], Tensor]) -> Tensor:
    """Features (D, P) of pieces one after the other: what `encode` gives, zeros where a piece has no features.

    At least one piece must have some.
    """
    encoded = {
        index: encode(piece.norm, piece.word2ph)
        for index, piece in enumerate(pieces)
        if piece.has_bert and piece.word2ph
    }
    like = next(iter(encoded.values()))
    parts = [
        encoded[index] if index in encoded else like.new_zeros(like.shape[0], len(piece.phones))
        for index, piece in enumerate(pieces)
    ]
    return torch.cat(parts, dim=1)


# A text over the position limit (512, of which [CLS] and [SEP] take two), in windows that see 64 characters more on
# either side than they give:
#
#     text       |---------------------------------------------------------|
#     window 1   |===============-----|                       = kept    - context only
#     window 2             |-----===============-----|
#     window 3                             |-----===============|
#
# The official program has no windows; up to the limit the features are the same.
def character_windows(characters: int, limit: int) -> Iterator[Window]:
    """Split a text into windows of at most `limit` characters whose kept parts follow each other."""
    context = min(CONTEXT_CHARACTERS, (limit - 1) // 2)
    share = limit - 2 * context if characters > limit else characters
    for keep in range(0, characters, share):
        keep_end = min(keep + share, characters)
        yield Window(max(0, keep - context), min(characters, keep_end + context), keep, keep_end)


def _vocabulary(folder: Path) -> dict[str, int]:
    """Read the words of `tokenizer.json`, else those of `vocab.txt`, one a line."""
    whole, lines = folder / "tokenizer.json", folder / "vocab.txt"
    if whole.is_file():
        model = read_json_object(whole).get("model")
        words = model.get("vocab") if isinstance(model, dict) else None
        if isinstance(words, dict):
            return words
        raise ModelError(f"{whole} holds no WordPiece vocabulary", hint="fetch the model folder again")
    if not lines.is_file():
        raise ModelError(
            f"{folder} has no vocabulary: expected {whole.name} or {lines.name}", hint="fetch the model folder again"
        )
    text = read_text_file(lines, "a vocabulary", max_bytes=MAX_JSON_BYTES)
    return {word: index for index, word in enumerate(text.splitlines())}


def _lowercase(folder: Path) -> bool:
    """Whether the vocabulary knows small letters only, as it does unless the folder says otherwise."""
    whole = folder / "tokenizer.json"
    normalizer = read_json_object(whole).get("normalizer") if whole.is_file() else None
    return not isinstance(normalizer, dict) or normalizer.get("lowercase") is not False
