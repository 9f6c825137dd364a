"""The kept dictionary is the one of the package, and a broken one is made anew."""

from itertools import islice

import pytest

from sovits_cli import paths
from sovits_cli.text import zh_words
from sovits_cli.text.zh_words import _cached, _counts, _written

SMALL = {"北京": 34488, "京": 583, "北": 0}
KINDS = {"北京": "ns", "京": "j"}


@pytest.fixture
def small(monkeypatch):
    """A package with few words."""
    monkeypatch.setattr(zh_words, "_read", lambda: SMALL)
    monkeypatch.setattr(zh_words, "_kinds", lambda: KINDS)


def test_words_are_those_of_the_package():
    found, jieba = _counts(), zh_words._jieba()
    with jieba.dt.get_dict_file() as file:
        lines = [line.decode("utf-8").split() for line in islice(file, 0, None, 500)]
    assert len(lines) > 600
    assert {word: found[word] for word, _, _ in lines} == {word: int(count) for word, count, _ in lines}


@pytest.mark.parametrize("lost", [1, 2, 5, 20])
def test_cut_short(tmp_path, lost):
    place = tmp_path / "kept.txt"
    place.write_bytes(_written(SMALL, KINDS)[:-lost])
    with pytest.raises(ValueError, match=r"no end|unpack|argument|decode"):
        _cached(place, KINDS)


@pytest.mark.usefixtures("small")
def test_a_broken_one_is_made_anew():
    assert _counts.__wrapped__() == SMALL
    (kept,) = paths.cache_dir().iterdir()
    kept.write_text("broken", encoding="utf-8")
    assert _counts.__wrapped__() == SMALL
    assert _cached(kept, KINDS) == SMALL
    with pytest.raises(ValueError, match="argument"):
        _cached(kept, {**KINDS, "京城": "n"})


@pytest.mark.usefixtures("small")
def test_a_home_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SOVITS_HOME", str(tmp_path / "file"))
    assert _counts.__wrapped__() == SMALL


def test_jieba_of_others_is_left_as_it_is():
    tagger = zh_words.tagger()
    from jieba import posseg

    untouched = set(vars(zh_words._jieba().Tokenizer()))
    assert set(vars(posseg.dt.tokenizer)) == untouched
    assert vars(posseg.dt).keys() == {"tokenizer", "word_tag_tab"}
    assert len(posseg.dt.word_tag_tab) > 300_000
    assert tagger is not posseg.dt
    assert tagger.tokenizer is not posseg.dt.tokenizer
    assert [(pair.word, pair.flag) for pair in tagger.lcut("我爱北京")] == [("我", "r"), ("爱", "v"), ("北京", "ns")]


def test_words():
    found = zh_words.tag_words("今天天气真不错")
    assert "".join(word.text for word in found) == "今天天气真不错"
    assert zh_words.split_word("展览馆") == ("展览", "馆")
    assert zh_words.split_word("好") == ("好", "")
