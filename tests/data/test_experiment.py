"""The official tables: what is written is what the official program reads, and what it wrote is read."""

import json
import pickle

import pytest
import torch

from sovits_cli.data.experiment import DatasetInfo, Experiment, TextRow, feature_shape, load_feature, save_feature
from sovits_cli.errors import DatasetError, ResourceError
from tests.differences import every_case

ROWS = [
    TextRow("a b.wav", ("n", "i3", "h", "ao3"), (2, 2), "你好"),
    TextRow("c.mp3", ("HH", "AH0", "L", "OW1"), None, "hello"),
]


@pytest.fixture
def made(tmp_path):
    return Experiment(tmp_path / "exp")


def test_text_table_is_the_official_one(made):
    made.write_text(ROWS)
    assert (
        made.text_file.read_bytes().decode() == "a b.wav\tn i3 h ao3\t[2, 2]\t你好\nc.mp3\tHH AH0 L OW1\tNone\thello\n"
    )
    assert list(made.read_text().rows.values()) == ROWS


def test_semantic_table_is_the_official_one(made):
    made.write_semantic([("a b.wav", [3, 1023, 0]), ("c.mp3", [7])])
    assert made.semantic_file.read_bytes() == b"item_name\tsemantic_audio\na b.wav\t3 1023 0\nc.mp3\t7\n"
    found = made.read_semantic()
    assert {name: tokens.tolist() for name, tokens in found.rows.items()} == {"a b.wav": [3, 1023, 0], "c.mp3": [7]}
    assert not found.left_out


def test_a_table_without_header_loses_no_row(made):
    made.root.mkdir(exist_ok=True)
    made.semantic_file.write_text("a.wav\t1 2\nb.wav\t3\n")
    assert list(made.read_semantic().rows) == ["a.wav", "b.wav"]


def test_windows_line_ends_and_byte_order_mark(made):
    made.root.mkdir(exist_ok=True)
    made.semantic_file.write_bytes(b"\xef\xbb\xbfitem_name\tsemantic_audio\r\na.wav\t1 2\r\n\r\n")
    assert made.read_semantic().rows["a.wav"].tolist() == [1, 2]


def test_text_that_would_break_the_table_is_flattened(made):
    made.write_text([TextRow("a.wav", ("AA0",), None, "one\ttwo\nthree")])
    assert made.read_text().rows["a.wav"].norm == "one two three"


@every_case(
    ("line", "reason"),
    [
        ("a.wav\tAA0\tNone", "3 fields, expected 4"),
        ("a.wav\tAA0\tNone\tx\ty", "5 fields"),
        ("a.wav\t\tNone\tx", "no phones"),
        ("a.wav\tAA0\t[1, z]\tx", "expected a list of integers"),
        ("a.wav\tAA0\t__import__('os')\tx", "expected a list of integers"),
    ],
)
def test_a_bad_text_row_is_named(made, line, reason):
    made.root.mkdir(exist_ok=True)
    made.text_file.write_text(f"{line}\nb.wav\tAA0\tNone\tx\n")
    found = made.read_text()
    assert list(found.rows) == ["b.wav"]
    assert found.left_out[0].name == "a.wav"
    assert reason in found.left_out[0].reason
    assert "line 1" in found.left_out[0].reason


@every_case("tokens", ["", " ", "1 x 2", "1.5", "99999999999999999999999"])
def test_a_bad_semantic_row_is_named(made, tokens):
    made.root.mkdir(exist_ok=True)
    made.semantic_file.write_text(f"item_name\tsemantic_audio\na.wav\t{tokens}\nb.wav\t1\n")
    found = made.read_semantic()
    assert list(found.rows) == ["b.wav"]
    assert found.left_out[0].name == "a.wav"


def test_a_name_twice_is_refused(made):
    made.root.mkdir(exist_ok=True)
    made.text_file.write_text("a.wav\tAA0\tNone\tx\nb.wav\tAA0\tNone\tx\na.wav\tAA1\tNone\ty\n")
    with pytest.raises(DatasetError, match=r"'a\.wav' is in line 1 and in line 3"):
        made.read_text()


def test_missing_and_broken_tables(made):
    with pytest.raises(DatasetError, match="is missing"):
        made.read_text()
    made.root.mkdir(exist_ok=True)
    made.text_file.write_bytes(b"a.wav\t\xff\xfe")
    with pytest.raises(DatasetError, match="not UTF-8 at byte 6"):
        made.read_text()


def test_info_round_trip_and_absence(made):
    info = DatasetInfo("mini", "mini", "v2", ("en",), ("/somewhere",), 3, 4.5)
    assert made.read_info() is None
    made.write_info(info)
    assert made.read_info() == info


WHOLE = json.dumps(dict.fromkeys(("model", "version", "symbols", "languages", "sources"), "x") | {"items": 0})
ENDLESS = WHOLE.replace("0", 'Infinity, "seconds": 1')
BROKEN = ["", "[]", "{}", '{"model": 1', '{"model": "m", "items": "x"}', "[" * 200_000, ENDLESS]


@every_case("text", BROKEN)
def test_broken_info_is_one_line(made, text):
    made.root.mkdir(exist_ok=True)
    made.info_file.write_text(text)
    with pytest.raises(DatasetError, match=r"dataset\.json is not what prep writes"):
        made.read_info()


def test_info_of_a_newer_version_is_read(made):
    made.write_info(DatasetInfo("mini", "mini", "v2", (), (), 0, 0.0))
    values = json.loads(made.info_file.read_text())
    made.info_file.write_text(json.dumps({**values, "later": True}))
    assert made.read_info().model == "mini"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError):
        Experiment(tmp_path / "file" / "exp").write_text(ROWS)


@every_case("name", ["../victim.wav", "/victim.wav", "sub/a.wav", "..", ".", "a\0.wav"])
def test_a_name_that_is_a_path_is_no_row(made, name):
    """Features are read, and written, under these names."""
    made.root.mkdir(exist_ok=True)
    made.text_file.write_text(f"{name}\tAA0\tNone\tx\nb.wav\tAA0\tNone\tx\n")
    made.semantic_file.write_text(f"{name}\t1 2\nb.wav\t1\n")
    for table in (made.read_text(), made.read_semantic()):
        assert list(table.rows) == ["b.wav"]
        assert "is no file name" in table.left_out[0].reason


def test_info_of_a_source_that_is_no_text(made):
    info = DatasetInfo("mini", "mini", "v2", ("en",), ("/日本/\udcc4\udce3",), 3, 4.5)
    made.write_info(info)
    assert made.read_info() == info
    assert "日本" in made.info_file.read_text(encoding="utf-8")


def test_round_trip_and_shape(tmp_path):
    features = torch.randn(4, 7).half().t()
    save_feature(tmp_path / "a.pt", features)
    assert torch.equal(load_feature(tmp_path / "a.pt"), features)
    assert load_feature(tmp_path / "a.pt").dtype is torch.float16
    assert feature_shape(tmp_path / "a.pt") == (7, 4)


def test_same_tensor_same_bytes(tmp_path):
    for name in ("a.pt", "other name.pt"):
        save_feature(tmp_path / name, torch.arange(9.0))
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other name.pt").read_bytes()


def test_files_of_the_official_program(tmp_path):
    torch.save(torch.ones(1, 3, 5, requires_grad=True), tmp_path / "a.pt")
    torch.save(torch.ones(2, 3), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert not load_feature(tmp_path / "a.pt").requires_grad
    assert feature_shape(tmp_path / "old.pt") == (2, 3)


class _Trap:
    def __reduce__(self):
        return eval, ("1/0",)


@every_case("content", [b"", b"text", pickle.dumps(_Trap()), pickle.dumps([1])], isolated=True)
@every_case("read", [load_feature, feature_shape], isolated=True)
def test_anything_else_is_refused(tmp_path, content, read):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.pt"):
        read(path)


def test_a_dict_is_no_feature(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "a.pt")
    with pytest.raises(DatasetError, match="holds a dict, expected a tensor"):
        load_feature(tmp_path / "a.pt")


def test_a_cut_file_is_refused(tmp_path):
    save_feature(tmp_path / "a.pt", torch.randn(300))
    data = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(DatasetError, match="no feature file"):
        load_feature(tmp_path / "a.pt")


def test_missing(tmp_path):
    with pytest.raises(DatasetError, match="is missing"):
        load_feature(tmp_path / "a.pt")


@every_case("value", [torch.nan, torch.inf], isolated=True)
@every_case("kind", [torch.float32, torch.float16], isolated=True)
def test_values_that_are_no_numbers_are_refused_by_name(tmp_path, value, kind):
    features = torch.zeros(1, 3, 5, dtype=kind)
    save_feature(tmp_path / "4-cnhubert" / "a.wav.pt", features)
    assert load_feature(tmp_path / "4-cnhubert" / "a.wav.pt").shape == (1, 3, 5)
    features[0, 1, 4] = value
    save_feature(tmp_path / "4-cnhubert" / "a.wav.pt", features)
    with pytest.raises(DatasetError, match=r"4-cnhubert/a\.wav\.pt holds NaN or infinite values"):
        load_feature(tmp_path / "4-cnhubert" / "a.wav.pt")
