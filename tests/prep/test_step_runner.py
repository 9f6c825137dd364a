"""What nobody expected in one clip names the clip, and the others are done; a recording is decoded once."""

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.data.experiment import Experiment
from sovits_cli.data.manifest_readers import read_manifest
from sovits_cli.errors import DatasetError, ResourceError, SovitsError
from sovits_cli.events import Skipped
from sovits_cli.prep import recording_steps
from sovits_cli.prep.pipeline import PrepOptions, plan_steps
from sovits_cli.prep.recording_steps import AudioStep, RecordingStep
from sovits_cli.prep.resume_log import ResumeLog
from sovits_cli.prep.step_runner import Clip, Pass, StepRunner
from tests.data.recordings import spoken_folder
from tests.differences import every_case
from tests.prep.fakes import FakeModels, RecordingReporter, contents, run


@pytest.fixture
def spoken(tmp_path):
    return spoken_folder(tmp_path / "in", 4)


def _break(monkeypatch, method, *victims, error=KeyError):
    from sovits_cli.prep.recording_steps import TranscriptStep

    really = getattr(TranscriptStep, method)

    def broken(self, clip, *args):
        if clip.name in victims:
            raise error("boom")
        return really(self, clip, *args)

    monkeypatch.setattr(TranscriptStep, method, broken)


@every_case("method", ["key", "prepare", "finish"], isolated=True)
def test_the_others_are_done(spoken, tmp_path, monkeypatch, method):
    _break(monkeypatch, method, "clip1.wav")
    heard = RecordingReporter()
    report = run(spoken, tmp_path / "dataset", heard=heard)
    (event,) = heard.of(Skipped)
    assert (event.item, event.reason) == ("clip1.wav", "internal error: KeyError: 'boom'")
    assert isinstance(event.cause, KeyError)
    assert event.cause.__traceback__ is not None
    assert report.clips == len(Experiment(tmp_path / "dataset").read_text().rows) > 1
    monkeypatch.undo()
    assert not run(spoken, tmp_path / "dataset").left_out
    run(spoken, tmp_path / "undisturbed")
    assert contents(tmp_path / "dataset") == contents(tmp_path / "undisturbed")


def test_a_row_that_cannot_be_recalled_is_made_anew(spoken, tmp_path, monkeypatch):
    run(spoken, tmp_path / "dataset")
    _break(monkeypatch, "recall", "clip1.wav")
    assert not run(spoken, tmp_path / "dataset").left_out


def test_all_of_them_are_our_bug(spoken, tmp_path, monkeypatch):
    _break(monkeypatch, "prepare", *(path.name for path in spoken.glob("*.wav")))
    with pytest.raises(SovitsError, match=r"no clip of .*: \d+ left out, the first: .*KeyError") as caught:
        run(spoken, tmp_path / "dataset")
    assert caught.value.exit_code == 1
    assert "--debug" in hint_for(caught.value)


def test_not_where_one_of_them_is_bad(spoken, tmp_path, monkeypatch):
    _break(monkeypatch, "prepare", *(path.name for path in spoken.glob("*.wav")))
    (spoken / "clip0.wav").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"no clip of .* can be used"):
        run(spoken, tmp_path / "dataset")


@every_case("error", [MemoryError, KeyboardInterrupt, ResourceError], isolated=True)
def test_what_strikes_all_of_them_stops(spoken, tmp_path, monkeypatch, error):
    _break(monkeypatch, "prepare", "clip1.wav", error=error)
    with pytest.raises(error):
        run(spoken, tmp_path / "dataset")


def test_a_plan_names_it_too(spoken, tmp_path, monkeypatch):
    _break(monkeypatch, "key", "clip1.wav")
    heard = RecordingReporter()
    options = PrepOptions(min_sec=0.6, max_sec=54.0, workers=2)
    made = plan_steps(read_manifest(spoken, "en"), tmp_path / "dataset", FakeModels(), options, heard)
    assert heard.skipped == {"clip1.wav": "internal error: KeyError: 'boom'"}
    assert made.clips == made.steps[-1].to_do == len(list(spoken.glob("*.wav"))) - 1


def test_a_recording_is_opened_three_times_and_decoded_once(spoken, tmp_path, monkeypatch):
    """For its header, for its digest, and to be decoded for all steps that listen to it; then never again."""
    opened, read = [], []
    reader, digest, decode = recording_steps.probe_audio, recording_steps.digest_of_file, recording_steps.read_audio
    monkeypatch.setattr(recording_steps, "probe_audio", lambda path: opened.append(path) or reader(path))
    monkeypatch.setattr(recording_steps, "digest_of_file", lambda path: opened.append(path) or digest(path))
    monkeypatch.setattr(recording_steps, "read_audio", lambda path, **how: read.append(path) or decode(path, **how))
    models = FakeModels(version="v2Pro", speaker="e1")
    run(spoken, tmp_path / "dataset", models)
    assert (models.encoded, models.recognised) == (4, 4)
    assert sorted(read) == sorted(spoken.glob("*.wav"))
    assert sorted(opened) == sorted(2 * list(spoken.glob("*.wav")))
    run(spoken, tmp_path / "dataset", models)
    assert (len(read), len(opened)) == (4, 8)


def test_the_samples_of_a_clip_go_when_its_pass_is_over(spoken, tmp_path):
    clips = [Clip(row) for row in read_manifest(spoken, "en").rows]
    with ResumeLog(tmp_path / "prep.jsonl") as log:
        runner = StepRunner(log, 2, RecordingReporter())
        for pass_ in (Pass.of(RecordingStep(0.0, 54.0)), Pass.of(AudioStep(Experiment(tmp_path)))):
            assert runner.run(pass_, clips) == clips
    assert len(list((tmp_path / "5-wav32k").iterdir())) == 4
    assert [clip.samples for clip in clips] == [None] * 4
