"""The content stage: learns phones it is told, resumes exactly, ignores no key, and makes a family to train in."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.safetensors_io import load_safetensors
from sovits_cli.config import layers
from sovits_cli.config.layers import Resolved
from sovits_cli.data.aligned_dataset import AlignedDataset, collate_aligned
from sovits_cli.errors import DatasetError, ModelError, ResourceError, SettingsError, UsageError
from sovits_cli.events import Metrics, Skipped
from sovits_cli.features import content as features
from sovits_cli.features.semantic_tokens import SemanticTokenizer
from sovits_cli.locks import held
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.training import setup_content
from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.pipeline import TrainResult, plan_training, train
from sovits_cli.training.setup_content import UNUSED
from sovits_cli.training.stages.content import CROP_FRAMES, ContentStage, FamilyExporter
from sovits_cli.training.trainer_config import StopRequest
from tests.training.toys import Events
from tests.training.worlds import RATE, TONES, every_case_apart, options, record

SMALL = (
    "train.stage=content",
    "train.exp_name=family",
    "content.width=16",
    "content.layers=2",
    "content.codebook_size=8",
    "data.num_workers=0",
)
QUICK = ("train.max_steps=3", "train.batch_size=8", "train.precision=32")

ONCE = "train.save_every_n_epoch=100"

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    record(folder, 24)
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def resolve(runs: Path, *sets: str) -> Resolved:
    return layers.load_settings(sets=[*SMALL, f"train.out={runs}", *sets])


def run(dataset: Path, runs: Path, *sets: str, reporter: Events | None = None, **more: Any) -> TrainResult:
    resolved = resolve(runs, *sets)
    return train(dataset, resolved.settings, options(resolved, **more), reporter=reporter or Events())


def weights(runs: Path) -> Tensors:
    """The tensors of the newest state."""
    return dict(torch.load(max((runs / "family" / "state").glob("*.pt")), weights_only=True)["modules"]["content"])


def trained(dataset: Path, runs: Path, *sets: str) -> Tensors:
    run(dataset, runs, *QUICK, *sets)
    return weights(runs)


def same(left: Mapping[str, torch.Tensor], right: Mapping[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.fixture(scope="module")
def plain(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Tensors:
    torch.set_num_threads(1)
    return trained(recordings, tmp_path_factory.mktemp("plain"))


def test_learns_phones_and_makes_a_family(recordings: Path, tmp_path: Path) -> None:
    events = Events()
    said = ("content.steps=50", "content.batch_size=4", "content.learning_rate=0.01", "train.precision=32", ONCE)
    report = run(recordings, tmp_path, *said, reporter=events)
    outcome = report.stages["content"]
    assert (report.finished, outcome.step) == (True, 50)
    assert outcome.metrics["held_out/frame_accuracy"] > 0.6
    folder = tmp_path / "family"
    assert outcome.exported == folder / "content.safetensors"
    found = find_model(str(folder))
    assert json.loads((folder / "model.json").read_text())["version"] == found.version.name == "mini"
    _, about = load_safetensors(folder / "content.safetensors")
    assert (about["step"], about["frame_accuracy"] > 0.6) == (50, True)
    encoder = features.load_content_encoder(found)
    assert encoder.channels == len(TONES)
    made = encoder.encode(torch.randn(RATE))
    tokens = SemanticTokenizer(found).tokens(made)
    assert made.shape == (1, len(TONES), 49)
    assert tokens.shape == (24,)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 8
    assert any((folder / "tb" / "content").iterdir())
    lines = [json.loads(line) for line in (folder / "metrics-content.jsonl").read_text().splitlines()]
    assert {"loss", "frame_accuracy", "lr", "grad_norm/content", "samples_per_s"} <= lines[-2].keys()
    assert lines[-1]["held_out/frame_accuracy"] == pytest.approx(outcome.metrics["held_out/frame_accuracy"], abs=1e-5)
    readings = [event for event in events.heard if isinstance(event, Metrics) and "loss" in event.values]
    assert [event.step for event in readings] == [10, 20, 30, 40, 50]


KEYS = [
    "train.batch_size=5",
    "train.batch_seconds=10",
    "train.seed=5",
    "train.max_steps=2",
    "train.gradient_clip=0.01",
    "train.gradient_accumulation=2",
    "train.precision=bf16-mixed",
    "content.batch_seconds=10",
    "content.steps=2",
    "content.epochs=2",
    "content.learning_rate=0.01",
    "content.width=17",
    "content.layers=1",
    "data.max_sec=4",
    "data.min_sec=4",
    "data.max_eval_sample=0",
    "data.validation_split=0.2",
    "data.repeat_below=60",
]


@every_case_apart("said", KEYS)
def test_each_key_changes_the_training(recordings: Path, plain: Tensors, tmp_path: Path, said: str) -> None:
    few = "data.m" in said and "sec" in said
    if few:  # the limit leaves a part of the recordings: enough of them
        record(tmp_path / "more", 60)
    before = trained(tmp_path / "more", tmp_path / "before") if few else plain
    assert not same(before, trained(tmp_path / "more" if few else recordings, tmp_path / "runs", said))


WINS = [
    ("train.batch_size=5", "content.batch_size=8"),
    ("train.seed=5", "content.seed=1234"),
    ("train.max_steps=2", "content.steps=3"),
    ("train.epochs=2", "content.steps=3"),
    ("train.gradient_clip=0.01", "content.gradient_clip=1.0"),
    ("train.gradient_accumulation=2", "content.gradient_accumulation=1"),
    ("train.precision=bf16-mixed", "content.precision=32"),
]


@every_case_apart(("general", "own"), WINS)
def test_what_the_stage_says_of_its_own_wins(
    recordings: Path, plain: Tensors, tmp_path: Path, general: str, own: str
) -> None:
    assert same(plain, trained(recordings, tmp_path, general, own))


def test_by_epochs(recordings: Path, tmp_path: Path) -> None:
    """22 recordings in batches of 8 are three updates an epoch."""
    said = ("train.epochs=4", "train.batch_size=8", "train.save_every_n_epoch=2")
    assert run(recordings, tmp_path, *said).stages["content"].step == 12
    assert sorted(path.name for path in tmp_path.rglob("*.pt")) == ["content-00000006.pt", "content-00000012.pt"]
    with pytest.raises(SettingsError, match=r"content\.steps is 3 and content\.epochs is 4"):
        run(recordings, tmp_path, "content.steps=3", "content.epochs=4")


def test_without_any_word_it_trains_as_long_as_ever(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_content, "DEFAULT_STEPS", 2)
    events = Events()
    assert run(recordings, tmp_path, reporter=events).stages["content"].step == 2
    assert "content: 22 clips, 2 more held out, 2 updates of 1 x 11 clips, precision 32" in events.texts()


@every_case_apart("said", ["data.num_workers=3", "train.save_every_n_steps=1", "train.if_save_every_weights=true"])
def test_how_it_is_read_and_saved_changes_nothing(recordings: Path, plain: Tensors, tmp_path: Path, said: str) -> None:
    assert same(plain, trained(recordings, tmp_path, said))


def test_the_codebook_is_made_at_the_end_unless_asked(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks: list[int] = []
    real = FamilyExporter.__call__

    def noted(self: FamilyExporter, encoder: Any, folder: Path, mark: Any) -> Path:
        marks.append(mark.step)
        return real(self, encoder, folder, mark)

    monkeypatch.setattr(FamilyExporter, "__call__", noted)
    run(recordings, tmp_path / "end", *QUICK, "train.save_every_n_steps=1")
    run(recordings, tmp_path / "each", *QUICK, "train.save_every_n_steps=1", "train.if_save_every_weights=true")
    assert marks == [3, 1, 2, 3]


def test_recomputing_activations_changes_nothing(recordings: Path, plain: Tensors, tmp_path: Path) -> None:
    again = trained(recordings, tmp_path, "train.activation_checkpointing=true")
    for key, value in plain.items():
        torch.testing.assert_close(again[key], value, rtol=1e-4, atol=1e-5)


def test_recomputing_really_recomputes() -> None:
    """Each block runs a second time in the backward pass."""
    encoder = PhoneticEncoder(PhoneticConfig(width=8, layers=2, phones=("a", "b")))
    calls: list[object] = []
    encoder.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    encoder(torch.randn(1, 4000)).sum().backward()
    assert len(calls) == 1
    encoder.activation_checkpointing = True
    encoder(torch.randn(1, 4000)).sum().backward()
    assert len(calls) == 3


OTHER_VALUES = {
    "train.model": "v2",
    "train.from_scratch": "false",
    "train.keep_weights": "2",
    "train.alignment_loss_weight": "0.1",
    "train.token_noise": "0.1",
    "train.loss_on_padding": "true",
    "train.if_dpo": "true",
    "train.audio_samples": "2",
    "data.curriculum_start_sec": "3.5",
    "data.curriculum_phases": "5",
    "data.pad_val": "1024",
    "data.min_phones_per_sec": "3.0",
    "data.max_phones_per_sec": "25.0",
    "data.max_phones": "100",
}


@every_case_apart("key", UNUSED)
def test_what_has_no_part_in_the_stage_is_refused_where_it_is_typed(recordings: Path, tmp_path: Path, key: str) -> None:
    said = f"{key}={OTHER_VALUES[key]}"
    with pytest.raises(UsageError, match=rf"^{key} is .* \(set {key}.*it has no part in the content stage") as caught:
        run(recordings, tmp_path, *QUICK, said)
    assert caught.value.code == "train.not_of_content"
    assert not (tmp_path / "family").exists()


def test_what_has_no_part_in_the_stage_is_named_where_it_stands_in_a_file(
    recordings: Path, plain: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{key}: {value}" for key, value in OTHER_VALUES.items()]
    Path("sovits.yaml").write_text("\n".join(lines) + "\n")
    events = Events()
    run(recordings, tmp_path, *QUICK, reporter=events)
    for number, key in enumerate(OTHER_VALUES, start=1):
        assert f"content: {key} (project file sovits.yaml:{number}) has no part in this stage" in events.texts()
    assert same(plain, weights(tmp_path))


@every_case_apart("said", ["train.from_scratch=true", "train.audio_samples=0", "train.keep_weights=1"])
def test_what_is_true_of_the_stage_may_be_said(recordings: Path, plain: Tensors, tmp_path: Path, said: str) -> None:
    assert same(plain, trained(recordings, tmp_path, said))


def test_settings_of_other_stages(recordings: Path, plain: Tensors, tmp_path: Path) -> None:
    """Typed for this stage they are refused; a recipe holds those of every stage."""
    with pytest.raises(UsageError, match=r"sovits\.train\.c_mel .* belongs to another stage"):
        run(recordings, tmp_path, "sovits.train.c_mel=10")
    with pytest.raises(UsageError, match=r"initial weights g\.pth"):
        run(recordings, tmp_path, initial_weights=(Path("g.pth"),))
    with pytest.raises(SettingsError, match=r"content\.family is v2, whose content encoder is hubert"):
        run(recordings, tmp_path, "content.family=v2")
    with pytest.raises(SettingsError, match=r"content\.codebook_size is 4000, but the recordings hold only \d+ pairs"):
        run(recordings, tmp_path, *QUICK, "content.codebook_size=4000")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("optimizer:\n  name: adamw\nmodel:\n  n_layer: 2\nsovits:\n  train:\n    c_mel: 10.0\n")
    resolved = layers.load_settings(sets=[*SMALL, *QUICK, f"train.out={tmp_path}"], config_files=[recipe])
    train(recordings, resolved.settings, options(resolved))
    assert same(plain, weights(tmp_path))


def test_too_few_recordings(tmp_path: Path) -> None:
    record(tmp_path / "few", 3)
    (tmp_path / "few" / "01.phones").unlink()
    with pytest.raises(DatasetError, match=r"2 recordings of 3 s or more .* left out: 01\.wav: no 01\.phones"):
        run(tmp_path / "few", tmp_path / "runs")


def test_what_is_wrong_with_one_recording_costs_that_one(tmp_path: Path) -> None:
    record(tmp_path / "in", 26)
    (tmp_path / "in" / "03.phones").write_text("0.3 aa\nlater iy\n")
    (tmp_path / "in" / "04.phones").unlink()
    (tmp_path / "in" / "05.wav").write_bytes(b"no audio")
    soundfile.write(tmp_path / "in" / "06.wav", np.zeros(RATE), RATE)
    (tmp_path / "in" / "07.phones").write_bytes(b"0.3 \xff\n")
    events = Events()
    assert run(tmp_path / "in", tmp_path / "runs", *QUICK, reporter=events).finished
    told = {event.item: event.reason for event in events.heard if isinstance(event, Skipped)}
    assert told.keys() == {"03.wav", "04.wav", "05.wav", "07.wav"}
    assert "line 2: 'later iy'" in told["03.wav"]
    listed = (tmp_path / "runs" / "family" / "left_out-content.tsv").read_text()
    assert "06.wav\t1.0 s, under the 3 s of an example" in listed
    with pytest.raises(DatasetError, match="5 clips would be left out"):
        run(tmp_path / "in", tmp_path / "strict", *QUICK, "data.strict=true")


def test_a_recording_that_vanishes_during_training_is_told_once(tmp_path: Path) -> None:
    record(tmp_path / "in", 24)

    class Breaking(Events):
        def emit(self, event: object) -> None:
            super().emit(event)  # type: ignore[arg-type]
            if "updates of" in str(event):
                (tmp_path / "in" / "02.wav").unlink()

    events = Breaking()
    assert run(tmp_path / "in", tmp_path / "runs", "content.epochs=2", "content.batch_size=8", reporter=events).finished
    assert [event.item for event in events.heard if isinstance(event, Skipped)] == ["02.wav"]


def test_crops_are_cut_from_the_recording_with_their_labels(recordings: Path) -> None:
    clips = AlignedDataset(recordings, min_sec=3.1, max_sec=54)
    batch = collate_aligned([clips[0], clips[1]])
    assert batch.select(slice(1, 2)).wave.shape == (1, len(clips[1].wave))
    encoder = PhoneticEncoder(PhoneticConfig(width=8, layers=1, phones=clips.phones))
    stage = ContentStage(encoder, schedule=LearningRateSchedule(0.0), export=lambda *_: Path())
    drawn = stage.sample_noise(batch)
    assert drawn.wave.shape == (2, 48_080)
    assert drawn.labels.shape == (2, CROP_FRAMES)
    for row, clip in enumerate((clips[0], clips[1])):
        windows = clip.labels.unfold(0, CROP_FRAMES, 1)
        (starts,) = torch.nonzero((windows == drawn.labels[row]).all(1), as_tuple=True)
        max_clips_that_fit = [
            float(torch.corrcoef(torch.stack((drawn.wave[row], clip.wave[start * 320 : start * 320 + 48_080])))[0, 1])
            for start in starts.tolist()
        ]
        assert max(max_clips_that_fit) > 0.99


def test_restart_forgets(recordings: Path, plain: Tensors, tmp_path: Path) -> None:
    trained(recordings, tmp_path)
    again = Events()
    run(recordings, tmp_path, *QUICK, reporter=again)
    assert "content: finished already, after 3 steps" in again.texts()
    anew = Events()
    run(recordings, tmp_path, *QUICK, restart=True, reporter=anew)
    assert "finished already" not in anew.texts()
    assert same(plain, weights(tmp_path))


KILLED = """
import os, signal, sys
from pathlib import Path
from sovits_cli.training import trainer
from tests.training.stages.test_content import run
import torch
torch.set_num_threads(1)
after = trainer.Trainer._after_update
def deadly(self):
    after(self)
    if self._position.step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
trainer.Trainer._after_update = deadly
run(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
"""


def test_killed_and_resumed_equals_undisturbed(recordings: Path, tmp_path: Path) -> None:
    """Bit for bit, the exported family too."""
    said = (
        "train.max_steps=6",
        "train.batch_size=5",
        "train.save_every_n_steps=3",
        "data.num_workers=2",
        "train.precision=bf16-mixed",
    )
    command = [sys.executable, "-c", KILLED, str(recordings), str(tmp_path / "killed"), *said]
    done = subprocess.run(command, check=False, capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "killed" / "family" / "model.json").exists()
    events = Events()
    run(recordings, tmp_path / "killed", *said, reporter=events)
    assert "content: going on from step 3 (epoch 1)" in events.texts()
    run(recordings, tmp_path / "undisturbed", *said)
    assert same(weights(tmp_path / "killed"), weights(tmp_path / "undisturbed"))
    files = [(tmp_path / place / "family" / "content.safetensors").read_bytes() for place in ("killed", "undisturbed")]
    assert files[0] == files[1]


def test_asked_to_stop_it_saves_and_the_same_command_goes_on(recordings: Path, plain: Tensors, tmp_path: Path) -> None:
    stop = StopRequest()

    class Stopping(Events):
        def emit(self, event: object) -> None:
            super().emit(event)  # type: ignore[arg-type]
            stop.wanted = stop.wanted or (isinstance(event, Metrics) and event.step == 1)

    said = (*QUICK, "train.log_every_n_steps=1")
    stopped, events = Stopping(), Events()
    assert not run(recordings, tmp_path, *said, reporter=stopped, stop=stop).finished
    assert [path.name for path in (tmp_path / "family" / "state").iterdir()] == ["content-00000001.pt"]
    run(recordings, tmp_path, *said, reporter=events)
    assert "content: going on from step 1" in events.texts()
    assert same(plain, weights(tmp_path))


def test_two_at_once_are_refused(recordings: Path, tmp_path: Path) -> None:
    with held(tmp_path / "family"), pytest.raises(ResourceError, match="works here"):
        run(recordings, tmp_path, *QUICK)
    assert run(recordings, tmp_path, *QUICK).finished


def test_another_codebook_cannot_continue(recordings: Path, tmp_path: Path) -> None:
    run(recordings, tmp_path, *QUICK)
    with pytest.raises(ModelError, match="another model or recipe"):
        run(recordings, tmp_path, *QUICK, "content.codebook_size=9")


def test_out_of_memory_is_not_the_end(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for three crops, batches of eight: the same training, and the smaller size is kept over a resume."""
    whole = trained(recordings, tmp_path / "whole")
    real, sizes = ContentStage.losses, []

    def tight(self, batch, shares):  # type: ignore[no-untyped-def]
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch, shares)

    monkeypatch.setattr(ContentStage, "losses", tight)
    events = Events()
    run(recordings, tmp_path / "tight", *QUICK, reporter=events)
    assert "content: out of memory with 8 clips at once" in events.texts()
    assert sum(size > 3 for size in sizes) <= 2
    tight_weights = weights(tmp_path / "tight")
    for key, value in whole.items():
        torch.testing.assert_close(tight_weights[key], value, rtol=1e-3, atol=1e-5)
    sizes.clear()
    run(recordings, tmp_path / "tight", *QUICK, "content.steps=5")
    assert max(sizes) <= 3


def test_a_plan_costs_something_and_writes_nothing(recordings: Path, tmp_path: Path) -> None:
    resolved = resolve(tmp_path / "runs", *QUICK)
    (found,) = plan_training(recordings, resolved.settings, options(resolved), budget_bytes=10**9)
    assert (found.stage, found.device, found.batches, found.free_bytes) == ("content", "cpu", 3, 10**9)
    assert 0 < found.peak_bytes < 10**9
    assert found.epoch_s > 0
    assert not (tmp_path / "runs").exists()


def test_auto_takes_what_fits(recordings: Path, tmp_path: Path) -> None:
    events = Events()
    run(recordings, tmp_path, *QUICK, "train.batch_size=auto", reporter=events)
    assert "batch size" in events.texts()


@pytest.mark.gpu
def test_on_a_gpu(recordings: Path, tmp_path: Path) -> None:
    resolved = resolve(tmp_path, *QUICK, "train.precision=16-mixed")
    report = train(recordings, resolved.settings, replace(options(resolved), device="cuda:0"))
    assert report.finished
    assert torch.cuda.max_memory_allocated() > 0
