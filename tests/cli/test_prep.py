"""`sovits prep` as it is typed: good calls, and each with its bad twin."""

import json

import pytest
from typer.testing import CliRunner

from sovits_cli.cli.app import app
from sovits_cli.data.experiment import Experiment
from tests.checkpoints import synthetic
from tests.data.recordings import record, spoken_folder
from tests.differences import every_case


@pytest.fixture
def model(empty_folder):
    return synthetic.install()


def prep(*args):
    result = CliRunner().invoke(app, ["prep", *map(str, args)])
    assert "Traceback" not in result.output
    return result


def one_line(result, code, text):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert text in errors[0]


def test_the_chain_needs_no_path(model, empty_folder):
    spoken_folder(empty_folder / "slices", 2)
    result = prep("--lang", "en")
    assert result.exit_code == 0, result.output
    told = result.stderr.splitlines()
    assert told[0] == "recordings: slices (the slices here; no other folder was named)"
    assert "dataset: slices -> dataset (recordings with transcripts)" in told
    assert "model: v2 (the newest installed model)" in told
    assert "2 clips" in result.stdout
    assert result.stdout.endswith("next: sovits train\n")
    info = Experiment(empty_folder / "dataset").read_info()
    assert (info.model, info.items) == ("v2", 2)


def test_json(model, empty_folder):
    spoken_folder(empty_folder / "in", 2)
    report = json.loads(prep("in", "--out", "made", "--json").stdout)
    assert (report["clips"], report["dataset"], report["languages"]) == (2, "made", ["en"])
    assert sum(bucket["clips"] for bucket in report["lengths"]) == 2


def test_what_to_type_next_names_another_folder(model, empty_folder):
    spoken_folder(empty_folder / "in", 1)
    assert prep("in", "--out", "my voice").stdout.endswith("next: sovits train 'my voice'\n")


def test_some_left_out_is_exit_code_7(model, empty_folder):
    spoken_folder(empty_folder / "in", 2)
    record(empty_folder / "in" / "mute.wav", 1.0)
    result = prep("in")
    assert result.exit_code == 7
    assert "left out: mute.wav: no transcript: expected mute.txt or mute.lab" in result.stderr
    assert "1 left out" in result.stdout


def test_a_list_with_its_own_languages(model, empty_folder):
    record(empty_folder / "a.wav", 1.0)
    (empty_folder / "train.list").write_text("a.wav|amy|EN|Hello | there.\nb.wav|amy|EN|Gone.\n")
    assert prep("train.list").exit_code == 7
    assert list(Experiment(empty_folder / "dataset").read_text().rows) == ["a.wav"]


def test_a_model_named_by_its_folder_is_found_again(model, empty_folder):
    spoken_folder(empty_folder / "in", 1)
    assert prep("in", "--model", model).exit_code == 0
    assert Experiment(empty_folder / "dataset").read_info().model == str(model)


def test_a_folder_that_happens_to_have_the_name_of_a_model(model, empty_folder):
    (empty_folder / "v2").mkdir()
    spoken_folder(empty_folder / "in", 1)
    assert prep("in", "--model", "v2").exit_code == 0
    assert Experiment(empty_folder / "dataset").read_info().model == "v2"


@every_case(
    ("args", "code", "text"),
    [
        ([], 2, "nothing to prepare: there is no slices/"),
        (["empty"], 3, "holds no recording"),
        (["gone"], 3, "gone does not exist"),
        (["mute"], 3, "has a transcript"),
        (["in", "--lang", "klingon"], 3, "unknown language 'klingon'"),
        (["in", "--model", "nobody"], 4, "no model is called nobody"),
        (["in", "--out", "a file"], 2, "it is not a folder"),
        (["in", "--max-sec", "-1"], 2, "max_sec"),
        (["in", "--asr", "ear"], 2, "prep.asr is ear (flag --asr): expected one of whisper"),
        (["mute", "--asr", "whisper"], 4, "no whisper model 'small'"),
        (["in", "--lexicon", "gone.lex"], 3, "cannot read the lexicon gone.lex"),
        (["in", "--max-sec", "0.7"], 3, "can be used"),
        (["twins"], 3, "is there twice"),
    ],
    isolated=True,
)
def test_bad_calls(model, tmp_path, monkeypatch, args, code, text):
    monkeypatch.chdir(tmp_path)
    spoken_folder(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    record(tmp_path / "mute" / "a.wav", 1.0)
    (tmp_path / "a file").write_text("x")
    record(tmp_path / "twins" / "a.wav", 1.0)
    (tmp_path / "twins" / "both.list").write_text("a.wav|me|en|Hello.\na.wav|me|en|Hello again.\n")
    one_line(prep(*args), code, text)


def test_no_sound_file_is_read_before_the_model_is_found(empty_folder):
    spoken_folder(empty_folder / "in", 1)
    one_line(prep("in", "--model", "nobody"), 4, "no model is called nobody")
    assert not (empty_folder / "dataset").exists()


def test_recordings_are_heard_and_the_list_can_be_corrected(model, empty_folder, monkeypatch):
    from sovits_cli.prep.whisper import TranscribedSegment, Transcription

    class Ear:
        def __init__(self, name, device):
            assert (name, device) == ("tiny", "cpu")

        def transcribe(self, wave, language):
            return Transcription("en", (TranscribedSegment(0.0, 1.0, "Helo world.", 0.0, -0.1, 1.0),))

    monkeypatch.setattr("sovits_cli.prep.pipeline.Whisper", Ear)
    record(empty_folder / "in" / "a.wav", 1.0)
    line = ["in", "--asr", "whisper", "--asr-model", "tiny"]
    assert prep(*line).exit_code == 0
    listed = empty_folder / "dataset" / "transcripts.list"
    assert listed.read_text().endswith("|in|EN|Helo world.\n")
    listed.write_text(listed.read_text().replace("Helo", "Hello"))
    assert prep(*line).exit_code == 0
    assert Experiment(empty_folder / "dataset").read_text().rows["a.wav"].norm == "Hello world."


def test_a_lexicon_makes_other_phones(model, empty_folder):
    spoken_folder(empty_folder / "in", 1, text="Zorbifax")
    assert prep("in").exit_code == 0
    before = Experiment(empty_folder / "dataset").read_text().rows
    (empty_folder / "words.lex").write_text("en|Zorbifax|Z AO1 R\n")
    assert prep("in", "--lexicon", "words.lex").exit_code == 0
    after = Experiment(empty_folder / "dataset").read_text().rows
    assert [row.phones for row in after.values()] == [("Z", "AO1", "R")]
    assert [row.phones for row in before.values()] != [("Z", "AO1", "R")]
