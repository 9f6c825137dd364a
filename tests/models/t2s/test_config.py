import pytest

from sovits_cli.errors import ModelError
from sovits_cli.models.t2s.config import T2SConfig
from tests.differences import every_case

OFFICIAL = T2SConfig().to_official()
SMALL = T2SConfig(width=256, heads=4, layers=6, vocab=513, phones=732, bert_dim=0, attention_dropout=0.0)


def _with(**changes):
    return {"model": {**OFFICIAL["model"], **changes}}


@every_case("config", [T2SConfig(), SMALL])
def test_round_trip(config):
    assert T2SConfig.from_official(config.to_official()) == config


def test_official_section_holds_no_key_of_ours():
    ours = {"bert_dim", "position_dropout", "block_dropout", "attention_dropout"}
    assert not ours & set(OFFICIAL["model"])
    assert {"bert_dim", "attention_dropout"} <= set(SMALL.to_official()["model"])


def test_eos_is_the_last_token_and_the_feed_forward_width_of_the_file_is_not_read():
    assert T2SConfig().eos == 1024
    assert T2SConfig.from_official(_with(linear_units=7)) == T2SConfig()


@every_case(
    ("changes", "named"),
    [
        ({"EOS": 3}, "EOS"),
        ({"hidden_dim": 256}, "hidden_dim"),
        ({"head": 7}, "heads"),
        ({"n_layer": 0}, "layers"),
        ({"vocab_size": "1025"}, "vocab_size"),
        ({"vocab_size": 1, "EOS": 0}, "vocab"),
        ({"phoneme_vocab_size": True}, "phoneme_vocab_size"),
        ({"bert_dim": -1}, "bert_dim"),
        ({"dropout": "none"}, "dropout"),
        ({"block_dropout": 1.0}, "block_dropout"),
    ],
)
def test_contradictions_are_named(changes, named):
    with pytest.raises(ModelError, match=named):
        T2SConfig.from_official(_with(**changes))


@every_case("missing", ["embedding_dim", "head", "n_layer", "vocab_size", "phoneme_vocab_size"])
def test_missing_key_is_named(missing):
    section = {key: value for key, value in OFFICIAL["model"].items() if key != missing}
    with pytest.raises(ModelError, match=missing):
        T2SConfig.from_official({"model": section})
    with pytest.raises(ModelError, match="model"):
        T2SConfig.from_official({"weight": {}})
