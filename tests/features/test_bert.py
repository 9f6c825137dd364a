"""Text features: one vector a character, over the position limit too."""

from __future__ import annotations

import json

import pytest
import torch

from sovits_cli.errors import ModelError, TextError
from sovits_cli.features.bert import BertFeatures, CharacterIds, character_windows, join_piece_features
from sovits_cli.models.bert import Bert
from sovits_cli.text.reading import Piece
from tests.checkpoints import synthetic
from tests.differences import every_case

CHARACTERS = "你好世界我们去,。!…e1"
LIMIT = synthetic.TINY_BERT.max_position_embeddings - 2


@pytest.fixture
def folder(tmp_path):
    synthetic.write_bert(tmp_path, characters=CHARACTERS)
    return tmp_path


@pytest.fixture
def bert(folder):
    return BertFeatures.load(folder)


def test_each_character_is_repeated_over_its_phones(bert, folder):
    text, word2ph = "你好,去", [2, 2, 1, 3]
    got = bert.features(text, word2ph)
    assert got.shape == (bert.dim, 8)
    assert torch.equal(got[:, 0], got[:, 1])
    assert torch.equal(got[:, 5], got[:, 7])
    ids = CharacterIds(folder, synthetic.TINY_BERT.vocab_size)
    network = Bert(synthetic.TINY_BERT)
    weight = synthetic.filled(network, prefix="bert.")
    network.load_state_dict({key.removeprefix("bert."): value.half().float() for key, value in weight.items()})
    with torch.inference_mode():
        rows = network.eval()(torch.tensor([[ids.first, *map(ids, text), ids.last]]))[0, 1:-1]
    assert torch.allclose(got[:, [0, 2, 4, 5]].T, rows, atol=1e-6)


def test_characters_without_phones_leave_nothing(bert):
    assert bert.features("你好", [0, 2]).shape == (bert.dim, 2)


@every_case(("text", "word2ph"), [("你好", [1]), ("你", [1, 1]), ("", [])])
def test_counts_that_do_not_match(bert, text, word2ph):
    with pytest.raises(TextError, match="expected one for each"):
        bert.features(text, word2ph)


def test_long_texts_in_windows(bert):
    text = "你好世界我们去,。!" * 12
    got = bert.features(text, [1] * len(text))
    assert got.shape == (bert.dim, 120)
    assert bool(torch.isfinite(got).all())
    # the first window sees the same characters as a text that ends where it ends
    first = next(iter(character_windows(len(text), LIMIT)))
    alone = bert.features(text[: first.end], [1] * first.end)
    assert torch.allclose(got[:, : first.keep_end], alone[:, : first.keep_end], atol=1e-6)


@every_case("characters", [1, 9, 10, 11, 100, 1237])
@every_case("limit", [1, 2, 3, 10, 510])
def test_windows_cover_each_character_once(characters, limit):
    found = list(character_windows(characters, limit))
    assert [c for w in found for c in range(w.keep_start, w.keep_end)] == list(range(characters))
    for window in found:
        assert 0 <= window.start <= window.keep_start < window.keep_end <= window.end <= characters
        assert window.end - window.start <= limit
    if characters <= limit:
        assert len(found) == 1


def test_character_ids(folder):
    ids = CharacterIds(folder, synthetic.TINY_BERT.vocab_size)
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert ids("好") == words["好"]
    assert ids("E") == ids("é") == words["e"]
    assert ids("龘") == ids(" ") == ids("\u0301") == words["[UNK]"]


def test_vocabulary_as_a_list_of_words(folder):
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    before = CharacterIds(folder, synthetic.TINY_BERT.vocab_size)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    after = CharacterIds(folder, synthetic.TINY_BERT.vocab_size)
    assert [after(c) for c in CHARACTERS] == [before(c) for c in CHARACTERS]


@every_case(
    ("content", "said"),
    [
        (None, "has no vocabulary"),
        ("{", "cannot be read"),
        ('{"model": {"vocab": ["a"]}}', "no WordPiece vocabulary"),
        ('{"model": {"vocab": {"a": 0}}}', r"has no \[CLS\]"),
        ('{"model": {"vocab": {"[CLS]": 0, "[SEP]": 64}}}', "expected rows 0 to 63"),
        ('{"model": {"vocab": {"[CLS]": 0, "[SEP]": -1}}}', "expected rows 0 to 63"),
        ('{"model": {"vocab": {"[CLS]": 0, "[SEP]": true}}}', "expected rows 0 to 63"),
        ('{"model": {"vocab": {"[CLS]": 0, "[SEP]": 1e300}}}', "expected rows 0 to 63"),
    ],
)
def test_broken_vocabularies(folder, content, said):
    place = folder / "tokenizer.json"
    place.unlink() if content is None else place.write_text(content)
    with pytest.raises(ModelError, match=said):
        BertFeatures.load(folder)


def test_features_of_another_width_than_the_gpt_takes(folder):
    assert BertFeatures.load(folder, width=64).dim == 64
    with pytest.raises(ModelError, match="text features of width 64, but the GPT takes 1024"):
        BertFeatures.load(folder, width=1024)


def test_a_text_in_several_languages_has_zeros_for_the_others():
    asked = []

    def encode(norm, word2ph):
        asked.append((norm, tuple(word2ph)))
        return torch.ones(4, sum(word2ph))

    pieces = [
        Piece("en", "Hi ", "Hi ", ("HH", "AY1"), None),
        Piece("zh", "好。", "好.", ("h", "ao3", "."), (2, 1)),
        Piece("yue", "好", "好", ("Yh", "You2"), (2,)),
    ]
    assert join_piece_features(pieces, encode).tolist() == [[0, 0, 1, 1, 1, 0, 0]] * 4
    assert asked == [("好.", (2, 1))]
