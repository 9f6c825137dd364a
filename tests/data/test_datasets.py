"""What each stage trains on: every clip an item, or left out with its reason."""

import numpy as np
import pytest
import soundfile
import torch

from sovits_cli.data import datasets
from sovits_cli.data.datasets import GptDataset, GptLimits, SovitsDataset, SovitsLimits
from sovits_cli.data.experiment import Experiment, TextRow, load_feature, save_feature
from sovits_cli.errors import DatasetError
from sovits_cli.terms import SpectrogramSpec
from sovits_cli.text import symbols
from sovits_cli.versions import SymbolTable
from tests.data.recordings import experiment, record
from tests.differences import every_case

V2 = SymbolTable.V2
WIDE = SpectrogramSpec(sample_rate=32_000, n_fft=2048, hop=640)
SMALL = SpectrogramSpec(sample_rate=16_000, n_fft=1024, hop=320)
PHONES = ("HH", "AH0", "L", "OW1", ".")


def reasons(dataset):
    return {item.name: item.reason for item in dataset.left_out}


def gpt(root, rows, semantic, **kwargs):
    made = Experiment(root)
    made.write_text(TextRow(name, tuple(phones), None, "x") for name, phones in rows.items())
    made.write_semantic(semantic.items())
    return GptDataset(made, V2, **kwargs)


def test_gpt_items_in_the_order_of_the_semantic_file(tmp_path):
    made = gpt(tmp_path, {"a": PHONES, "b": PHONES[::-1]}, {"b": [5] * 25, "a": [6, 1023] * 20})
    assert made.names == ["b", "a"]
    assert made.lengths_s == [1.0, 1.6]
    assert made[0].phones.tolist() == symbols.ids(PHONES[::-1], V2)
    assert made[1].tokens.tolist() == [6, 1023] * 20
    assert made[0].tokens.dtype is torch.int64
    assert made[0].bert is None
    assert not made.left_out


@every_case(
    ("phones", "tokens", "reason"),
    [
        (PHONES * 108, 1351, "54.0 s, over max_sec 54"),
        (PHONES * 109, 1350, "545 phones, at most 540 train with max_sec 54"),
        (PHONES, 4, "31.2 phones per second"),
        (PHONES, 50, "2.5 phones per second"),
        (("HH", "??"), 10, "'??' is not in symbol table v2"),
    ],
    isolated=True,
)
def test_gpt_limits(tmp_path, phones, tokens, reason):
    made = gpt(tmp_path, {"a": PHONES, "bad": phones}, {"a": [1] * 25, "bad": [1] * tokens})
    assert made.names == ["a"]
    assert reason in reasons(made)["bad"]


@every_case(("phones", "tokens"), [(PHONES * 108, 1350), (PHONES * 5, 25), (PHONES * 3, 125)], isolated=True)
def test_gpt_limits_are_inclusive(tmp_path, phones, tokens):
    assert gpt(tmp_path, {"edge": phones}, {"edge": [1] * tokens}).names == ["edge"]


def test_gpt_limits_can_be_moved(tmp_path):
    limits = GptLimits(min_sec=1.5, max_sec=80, min_phones_per_s=1, max_phones_per_s=40)
    tokens = {"long": [1] * 2000, "slow": [1] * 60, "fast": [1] * 4}
    made = gpt(tmp_path, {"long": PHONES * 100, "slow": PHONES, "fast": PHONES}, tokens, limits=limits)
    assert made.names == ["long", "slow"]
    assert reasons(made)["fast"] == "0.2 s, under min_sec 1.5"


def test_gpt_rows_without_their_other_half(tmp_path):
    made = gpt(tmp_path, {"a": PHONES, "no tokens": PHONES}, {"a": [1] * 25, "no text": [1] * 25})
    assert reasons(made) == {"no tokens": "no row in 6-name2semantic.tsv", "no text": "no row in 2-name2text.txt"}


def test_gpt_tokens_of_another_model(tmp_path):
    made = gpt(tmp_path, {"a": PHONES, "b": PHONES}, {"a": [255] * 25, "b": [256] * 25}, vocab=257)
    assert made.names == ["a"]
    assert "256..256, expected 0..255" in reasons(made)["b"]


def test_gpt_bad_lines_are_left_out_once(tmp_path):
    made = Experiment(tmp_path)
    made.write_text([TextRow("a", PHONES, None, "x")])
    made.text_file.write_text(made.text_file.read_text() + "b\tHH\tNone\n")
    made.write_semantic([("a", [1] * 25), ("b", [1] * 25)])
    found = GptDataset(made, V2)
    assert found.names == ["a"]
    assert [item.name for item in found.left_out] == ["b"]
    assert "3 fields" in found.left_out[0].reason


def test_gpt_bert(tmp_path):
    made = gpt(tmp_path, dict.fromkeys("abc", PHONES), {name: [1] * 25 for name in "abc"})
    made = Experiment(tmp_path)
    save_feature(made.bert_path("a"), torch.ones(1024, 5).half())
    save_feature(made.bert_path("b"), torch.ones(1024, 6))
    found = GptDataset(made, V2)
    assert found.names == ["a", "c"]
    assert "BERT features (1024, 6), expected (1024, 5)" in reasons(found)["b"]
    assert found[0].bert.dtype is torch.float32
    assert found[1].bert is None
    assert GptDataset(made, V2, bert_dim=0).names == ["a", "b", "c"]
    made.bert_path("c").write_bytes(b"broken")
    assert "no feature file" in reasons(GptDataset(made, V2))["c"]


def test_gpt_repeats_nothing_in_a_small_set(tmp_path):
    assert len(gpt(tmp_path, {"a": PHONES}, {"a": [1] * 25})) == 1


def test_no_tables(tmp_path):
    with pytest.raises(DatasetError, match="is missing"):
        GptDataset(Experiment(tmp_path), V2)
    with pytest.raises(DatasetError, match="is missing"):
        SovitsDataset(Experiment(tmp_path), V2, WIDE, content_channels=6)


@every_case("spec", [WIDE, SMALL], isolated=True)
def test_sovits_items_fit_together(tmp_path, spec):
    made = experiment(tmp_path, {"a.wav": 1.0, "b.mp3": 0.731})
    found = SovitsDataset(made, V2, spec, content_channels=6)
    assert found.names == ["a.wav", "b.mp3"]
    assert found.lengths_s == pytest.approx([1.0, 0.731])
    for item in (found[0], found[1]):
        frames = item.spec.shape[1]
        assert item.spec.shape[0] == spec.bins
        assert item.content.shape == (6, frames)
        assert item.wave.shape == (frames * spec.hop,)
    assert found[0].spec.shape[1] == 50
    assert found[1].spec.shape[1] == 36


def test_sovits_samples_are_those_of_the_file(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0})
    stored, _ = soundfile.read(made.wave_path("a.wav"), dtype="int16")
    item = SovitsDataset(made, V2, WIDE, content_channels=6)[0]
    assert np.array_equal((item.wave * 32768).numpy().astype(np.int16), stored[: len(item.wave)])


def test_sovits_content_is_stretched_by_its_last_frame(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0})
    save_feature(made.content_path("a.wav"), torch.arange(49.0).expand(1, 6, 49).half())
    assert SovitsDataset(made, V2, WIDE, content_channels=6)[0].content[0, -3:].tolist() == [47, 48, 48]
    save_feature(made.content_path("a.wav"), torch.arange(52.0).expand(1, 6, 52))
    assert SovitsDataset(made, V2, WIDE, content_channels=6)[0].content[0, -1] == 49


@every_case("budget", [0, 70_000, 1 << 20], isolated=True)
def test_sovits_cache_changes_nothing(tmp_path, budget, monkeypatch):
    made = experiment(tmp_path, {"a.wav": 1.0, "b.wav": 1.2})
    plain = [*SovitsDataset(made, V2, SMALL, content_channels=6, cache_bytes=0)]
    cached = SovitsDataset(made, V2, SMALL, content_channels=6, cache_bytes=budget)
    reads = []
    monkeypatch.setattr(datasets, "load_feature", lambda path, load=load_feature: reads.append(path) or load(path))
    for _ in range(3):
        for item, same in zip([cached[0], cached[1]], plain, strict=True):
            assert item.name == same.name
            for field in ("content", "spec", "wave", "phones"):
                assert torch.equal(getattr(item, field), getattr(same, field))
    assert len(reads) == {0: 6, 70_000: 4, 1 << 20: 2}[budget]


def test_sovits_left_out(tmp_path):
    lengths = {"ok.wav": 1.0, "short.wav": 0.5, "long.wav": 3.0, "edge.wav": 2.0, "gone.wav": 1.0, "bare.wav": 1.0}
    made = experiment(tmp_path, {**lengths, "other.wav": 1.0, "odd.wav": 1.0, "text.wav": 1.0, "flat.wav": 1.0})
    made.wave_path("gone.wav").unlink()
    made.content_path("bare.wav").unlink()
    record(made.wave_path("other.wav"), 1.5)
    save_feature(made.content_path("odd.wav"), torch.zeros(1, 768, 49))
    made.wave_path("text.wav").write_text("no audio at all")
    made.content_path("flat.wav").write_bytes(b"")
    found = SovitsDataset(made, V2, WIDE, content_channels=6, limits=SovitsLimits(max_sec=2.0))
    assert found.names == ["ok.wav", "edge.wav"]
    told = reasons(found)
    assert told["short.wav"] == "0.50 s, under min_sec 0.6"
    assert told["long.wav"] == "3.0 s, over max_sec 2"
    assert told["gone.wav"] == "no 5-wav32k/gone.wav"
    assert told["bare.wav"] == "no 4-cnhubert/bare.wav.pt"
    assert "other audio" in told["other.wav"]
    assert "(1, 768, 49), expected (1, 6, 50)" in told["odd.wav"]
    assert "text.wav" in told["text.wav"]
    assert "no feature file" in told["flat.wav"]
    assert len(told) == len(made.read_text().rows) - 2


def test_sovits_phones_of_another_table(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0})
    made.write_text([TextRow("a.wav", ("停",), None, "x")])
    found = SovitsDataset(made, SymbolTable.V1, WIDE, content_channels=6)
    assert "is not in symbol table v1" in reasons(found)["a.wav"]


def test_a_clip_that_broke_since_is_an_error_not_silence(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0})
    found = SovitsDataset(made, V2, WIDE, content_channels=6)
    made.content_path("a.wav").unlink()
    with pytest.raises(DatasetError, match="is missing"):
        found[0]


def test_slack_is_what_the_encoder_needs():
    for samples in range(16_000, 17_000, 37):
        content = (samples - 400) // 320 + 1
        assert abs(content - samples // 320) <= datasets.FRAME_SLACK


def test_sovits_speaker_vectors(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0, "none.wav": 1.0, "other.wav": 1.0})
    save_feature(made.speaker_path("a.wav"), torch.ones(1, 5, dtype=torch.float16))
    save_feature(made.speaker_path("other.wav"), torch.ones(1, 4))
    clips = SovitsDataset(made, V2, WIDE, content_channels=6, speaker_channels=5)
    assert clips.names == ["a.wav"]
    assert clips[0].speaker.dtype is torch.float32
    assert clips[0].speaker.tolist() == [1.0] * 5
    assert reasons(clips) == {
        "none.wav": "no 7-sv_cn/none.wav.pt: it was not prepared for this version",
        "other.wav": "speaker embedding (1, 4), expected (1, 5): other model",
    }
    assert SovitsDataset(made, V2, WIDE, content_channels=6)[0].speaker is None
