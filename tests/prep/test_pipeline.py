"""The whole of prep with a fake model: the official layout, resuming, and items that cannot be used."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
import soundfile
import torch

import sovits_cli
from sovits_cli.config.schema import PrepSettings, Settings
from sovits_cli.data.datasets import GptDataset, GptLimits, SovitsDataset
from sovits_cli.data.experiment import Experiment, feature_shape, load_feature
from sovits_cli.data.manifest_readers import read_manifest
from sovits_cli.errors import DatasetError, ResourceError, UsageError
from sovits_cli.events import Chose, Note, Warned
from sovits_cli.prep.pipeline import PrepOptions, plan_steps
from sovits_cli.prep.resume_log import ResumeLog
from sovits_cli.versions import VERSIONS
from tests.data.recordings import RATE, experiment, record, spoken_folder, tone
from tests.differences import every_case
from tests.prep.fakes import CHANNELS, FakeModels, RecordingReporter, contents, run


@pytest.fixture
def spoken(tmp_path):
    return spoken_folder(tmp_path / "in", 4)


def test_the_official_layout(spoken, tmp_path):
    out = tmp_path / "dataset"
    report = run(spoken, out)
    names = [f"clip{index}.wav" for index in range(4)]
    assert sorted(path.name for path in out.iterdir()) == [
        "2-name2text.txt",
        "4-cnhubert",
        "5-wav32k",
        "6-name2semantic.tsv",
        "dataset.json",
        "prep.jsonl",
    ]
    made = Experiment(out)
    assert list(made.read_text().rows) == list(made.read_semantic().rows) == names
    for index, name in enumerate(names):
        info = soundfile.info(made.wave_path(name))
        assert (info.samplerate, info.channels, info.subtype, info.format) == (32_000, 1, "PCM_16", "WAV")
        assert info.frames == round((1 + 0.1 * index) * 32_000)
        content = load_feature(made.content_path(name))
        assert content.dtype is torch.float32
        assert content.shape == (1, CHANNELS, (info.frames // 2 - 400) // 320 + 1)
        assert len(made.read_semantic().rows[name]) == content.shape[2] // 2
    assert (report.clips, report.reused, report.languages, report.left_out) == (4, 0, ("en",), ())
    assert report.seconds == pytest.approx(4.6)
    info = made.read_info()
    assert (info.model, info.version, info.symbols, info.items) == ("fake", "mini", "v2", 4)
    assert info.sources == (str(spoken),)


def test_training_reads_what_prep_writes(spoken, tmp_path):
    run(spoken, tmp_path / "dataset")
    made, version = Experiment(tmp_path / "dataset"), VERSIONS["mini"]
    limits = GptLimits(max_phones_per_s=100)
    gpt = GptDataset(made, version.symbols, limits=limits, vocab=257, bert_dim=0)
    sovits = SovitsDataset(made, version.symbols, version.spec, content_channels=CHANNELS)
    assert gpt.names == sovits.names == [f"clip{index}.wav" for index in range(4)]
    assert not gpt.left_out
    assert not sovits.left_out
    assert sovits[0].spec.shape == (513, 50)


def test_speaker_vectors_for_versions_that_take_them(spoken, tmp_path):
    out, models = tmp_path / "dataset", FakeModels(version="v2Pro", speaker="e1")
    run(spoken, out, models)
    made = Experiment(out)
    assert sorted(path.name for path in made.speaker_dir.iterdir()) == [f"clip{index}.wav.pt" for index in range(4)]
    assert feature_shape(made.speaker_path("clip0.wav")) == (1, 20_480)
    made.speaker_path("clip2.wav").unlink()
    run(spoken, out, models)
    assert models.recognised == 5
    run(out, out, FakeModels(version="v2Pro", speaker="e1"))
    again = FakeModels(version="v2Pro", speaker="e1")
    run(out, tmp_path / "copy", again)
    assert again.recognised == 0
    assert feature_shape(Experiment(tmp_path / "copy").speaker_path("clip0.wav")) == (1, 20_480)
    run(out, out, FakeModels(version="v2"))
    assert made.speaker_path("clip0.wav").is_file()


def test_a_second_run_does_nothing(spoken, tmp_path):
    out = tmp_path / "dataset"
    run(spoken, out)
    before = contents(out)
    models = FakeModels()
    report = run(spoken, out, models)
    assert report.reused == report.clips == 4
    assert (models.encoded, models.tokenised) == (0, 0)
    assert contents(out) == before


PASSES = ["recordings", "transcripts", "alignments", "bert", "audio features", "semantic"]


@every_case("name", PASSES, isolated=True)
@every_case("done", [1, 4], isolated=True)
def test_stopped_anywhere_it_goes_on_and_ends_the_same(spoken, tmp_path, name, done):
    for suffix in (0, 2):
        (spoken / f"clip{suffix}.phones").write_text("0.5 AA\n1.0 B\n")
    run(spoken, tmp_path / "undisturbed")
    out = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        run(spoken, out, heard=RecordingReporter(at=(name, done)))
    assert not (out / "2-name2text.txt").exists()
    models = FakeModels()
    run(spoken, out, models)
    assert contents(out) == contents(tmp_path / "undisturbed")
    if name == "audio features":
        assert models.encoded == 4 - done


def test_a_torn_write_is_no_result(spoken, tmp_path):
    run(spoken, tmp_path / "undisturbed")
    out = tmp_path / "stopped"
    run(spoken, out)
    with (out / "prep.jsonl").open("ab") as journal:
        journal.write(b'{"step": "content", "name": "clip0')
    (out / "4-cnhubert" / ".abc.partial.pt").write_bytes(b"half")
    (out / ".abc.partial.tsv").write_bytes(b"half")
    (out / "5-wav32k" / "clip1.wav").unlink()
    models = FakeModels()
    assert run(spoken, out, models).reused == 3
    assert models.encoded == 0
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_only_what_changed_is_redone(spoken, tmp_path):
    out = tmp_path / "dataset"
    run(spoken, out)
    (spoken / "clip0.txt").write_text("Something else.")
    record(spoken / "clip1.wav", 1.5, hz=300)
    models = FakeModels()
    report = run(spoken, out, models)
    assert report.reused == 2
    assert models.encoded == models.tokenised == 1
    fresh = tmp_path / "fresh"
    run(spoken, fresh)
    assert contents(out) == contents(fresh)


def test_touched_but_equal_recordings_are_kept(spoken, tmp_path):
    run(spoken, tmp_path / "dataset")
    (spoken / "clip0.wav").touch()
    models = FakeModels()
    run(spoken, tmp_path / "dataset", models)
    assert models.encoded == 0


@every_case(
    ("change", "encoded", "tokenised"), [({"content": "other"}, 4, 4), ({"semantic": "other"}, 0, 4)], isolated=True
)
def test_another_model_is_another_result(spoken, tmp_path, change, encoded, tokenised):
    out = tmp_path / "dataset"
    run(spoken, out)
    models, heard = FakeModels(name="new", **change), RecordingReporter()
    run(spoken, out, models, heard)
    assert (models.encoded, models.tokenised) == (encoded, tokenised)
    assert Experiment(out).read_info().model == "new"
    assert "was made for fake" in heard.of(Note)[0].text


@every_case("step", ["audio", "content"], isolated=True)
def test_a_result_replaced_but_not_journaled_belongs_to_nobody(spoken, tmp_path, monkeypatch, step):
    out = tmp_path / "dataset"
    run(spoken, out)
    original = (spoken / "clip0.wav").read_bytes()
    record(spoken / "clip0.wav", 1.0, hz=300)
    really = ResumeLog.add

    def killed(self, at, *rest):
        if at == step:
            raise KeyboardInterrupt
        really(self, at, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(ResumeLog, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            run(spoken, out)
    (spoken / "clip0.wav").write_bytes(original)
    run(spoken, out)
    run(spoken, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_bad_items_are_named_and_the_rest_done(spoken, tmp_path):
    for name in ("short", "silent", "corrupt", "nan", "loud", "long", "empty", "unreadable"):
        (spoken / f"{name}.txt").write_text("Hello there.")
    record(spoken / "wordless.wav", 1.0).with_suffix(".txt").write_text("!!! ???")
    record(spoken / "mute.wav", 1.0)
    record(spoken / "short.wav", 0.59)
    record(spoken / "silent.wav", 1.0, level=0.0)
    (spoken / "corrupt.wav").write_bytes((spoken / "clip0.wav").read_bytes()[:9000])
    broken = tone(1.0)
    broken[500] = np.nan
    soundfile.write(spoken / "nan.wav", broken, RATE, subtype="FLOAT")
    soundfile.write(spoken / "loud.wav", tone(1.0) * 6, RATE, subtype="FLOAT")
    record(spoken / "long.wav", 2.2)
    (spoken / "empty.wav").write_bytes(b"")
    (spoken / "unreadable.wav").write_text("this is a text")
    heard = RecordingReporter()
    report = run(spoken, tmp_path / "dataset", heard=heard, max_sec=2.0)
    assert report.clips == 4
    told = heard.skipped
    assert "0.59 s, expected at least 0.6 s" in told["short.wav"]
    assert told["silent.wav"] == "silent"
    assert "cut short" in told["corrupt.wav"]
    assert "NaN" in told["nan.wav"]
    assert "times full scale" in told["loud.wav"]
    assert "2.2 s, over max_sec 2" in told["long.wav"]
    assert "is empty" in told["empty.wav"]
    assert "as audio" in told["unreadable.wav"]
    assert "nothing to read" in told["wordless.wav"]
    assert "expected mute.txt" in told["mute.wav"]
    assert len(told) == 10
    assert {item.name for item in report.left_out} == set(told)
    assert list(Experiment(tmp_path / "dataset").read_text().rows) == [f"clip{index}.wav" for index in range(4)]


def test_a_clip_that_went_bad_leaves_the_dataset(spoken, tmp_path):
    out = tmp_path / "dataset"
    run(spoken, out)
    (spoken / "clip2.wav").write_bytes(b"")
    assert run(spoken, out).clips == 3
    made = Experiment(out)
    assert "clip2.wav" not in made.read_text().rows
    assert "clip2.wav" not in made.read_semantic().rows


def test_nothing_left_is_an_error(tmp_path):
    folder = spoken_folder(tmp_path / "in", 2, seconds=0.1)
    with pytest.raises(DatasetError, match=r"no clip of .* can be used: 2 left out, the first: clip0\.wav: 0\.10 s"):
        run(folder, tmp_path / "dataset")


def test_foreign_suffixes_stay_keys(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "talk.mp3", tone(2.0, 24_000), 24_000)
    (folder / "talk.txt").write_text("Hello.")
    run(folder, tmp_path / "dataset")
    wave = tmp_path / "dataset" / "5-wav32k" / "talk.mp3"
    assert wave.read_bytes()[:4] == b"RIFF"
    assert soundfile.info(wave).samplerate == 32_000
    assert (tmp_path / "dataset" / "4-cnhubert" / "talk.mp3.pt").is_file()


def test_timed_phones_are_copied(spoken, tmp_path):
    timed = b"0.31 HH\r\n0.5 AH0"
    (spoken / "clip1.phones").write_bytes(timed)
    out = tmp_path / "dataset"
    run(spoken, out)
    assert contents(out / "8-phones") == {"clip1.wav.txt": timed}
    (spoken / "clip1.phones").unlink()
    run(spoken, out)
    assert contents(out / "8-phones") == {}


def test_workers_change_nothing(spoken, tmp_path):
    run(spoken, tmp_path / "one", workers=1)
    run(spoken, tmp_path / "many", workers=8)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")


def test_another_source_into_the_same_folder_is_told(spoken, tmp_path):
    out = tmp_path / "dataset"
    run(spoken, out)
    heard = RecordingReporter()
    run(spoken_folder(tmp_path / "second", 2, seconds=2.0), out, heard=heard)
    assert any("its clips are not part of it any more" in event.text for event in heard.of(Warned))
    assert Experiment(out).read_info().sources == (str(tmp_path / "second"),)


def test_too_few_long_clips_are_told(spoken, tmp_path):
    heard = RecordingReporter()
    run(spoken, tmp_path / "dataset", heard=heard)
    assert any("0 of 4 clips" in event.text for event in heard.of(Warned))
    heard = RecordingReporter()
    run(spoken, tmp_path / "dataset", heard=heard, max_sec=2.0)
    assert not heard.of(Warned)


def test_outputs_that_cannot_be_written(spoken, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="it is not a folder"):
        run(spoken, tmp_path / "file")
    with pytest.raises(ResourceError):
        run(spoken, tmp_path / "file" / "dataset")


@every_case("victim", ["5-wav32k", "4-cnhubert", "dataset"], isolated=True)
def test_a_full_disk_stops_and_keeps_what_is_done(spoken, tmp_path, monkeypatch, victim):
    from pathlib import Path

    from sovits_cli.checkpoints import torch_files

    out = tmp_path / "dataset"
    really, stored, written = Path.write_bytes, torch_files.FileIO, set()

    def fill(path):
        written.add(path)
        if path.parent.name == victim and sum(path.parent.name == victim for path in written) > 2:
            raise OSError(28, "No space left on device", str(path))

    def full(self, data):
        fill(self)
        return really(self, data)

    class FullFile(stored):
        def write(self, block):
            fill(Path(self.name))
            return super().write(block)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        patched.setattr(torch_files, "FileIO", FullFile)
        patched.setattr(Path, "write_text", lambda self, text, **_: full(self, text.encode()))
        with pytest.raises(ResourceError, match="disk is full"):
            run(spoken, out, workers=1)
    assert not list(out.rglob(".*"))
    models = FakeModels()
    run(spoken, out, models)
    assert models.encoded == {"5-wav32k": 2, "4-cnhubert": 2, "dataset": 0}[victim]
    run(spoken, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")


def test_a_plan_says_what_would_be_done_and_writes_nothing(spoken, tmp_path):
    out = tmp_path / "dataset"
    look = partial(plan_steps, read_manifest(spoken, "en"), out, FakeModels(), PrepOptions(0.6, 54.0, 2))
    before = look(RecordingReporter())
    assert not out.exists()
    assert (before.clips, {step.to_do for step in before.steps}, {step.done for step in before.steps}) == (4, {4}, {0})
    run(spoken, out)
    record(spoken / "clip1.wav", 1.5, hz=300)
    (spoken / "clip2.wav").touch()
    kept = contents(out)
    models = FakeModels()
    after = plan_steps(read_manifest(spoken, "en"), out, models, PrepOptions(0.6, 54.0, 2), RecordingReporter())
    assert {step.step: step.to_do for step in after.steps} == {
        "transcripts": 0, "alignments": 0, "audio": 1, "bert": 0, "content": 1, "semantic": 1, "speaker": 0
    }  # fmt: skip
    assert contents(out) == kept
    assert (models.encoded, run(spoken, out, models).clips, models.encoded) == (0, 4, 1)


def test_names_of_several_folders_do_not_collide(tmp_path):
    for folder, hz in (("one", 200), ("two", 400)):
        record(tmp_path / "in" / folder / "a.wav", 1.0, hz=hz).with_suffix(".txt").write_text("Hello.")
    record(tmp_path / "in" / "b.wav", 1.0).with_suffix(".txt").write_text("Hello.")
    report = run(tmp_path / "in", tmp_path / "out")
    made = Experiment(tmp_path / "out")
    names = list(made.read_text().rows)
    assert (report.clips, len(set(names)), names.count("b.wav")) == (3, 3, 1)
    marked = [name for name in names if name != "b.wav"]
    assert all(name.startswith("a-") and name.endswith(".wav") for name in marked)
    first, second = (made.wave_path(name).read_bytes() for name in marked)
    assert first != second
    (tmp_path / "in").rename(tmp_path / "moved")
    assert run(tmp_path / "moved", tmp_path / "again").clips == 3
    assert list(Experiment(tmp_path / "again").read_text().rows) == names


def test_nothing_is_written_through_links_in_a_dataset(spoken, tmp_path):
    out = tmp_path / "dataset"
    run(spoken, out)
    rows = contents(out)
    shutil.copytree(out, tmp_path / "victim")
    files = [path for path in out.rglob("*") if path.is_file() and path.name != "prep.jsonl"]
    for path in files:
        path.unlink()
        path.symlink_to(tmp_path / "victim" / path.relative_to(out))
    before = contents(tmp_path / "victim")
    run(spoken, out, FakeModels(content="c2", semantic="s2"))
    assert contents(tmp_path / "victim") == before
    assert contents(out) != rows
    (out / "prep.jsonl").unlink()
    (out / "prep.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResourceError, match=r"prep\.jsonl: it is a link"):
        run(spoken, out)
    assert not (tmp_path / "elsewhere").exists()


@every_case("row", [None, 7, [], {}, {"digest": 1, "seconds": "x"}, {"pieces": [1]}, {"pieces": 7}, "x"], isolated=True)
def test_a_journal_with_other_rows_is_work_done_again(spoken, tmp_path, row):
    out = tmp_path / "dataset"
    run(spoken, out)
    before = contents(out)
    lines = [json.loads(line) for line in (out / "prep.jsonl").read_text().splitlines()]
    (out / "prep.jsonl").write_text("".join(json.dumps({**line, "row": row}) + "\n" for line in lines))
    run(spoken, out)
    assert contents(out) == before


def test_the_library_prepares_with_settings_alone(spoken, tmp_path, capfd):
    """With the bundled model; nothing goes to the terminal unless a reporter is given."""
    settings = Settings(prep=PrepSettings(out=tmp_path / "dataset", lang="en", model="mini", workers=1))
    planned = sovits_cli.plan_dataset(spoken, settings, device="cpu")
    assert {step.to_do for step in planned.steps} == {4}
    assert not (tmp_path / "dataset").exists()
    result = sovits_cli.prepare_dataset(str(spoken), settings, device="cpu")
    assert (result.clips, result.model, result.version, result.languages) == (4, "mini", "mini", ("en",))
    heard = RecordingReporter()
    again = sovits_cli.prepare_dataset(spoken, settings, device="cpu", reporter=heard)
    assert (again.reused, again.lengths) == (4, result.lengths)
    assert [(event.what, event.value) for event in heard.of(Chose)] == [
        ("dataset", f"{spoken} -> {settings.prep.out}"),
        ("model", "mini"),
    ]
    assert capfd.readouterr() == ("", "")


def test_experiment_folder_adopted_when_the_features_are_those_of_the_model(spoken, tmp_path):
    run(spoken, tmp_path / "theirs")
    shutil.rmtree(tmp_path / "theirs" / "8-phones", ignore_errors=True)
    for name in ("prep.jsonl", "dataset.json"):
        (tmp_path / "theirs" / name).unlink()
    models = FakeModels()
    report = run(tmp_path / "theirs", tmp_path / "ours", models)
    assert report.clips == 4
    assert models.encoded == 3
    theirs, ours = contents(tmp_path / "theirs"), contents(tmp_path / "ours")
    assert theirs.items() <= ours.items()


def test_experiment_folder_made_anew_when_they_are_not(spoken, tmp_path):
    run(spoken, tmp_path / "theirs", FakeModels(content="other"))
    heard, models = RecordingReporter(), FakeModels()
    run(tmp_path / "theirs", tmp_path / "ours", models, heard)
    assert models.encoded == 4
    assert any("are not those of fake" in event.text for event in heard.of(Note))
    run(spoken, tmp_path / "fresh")
    mine, fresh = contents(tmp_path / "ours"), contents(tmp_path / "fresh")
    assert mine["5-wav32k/clip0.wav"] == fresh["5-wav32k/clip0.wav"]
    assert mine["2-name2text.txt"] == fresh["2-name2text.txt"]


def test_experiment_folder_completed_in_place(spoken, tmp_path):
    out = tmp_path / "dataset"
    run(spoken, out)
    before = contents(out)
    (out / "4-cnhubert" / "clip1.wav.pt").unlink()
    (out / "6-name2semantic.tsv").unlink()
    models = FakeModels()
    assert run(out, out, models).clips == 4
    after = contents(out)
    assert list(after) == list(before)
    same = {"2-name2text.txt", "5-wav32k/clip1.wav", "4-cnhubert/clip0.wav.pt", "dataset.json"}
    assert all(after[name] == before[name] for name in same)
    assert run(out, out).reused == 4


def test_experiment_folder_phones_that_the_model_lacks_are_read_again(tmp_path):
    made = experiment(tmp_path / "theirs", {"a.wav": 1.0}, channels=CHANNELS)
    text = made.text_file.read_text().replace("HH", "NOPHONE")
    made.text_file.write_text(text)
    run(made.root, tmp_path / "ours")
    assert "NOPHONE" not in (tmp_path / "ours" / "2-name2text.txt").read_text()


def test_experiment_folder_loudness_is_not_mixed_twice(spoken, tmp_path):
    run(spoken, tmp_path / "one")
    run(tmp_path / "one", tmp_path / "two")
    assert contents(tmp_path / "one" / "5-wav32k") == contents(tmp_path / "two" / "5-wav32k")
