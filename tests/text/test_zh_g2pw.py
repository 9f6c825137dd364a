"""G2PW: loading and asking, on a synthetic model with the official inputs and files."""

import json

import pytest

from sovits_cli import paths
from sovits_cli.errors import TextError
from sovits_cli.text import zh, zh_g2pw
from sovits_cli.text.frontend import pronounce
from sovits_cli.versions import SymbolTable

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx", reason="makes the synthetic model")
pytest.importorskip("onnxruntime", reason="no sovits[zh]")
pytest.importorskip("opencc", reason="no sovits[zh]")

CHARACTERS = "中行重長"
READINGS = {
    "中": ["ㄓㄨㄥ1", "ㄓㄨㄥ4"],
    "行": ["ㄏㄤ2", "ㄒㄧㄥ2"],
    "重": ["ㄔㄨㄥ2", "ㄓㄨㄥ4"],
    "長": ["ㄔㄤ2", "ㄓㄤ3"],
}
PINYIN = {
    "ㄓㄨㄥ": "zhong",
    "ㄏㄤ": "hang",
    "ㄒㄧㄥ": "xing",
    "ㄔㄨㄥ": "chong",
    "ㄔㄤ": "chang",
    "ㄓㄤ": "zhang",
    "ㄏㄠ": "hao",
}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CHARACTERS, "好"]


def model_bytes(labels):
    """Scores of a label: higher the later in the sorted list, but only if the token at the position is the character.

    A wrong position gives the first label; the mask takes labels of other characters away.
    """
    helper, kinds = onnx.helper, onnx.TensorProto
    order = sorted(READINGS)
    tokens = np.array([VOCABULARY.index(character) for character in order], np.int64)
    weights = np.arange(1, len(labels) + 1, dtype=np.float32)[None]
    nodes = [
        helper.make_node("Unsqueeze", ["position_ids", "one"], ["place"]),
        helper.make_node("GatherElements", ["input_ids", "place"], ["token"], axis=1),
        helper.make_node("Gather", ["tokens", "char_ids"], ["wanted_flat"]),
        helper.make_node("Unsqueeze", ["wanted_flat", "one"], ["wanted"]),
        helper.make_node("Equal", ["token", "wanted"], ["same"]),
        helper.make_node("Cast", ["same"], ["found"], to=kinds.FLOAT),
        helper.make_node("Mul", ["found", "weights"], ["scores"]),
        helper.make_node("Mul", ["scores", "phoneme_mask"], ["probs"]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, kinds.INT64, ["n", "t"])
        for name in ("input_ids", "token_type_ids", "attention_mask")
    ]
    inputs.append(helper.make_tensor_value_info("phoneme_mask", kinds.FLOAT, ["n", len(labels)]))
    inputs += [helper.make_tensor_value_info(name, kinds.INT64, ["n"]) for name in ("char_ids", "position_ids")]
    constants = [
        onnx.numpy_helper.from_array(value, name)
        for name, value in (("one", np.array([1], np.int64)), ("tokens", tokens), ("weights", weights))
    ]
    output = helper.make_tensor_value_info("probs", kinds.FLOAT, ["n", len(labels)])
    graph = helper.make_graph(nodes, "g2pw", inputs, [output], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.fixture
def folder():
    place = paths.models_dir() / zh_g2pw.FOLDER
    place.mkdir(parents=True)
    labels = sorted({reading for readings in READINGS.values() for reading in readings})
    (place / "g2pW.onnx").write_bytes(model_bytes(labels))
    pairs = [f"{character}\t{reading}" for character, readings in READINGS.items() for reading in readings]
    (place / "POLYPHONIC_CHARS.txt").write_text("\n".join(pairs), encoding="utf-8")
    (place / "MONOPHONIC_CHARS.txt").write_text("好\tㄏㄠ3", encoding="utf-8")
    (place / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(json.dumps(PINYIN), encoding="utf-8")
    (place / "config.py").write_text("use_mask = True\nuse_char_phoneme = False\nraise SystemExit\n", encoding="utf-8")
    (place / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    zh_g2pw.installed_g2pw.cache_clear()
    zh._polyphones.cache_clear()
    yield place
    zh_g2pw.installed_g2pw.cache_clear()
    zh._polyphones.cache_clear()


def test_readings(folder):
    model = zh_g2pw.installed_g2pw()
    assert model.readings("中行重长好,") == ["zhong4", "xing2", "chong2", "chang2", "hao3", ","]
    assert model.readings("好") == ["hao3"]


def test_a_long_text_is_asked_through_a_window(folder):
    text = "行" + "好" * 700 + "重"
    found = zh_g2pw.installed_g2pw().readings(text)
    assert (found[0], found[-1], len(found)) == ("xing2", "chong2", 702)


def test_the_later_table_only(folder):
    assert pronounce("重", "zh", SymbolTable.V2).phones == ["ch", "ong2"]
    assert pronounce("重", "zh", SymbolTable.V1).phones == ["zh", "ong4"]


def test_the_words_of_the_folder_come_first(folder):
    (folder / "polyphonic.rep").write_text("行好: ['hang2', 'hao3']\n", encoding="utf-8")
    assert zh.polyphone_reading("行好") == ["hang2", "hao3"]
    zh._polyphones.cache_clear()
    (folder / "polyphonic-fix.rep").write_text("行好: hang2\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"polyphonic-fix.rep line 1: expected word:"):
        zh.polyphone_reading("行好")


def test_without_the_folder_nothing_is_loaded():
    zh_g2pw.installed_g2pw.cache_clear()
    assert zh_g2pw.installed_g2pw() is None


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("g2pW.onnx", b"no model", "is no ONNX model"),
        ("vocab.txt", None, "has no vocabulary: expected vocab.txt or tokenizer.json"),
        ("config.py", None, r"cannot read .*config.py, which G2PW needs"),
        ("config.py", b"(" * 5000, r"config.py is no file of G2PW: expected Python"),
        (
            "bopomofo_to_pinyin_wo_tune_dict.json",
            b"[" * 200_000,
            r"expected JSON: nested too deep",
        ),
        ("bopomofo_to_pinyin_wo_tune_dict.json", b"[]", r"json is no file of G2PW: expected a JSON object"),
    ],
)
def test_broken_folders(folder, name, data, said):
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(TextError, match=said) as failure:
        zh_g2pw.installed_g2pw()
    assert "\n" not in failure.value.message


@pytest.mark.parametrize("data", [b"{", b"{}", b'{"model": 7}', b'{"model": {"vocab": []}}'])
def test_a_vocabulary_that_is_none(folder, data):
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").write_bytes(data)
    with pytest.raises(TextError, match=r"tokenizer.json is no file of G2PW"):
        zh_g2pw.installed_g2pw()


def test_a_missing_package_is_one_line_with_the_install_command(folder, monkeypatch):
    monkeypatch.setattr(zh_g2pw, "find_spec", lambda name: None)
    with pytest.raises(TextError, match="needs onnxruntime and opencc: not installed") as failure:
        zh_g2pw.installed_g2pw()
    assert failure.value.hint == 'pip install "sovits[zh]"'
