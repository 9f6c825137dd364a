"""The steps that run a model: what is made, what is taken over from an experiment folder."""

import pytest
import torch

from sovits_cli.data.experiment import Experiment, TextRow, feature_shape, load_feature, save_feature
from sovits_cli.data.manifest import ManifestRow
from sovits_cli.errors import DatasetError
from sovits_cli.prep.feature_steps import BertStep, ContentStep
from sovits_cli.prep.resume_log import ResumeLog
from sovits_cli.prep.step_runner import Clip, Pass, StepRunner
from sovits_cli.text.reading import Piece
from tests.differences import every_case
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


def test_bert_only_where_language_and_model_have_it(tmp_path):
    for item, models in ((clip(None), FakeModels(bert="b")), (clip(), FakeModels())):
        _, path = bert_run(tmp_path, item, models)
        assert models.read == 0
        assert not path.exists()


def test_bert_made_once_and_again_when_the_text_changes(tmp_path):
    models = FakeModels(bert="b")
    for key, read in (("t1", 1), ("t1", 1), ("t2", 2)):
        item = clip()
        item.keys["transcripts"] = key
        _, path = bert_run(tmp_path, item, models)
        assert models.read == read
    assert feature_shape(path) == (4, 3)


def test_bert_removed_when_the_transcript_has_none_any_more(tmp_path):
    models = FakeModels(bert="b")
    _, path = bert_run(tmp_path, clip(), models)
    assert path.exists()
    bert_run(tmp_path, clip(None), models)
    assert not path.exists()


def test_bert_width_must_fit(tmp_path):
    runner, path = bert_run(tmp_path, clip((1, 1)), FakeModels(bert="b"))
    assert runner.left_out[0].reason == "2 BERT features for 3 phones"
    assert not path.exists()


@every_case(("width", "read"), [(3, 0), (4, 1)], isolated=True)
def test_bert_those_of_an_experiment_folder_are_taken_if_they_fit(tmp_path, width, read):
    source = Experiment(tmp_path / "theirs")
    save_feature(source.bert_path("a.wav"), torch.full((4, width), 9.0))
    models = FakeModels(bert="b")
    _, path = bert_run(tmp_path, clip(), models, source)
    assert models.read == read
    assert float(load_feature(path)[0, 0]) == (2.0 if read else 9.0)


def test_one_clip_of_another_encoder_and_nothing_of_the_folder_is_taken(tmp_path):
    """Also where the clips after it agree: whose they are is not known."""
    theirs, mine = Experiment(tmp_path / "theirs"), Experiment(tmp_path / "mine")
    models, heard = FakeModels(), RecordingReporter()
    step = ContentStep(mine, models, theirs, heard)
    samples = torch.linspace(-1, 1, 3200).numpy()
    good = models.encode(torch.from_numpy(samples))
    names = [f"{letter}.wav" for letter in "abcdefg"]
    for name in names:
        save_feature(theirs.content_path(name), -good if name == "a.wav" else good)
    for name in names:
        step.finish(clip(name=name), samples)
        assert torch.equal(load_feature(mine.content_path(name)), good)
    assert models.encoded == 1 + len(names)
    assert [event.text for event in heard.events] == [
        f"the features in {theirs.content_dir} are not those of fake: making them anew"
    ]
