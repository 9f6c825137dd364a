"""The parts of prep one by one: BERT features, digests, the journal."""

from pathlib import Path

import pytest
import torch

from sovits_cli.data.experiment import Experiment, TextRow, feature_shape, load_feature, save_feature
from sovits_cli.data.manifest import ManifestRow
from sovits_cli.errors import DatasetError, ResourceError
from sovits_cli.prep.feature_steps import BertStep, ContentStep
from sovits_cli.prep.resume_log import ResumeLog, digest_of_file, digest_of_path, digest_of_values
from sovits_cli.prep.step_runner import Clip, Pass, StepRunner
from sovits_cli.text.reading import Piece
from tests.prep.fakes import FakeModels, RecordingReporter


def clip(word2ph=(1, 2), name="a.wav"):
    made = Clip(ManifestRow(None, "", "zh", "你好", ""))
    made.row = type("U", (), {"name": name})
    made.text = TextRow(name, ("n", "i3", "h"), word2ph, "你好")
    made.pieces = (Piece("zh", "你好", "你好", made.text.phones, word2ph),)
    made.keys["transcripts"] = "t1"
    return made


def bert_run(tmp_path, item, models, source=None):
    with ResumeLog(tmp_path / "out" / "prep.jsonl") as journal:
        runner = StepRunner(journal, 1, RecordingReporter())
        runner.run(Pass.of(BertStep(Experiment(tmp_path / "out"), models, source)), [item])
    return runner, Experiment(tmp_path / "out").bert_path(item.name)


class TestBert:
    def test_only_where_language_and_model_have_it(self, tmp_path):
        for item, models in ((clip(None), FakeModels(bert="b")), (clip(), FakeModels())):
            _, path = bert_run(tmp_path, item, models)
            assert models.read == 0
            assert not path.exists()

    def test_made_once_and_again_when_the_text_changes(self, tmp_path):
        models = FakeModels(bert="b")
        for key, read in (("t1", 1), ("t1", 1), ("t2", 2)):
            item = clip()
            item.keys["transcripts"] = key
            _, path = bert_run(tmp_path, item, models)
            assert models.read == read
        assert feature_shape(path) == (4, 3)

    def test_removed_when_the_transcript_has_none_any_more(self, tmp_path):
        models = FakeModels(bert="b")
        _, path = bert_run(tmp_path, clip(), models)
        assert path.exists()
        bert_run(tmp_path, clip(None), models)
        assert not path.exists()

    def test_width_must_fit(self, tmp_path):
        runner, path = bert_run(tmp_path, clip((1, 1)), FakeModels(bert="b"))
        assert runner.left_out[0].reason == "2 BERT features for 3 phones"
        assert not path.exists()

    @pytest.mark.parametrize(("width", "read"), [(3, 0), (4, 1)])
    def test_those_of_an_experiment_folder_are_taken_if_they_fit(self, tmp_path, width, read):
        source = Experiment(tmp_path / "theirs")
        save_feature(source.bert_path("a.wav"), torch.full((4, width), 9.0))
        models = FakeModels(bert="b")
        _, path = bert_run(tmp_path, clip(), models, source)
        assert models.read == read
        assert float(load_feature(path)[0, 0]) == (2.0 if read else 9.0)


def test_features_that_are_no_numbers_are_refused(tmp_path):
    models = FakeModels()
    models.encode = lambda wave: torch.full((1, 3, 9), torch.nan)
    step = ContentStep(Experiment(tmp_path), models, None, RecordingReporter())
    with pytest.raises(DatasetError, match="NaN"):
        step.finish(clip(), torch.zeros(3200).numpy())
    assert not list(tmp_path.iterdir())


def test_features_of_others_that_are_no_numbers_are_made_anew(tmp_path):
    theirs, mine = Experiment(tmp_path / "theirs"), Experiment(tmp_path / "mine")
    models, heard = FakeModels(), RecordingReporter()
    step = ContentStep(mine, models, theirs, heard)
    samples = torch.linspace(-1, 1, 3200).numpy()
    good = models.encode(torch.from_numpy(samples))
    for name in ("a.wav", "b.wav", "c.wav", "d.wav", "e.wav"):
        save_feature(theirs.content_path(name), good * torch.nan if name in ("a.wav", "d.wav") else good)
        step.finish(clip(name=name), samples)
        assert torch.equal(load_feature(mine.content_path(name)), good)
    told = [event.text for event in heard.events]
    assert len(told) == 2
    assert "a.wav.pt holds NaN or infinite values: making it anew" in told[0]
    assert "d.wav.pt holds NaN or infinite values" in told[1]


class TestDigests:
    def test_of_values(self):
        assert digest_of_values("a", 1, None, ["x"]) == digest_of_values("a", 1, None, ["x"])
        assert len({digest_of_values(*values) for values in (("a", "b"), ("ab",), ("a", ["b"]), ("a", None))}) == 4

    def test_of_a_folder(self, tmp_path):
        for name in "ab":
            (tmp_path / name).write_text(name)
        first = digest_of_path(tmp_path)
        (tmp_path / ".hidden").write_text("x")
        assert digest_of_path(tmp_path) == first
        (tmp_path / "a").rename(tmp_path / "c")
        assert digest_of_path(tmp_path) != first
        assert digest_of_path(tmp_path / "b") == digest_of_file(tmp_path / "b")


class TestJournal:
    def test_remembers(self, tmp_path):
        with ResumeLog(tmp_path / "j") as journal:
            journal.add("audio", "ü.wav", "k1")
            journal.add("text", "ü.wav", "k2", {"phones": ["a"]})
            journal.add("text", "b.wav", "k3", {"phones": ["b"]})
            journal.forget("text", "b.wav")
        with ResumeLog(tmp_path / "j") as journal:
            assert journal.get("audio", "ü.wav").key == "k1"
            assert journal.get("text", "ü.wav").row == {"phones": ["a"]}
            assert journal.get("text", "b.wav") is None

    @pytest.mark.parametrize("cut", range(1, 40, 6))
    def test_a_torn_line_is_cut_off(self, tmp_path, cut):
        with ResumeLog(tmp_path / "j") as journal:
            journal.add("audio", "a", "k1")
            journal.add("audio", "b", "k2")
        written = (tmp_path / "j").read_bytes()
        (tmp_path / "j").write_bytes(written[:-cut])
        with ResumeLog(tmp_path / "j") as journal:
            assert journal.get("audio", "a").key == "k1"
            assert journal.get("audio", "b") is None
            journal.add("audio", "b", "k2")
        assert (tmp_path / "j").read_bytes() == written

    @pytest.mark.parametrize("line", [b"", b"null", b"[]", b"{}", b'{"step": 1}', b"\xff\xfe"])
    def test_damaged_lines_are_work_to_do(self, tmp_path, line):
        (tmp_path / "j").write_bytes(line + b'\n{"step": "audio", "name": "a", "key": "k"}\n')
        with ResumeLog(tmp_path / "j") as journal:
            assert journal.get("audio", "a").key == "k"

    def test_compacted(self, tmp_path):
        with ResumeLog(tmp_path / "j") as journal:
            for name in "ba":
                journal.add("text", name, "old", [1])
                journal.add("text", name, "new", [2])
                journal.add("recordings", name, "r", {"seconds": 1})
            journal.compact(["recordings", "text"], ["a", "b", "c"], {"recordings"})
            journal.add("text", "c", "k")
        lines = (tmp_path / "j").read_text().splitlines()
        assert lines[0] == '{"step": "recordings", "name": "a", "key": "r", "row": {"seconds": 1}}'
        assert lines[1] == '{"step": "text", "name": "a", "key": "new"}'
        assert len(lines) == 5

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk(self, tmp_path):
        with Path("/dev/full").open("ab", buffering=0) as full, ResumeLog(tmp_path / "j") as journal:
            journal._handle.close()
            journal._handle = full
            with pytest.raises(ResourceError, match="disk is full"):
                journal.add("audio", "a", "k")

    def test_a_disk_that_takes_half_a_line(self, tmp_path):
        with ResumeLog(tmp_path / "j") as journal:
            really = journal._handle
            journal._handle = type(
                "Half", (), {"write": lambda self, line: really.write(line[:9]), "close": really.close}
            )()
            with pytest.raises(ResourceError, match="disk is full"):
                journal.add("audio", "a", "k")
        with ResumeLog(tmp_path / "j") as journal:
            assert journal.get("audio", "a") is None

    def test_a_place_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("x")
        with pytest.raises(ResourceError, match="cannot write"):
            ResumeLog(tmp_path / "file" / "j")
