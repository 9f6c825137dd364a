"""Both stages on tiny models: every key that is accepted changes the training; killed runs go on exactly."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.networks import load_gpt, load_vits
from sovits_cli.checkpoints.official import read_gpt, read_sovits
from sovits_cli.config import layers
from sovits_cli.data.experiment import Experiment
from sovits_cli.errors import DatasetError, ModelError, ResourceError, SettingsError, UsageError
from sovits_cli.events import Chose, Metrics, Saved, Skipped, Surveyed
from sovits_cli.training import pipeline
from sovits_cli.training.engine import lacks_bf16
from sovits_cli.training.pipeline import TrainResult, train
from sovits_cli.training.stages.gpt import GptStage
from sovits_cli.training.stages.sovits import SovitsStage
from tests.kills import Kills, run_and_kill
from tests.training.toys import Events
from tests.training.worlds import CODES, every_case_apart, make_dataset, make_family, options

Tensors = dict[str, torch.Tensor]

QUICK = (
    "train.max_steps=3",
    "train.batch_size=4",
    "optimizer.warmup_steps=1",
    "sovits.train.discriminator_width=none",
    "train.precision=32",
    "data.num_workers=0",
    "train.audio_samples=0",
)


@dataclass(frozen=True)
class World:
    family: Path
    dataset: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    family = make_family(root)
    return World(family, make_dataset(root / "dataset", model=str(family)).root)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(
    dataset: Path, runs: Path, *sets: str, stage: str = "gpt", restart: bool = False, reporter: Events | None = None
) -> TrainResult:
    resolved = layers.load_settings(
        sets=[*QUICK, f"train.stage={stage}", f"train.out={runs}", "train.exp_name=v", *sets]
    )
    how = options(resolved, restart=restart)
    return train(dataset, resolved.settings, how, reporter=reporter or Events())


def weights(runs: Path, stage: str = "gpt") -> Tensors:
    """The tensors of the newest state."""
    newest = max((runs / "v" / "state").glob(f"{stage}-*.pt"))
    modules = torch.load(newest, weights_only=True)["modules"]
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.items()}


def trained(dataset: Path, runs: Path, *sets: str, stage: str = "gpt") -> Tensors:
    run(dataset, runs, *sets, stage=stage)
    return weights(runs, stage)


def same(left: Tensors, right: Tensors) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.fixture(scope="module")
def plain(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensors]:
    runs = tmp_path_factory.mktemp("plain")
    torch.set_num_threads(1)
    return {stage: trained(world.dataset, runs, stage=stage) for stage in ("gpt", "sovits")}


def whole_state(runs: Path, stage: str) -> bytes:
    """Everything the next step depends on, but for how long it took."""
    newest = max((runs / "v" / "state").glob(f"{stage}-*.pt"))
    state = torch.load(newest, weights_only=True)
    state["position"]["elapsed_s"] = 0.0
    return pickle.dumps({key: _plain(value) for key, value in state.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return str(value.dtype), value.tolist()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(("stage", "precision"), [("gpt", "32"), ("gpt", "16-mixed"), ("sovits", "32")])
def test_auto_and_the_same_number_typed_train_alike(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, precision: str
) -> None:
    """To the bit, with a loss scale too: float16 is what a CPU can do as well, slowly."""
    monkeypatch.setattr("sovits_cli.training.context.trainable_precision", lambda wanted, device: wanted)
    said, events = (f"train.precision={precision}", "train.max_steps=2"), Events()
    run(world.dataset, tmp_path / "auto", *said, "train.batch_size=auto", stage=stage, reporter=events)
    (size,) = (event.value for event in events.heard if isinstance(event, Chose) and event.what == "batch size")
    run(world.dataset, tmp_path / "typed", *said, f"train.batch_size={size}", stage=stage)
    newest = max((tmp_path / "auto" / "v" / "state").glob(f"{stage}-*.pt"))
    assert torch.load(newest, weights_only=True)["scaler"].get("scale", 2.0**16) == 2.0**16
    assert whole_state(tmp_path / "auto", stage) == whole_state(tmp_path / "typed", stage)
    run(world.dataset, tmp_path / "other", *said, f"train.batch_size={size}", "train.seed=5", stage=stage)
    assert whole_state(tmp_path / "other", stage) != whole_state(tmp_path / "typed", stage)


GPT_KEYS = [
    "optimizer.name=adamw",
    "optimizer.lr=0.01",
    "optimizer.lr_init=0.001",
    "optimizer.lr_end=0.0002",
    "optimizer.warmup_steps=2",
    "optimizer.decay_steps=5",
    "train.gradient_clip=0.01",
    "train.gradient_accumulation=2",
    "train.batch_size=3",
    "train.batch_seconds=3.0",
    "train.loss_on_padding=true",
    "data.max_phones=7",
    "data.max_phones_per_sec=6.0",
    "data.min_phones_per_sec=5.5",
    "data.repeat_below=24",
    "data.max_sec=1.1:54",
    "train.seed=5",
    "train.max_steps=2",
    "train.if_dpo=true",
    "train.alignment_loss_weight=0.5",
    "train.token_noise=0.2",
    "train.precision=bf16-mixed",
    "data.max_sec=1.3",
    "data.min_sec=1.3",
    "model.dropout=0.5",
    "model.block_dropout=0.5",
]


@every_case_apart("said", GPT_KEYS)
def test_each_key_of_the_gpt_stage_changes_the_training(
    world: World, plain: dict[str, Tensors], tmp_path: Path, said: str
) -> None:
    assert not same(plain["gpt"], trained(world.dataset, tmp_path, said))


SOVITS_KEYS = [
    "train.batch_size=3",
    "train.seed=5",
    "train.gradient_clip=0.5",
    "train.max_steps=2",
    "train.precision=bf16-mixed",
    "data.max_sec=1.3",
    "sovits.train.batch_size=3",
    "sovits.train.batch_seconds=3.0",
    "data.max_sec=1.3:54",
    "sovits.train.seed=5",
    "sovits.train.gradient_clip=0.5",
    "sovits.train.gradient_accumulation=2",
    "sovits.train.max_steps=2",
    "sovits.train.precision=bf16-mixed",
    "sovits.train.learning_rate=0.001",
    "sovits.train.posterior_encoder=true",
    "sovits.train.betas=[0.5, 0.9]",
    "sovits.train.eps=0.1",
    "sovits.train.lr_decay=0.5",
    "sovits.train.warmup_steps=2",
    "sovits.train.lr_end=0.00001",
    "sovits.train.segment_size=6400",
    "sovits.train.c_mel=10.0",
    "sovits.train.c_stft=1.0",
    "sovits.train.discriminator_width=0.01",
    "sovits.train.text_low_lr_rate=1.0",
    "sovits.model.p_dropout=0.0",
]


@every_case_apart("said", SOVITS_KEYS)
def test_each_key_of_the_sovits_stage_changes_the_training(
    world: World, plain: dict[str, Tensors], tmp_path: Path, said: str
) -> None:
    assert not same(plain["sovits"], trained(world.dataset, tmp_path, said, stage="sovits"))


def test_the_weight_of_the_kl_loss_changes_the_training(world: World, tmp_path: Path) -> None:
    heard = "sovits.train.posterior_encoder=true"
    runs = [
        trained(world.dataset, tmp_path / name, heard, *more, stage="sovits")
        for name, more in (("as it is", ()), ("less", ("sovits.train.c_kl=0.1",)))
    ]
    assert not same(*runs)
    events = Events()
    run(world.dataset, tmp_path / "none", "sovits.train.c_kl=0.1", stage="sovits", reporter=events)
    assert "sovits.train.c_kl changes nothing" in events.texts()


def test_readers_do_not_change_the_training(world: World, plain: dict[str, Tensors], tmp_path: Path) -> None:
    assert same(plain["sovits"], trained(world.dataset, tmp_path, "data.num_workers=3", stage="sovits"))


def test_epochs_saves_exports(world: World, tmp_path: Path) -> None:
    run(world.dataset, tmp_path, "train.max_steps=null", "train.epochs=4", "train.save_every_n_epoch=2")
    assert sorted(path.name for path in tmp_path.glob("v/*.ckpt")) == ["v-e2.ckpt", "v-e4.ckpt"]
    assert len(list(tmp_path.glob("v/state/gpt-*.pt"))) == 2


def test_only_the_last_export_is_kept_if_asked(world: World, tmp_path: Path) -> None:
    said = ("train.save_every_n_steps=1", "train.keep_weights=1", "train.if_save_latest=false", "train.batch_size=8")
    run(world.dataset, tmp_path, *said)
    assert [path.name for path in tmp_path.glob("v/*.ckpt")] == ["v-e3.ckpt"]
    assert len(list(tmp_path.glob("v/state/gpt-*.pt"))) == 3


def test_weights_only_at_the_end_if_asked(world: World, tmp_path: Path) -> None:
    said = ("train.save_every_n_steps=1", "train.if_save_every_weights=false", "train.batch_size=8")
    run(world.dataset, tmp_path, *said)
    assert [path.name for path in tmp_path.glob("v/*.ckpt")] == ["v-e3.ckpt"]


def test_a_trained_voice_can_be_found_and_used(world: World, tmp_path: Path) -> None:
    events = Events()
    report = run(world.dataset, tmp_path, "train.precision=16-mixed", stage="all", reporter=events)
    assert report.finished
    assert set(report.stages) == {"gpt", "sovits"}
    voice = find_model(None, runs=tmp_path, trained=True)
    assert (voice.name, voice.version.name, voice.content) == ("v", "mini", world.family / "content.safetensors")
    assert load_gpt(voice).config.vocab == CODES + 1
    codes = torch.zeros(1, 1, 4, dtype=torch.long)
    model = load_vits(voice)
    wave = model.decode(codes, torch.ones(1, 3, dtype=torch.long), model.encode_style([torch.ones(1, 513, 20)]))
    assert wave.shape == (1, 1, 8 * 320)
    said = "\n".join(event.text for event in events.heard if hasattr(event, "text"))
    assert said.count("runs as bf16-mixed on cpu") == 1
    assert ("no bf16 instructions" in said) is lacks_bf16(torch.device("cpu"))
    chosen = {event.what: event.value for event in events.heard if isinstance(event, Chose)}
    assert chosen == {"dataset": str(world.dataset), "base model": "small", "run": str(tmp_path / "v")}


def test_official_containers(world: World, tmp_path: Path) -> None:
    run(world.dataset, tmp_path, "train.batch_size=8", stage="all")
    gpt, acoustic = read_gpt(tmp_path / "v" / "v-e3.ckpt"), read_sovits(tmp_path / "v" / "v_e3_s3.pth")
    assert gpt.info == "GPT-e3"
    assert gpt.config["data"]["max_sec"] == 54
    assert acoustic.info == "3epoch_3iteration"
    assert not [key for key in acoustic.weight if key.startswith("enc_q")]
    assert {value.dtype for value in gpt.weight.values()} == {torch.float16}
    assert acoustic.config["train"]["c_mel"] == 45.0


def test_quantizer_is_the_base_models(world: World, tmp_path: Path) -> None:
    base = load_vits(find_model(str(world.family)))
    for said in ("train.from_scratch=false", "train.from_scratch=true"):
        tuned = trained(world.dataset, tmp_path / said, said, *SMALL, stage="sovits")
        for key in ("ssl_proj.weight", "quantizer.vq.layers.0._codebook.embed"):
            assert torch.equal(tuned[f"generator.{key}"], base.state_dict()[key])


SMALL = (
    "sovits.model.hidden_channels=16",
    "sovits.model.inter_channels=16",
    "sovits.model.filter_channels=32",
    "sovits.model.gin_channels=32",
    "sovits.model.mrte_channels=32",
    "sovits.model.mrte_heads=2",
    "sovits.model.style_channels=16",
    "sovits.model.n_layers=2",
    "sovits.model.flow_couplings=2",
    "sovits.model.flow_layers=1",
    "sovits.model.posterior_layers=2",
    "sovits.model.decoder=istft",
    "sovits.model.istft_width=32",
    "sovits.model.istft_layers=1",
    "sovits.train.segment_size=5120",
)


def test_from_scratch_takes_the_recipes_dimensions(world: World, tmp_path: Path) -> None:
    small = ("model.embedding_dim=16", "model.head=2", "model.n_layer=1")
    run(world.dataset, tmp_path, "train.from_scratch=true", *small, *SMALL, stage="all")
    voice = find_model("v", runs=tmp_path)
    assert (load_gpt(voice).config.width, load_gpt(voice).config.bert_dim) == (16, 0)
    config = load_vits(voice).config
    assert (config.sampling_rate, config.style_bins, config.codebook_size) == (16_000, 513, CODES)


def test_fine_tuning_refuses_other_dimensions(world: World, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"model.n_layer is 3, but .* has 2") as caught:
        run(world.dataset, tmp_path, "model.n_layer=3")
    assert caught.value.code == "train.other_dimensions"
    with pytest.raises(SettingsError, match=r"sovits.data.hop_length is 640"):
        run(world.dataset, tmp_path, "sovits.data.hop_length=640", stage="sovits")


@every_case_apart(
    ("said", "message"),
    [
        ("sovits.model.mrte_heads=1", "sovits.model.mrte_heads is 1, but"),
        ("sovits.model.version=v2", "sovits.model.version is v2, but"),
        ("sovits.model.use_spectral_norm=true", "only False is built"),
        ("sovits.model.freeze_quantizer=false", "only True is built"),
        ("sovits.data.mel_fmin=40.0", "only 0.0 is built"),
        ("sovits.data.mel_fmax=7000.0", "only half the sample rate is built"),
        ("sovits.data.win_length=512", "sovits.data.win_length is 512, but"),
    ],
)
def test_no_key_is_accepted_and_ignored(world: World, tmp_path: Path, said: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run(world.dataset, tmp_path, said, stage="sovits")


def test_an_official_recipe_of_the_same_dimensions_is_taken(world: World, tmp_path: Path) -> None:
    said = ("sovits.data.hop_length=320", "sovits.data.win_length=1024", "sovits.model.upsample_rates=[10, 8, 2, 2, 2]")
    assert run(world.dataset, tmp_path, *said, stage="sovits").finished


def test_tuning_a_voice_takes_what_its_export_lacks_from_its_state(world: World, tmp_path: Path) -> None:
    wanted = ("sovits.train.discriminator_width=0.01", "sovits.train.posterior_encoder=true")
    first = trained(world.dataset, tmp_path / "runs", *wanted, stage="sovits")
    events = Events()
    still = ("sovits.train.learning_rate=1e-30", f"train.model={tmp_path / 'runs' / 'v'}")
    run(world.dataset, tmp_path / "more", *wanted, *still, stage="sovits", reporter=events)
    second = weights(tmp_path / "more", "sovits")
    assert f"posterior encoder from {tmp_path / 'runs' / 'v' / 'state'}" in events.texts()
    assert "discriminators from" in events.texts()
    for key in ("generator.enc_q.proj.weight", "discriminator.discriminators.1.convs.0.weight_v"):
        torch.testing.assert_close(second[key], first[key])
    said = json.loads((tmp_path / "more" / "v" / "voice.json").read_text())
    assert said["base"] == str(tmp_path / "runs" / "v")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: content["modules"]["generator"].update({"enc_q.proj.weight": torch.zeros(1)}), "another size"),
        (lambda content: content["position"].update(step=-1), "what its exported weights lack starts fresh"),
    ],
    ids=["another size", "no state can be read"],
)
def test_tuning_a_voice_whose_state_is_of_no_use(
    world: World, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    run(world.dataset, tmp_path / "runs", "sovits.train.posterior_encoder=true", "train.max_steps=1", stage="sovits")
    for path in (tmp_path / "runs" / "v" / "state").glob("*.pt"):
        content = torch.load(path, weights_only=True)
        spoil(content)
        torch.save(content, path)
    events = Events()
    still = ("sovits.train.posterior_encoder=true", "train.max_steps=1", f"train.model={tmp_path / 'runs' / 'v'}")
    assert run(world.dataset, tmp_path / "more", *still, stage="sovits", reporter=events).finished
    assert said in events.texts()


def test_settings_of_the_optimiser_may_change_where_a_run_goes_on(world: World, tmp_path: Path) -> None:
    """What a state says of them is not taken: three steps as they were, one more with others."""
    run(world.dataset, tmp_path / "begun", stage="sovits")
    found = []
    for said in ("train.seed=1234", "sovits.train.betas=[0.5, 0.9]", "sovits.train.text_low_lr_rate=1.0"):
        shutil.copytree(tmp_path / "begun", tmp_path / said)
        run(world.dataset, tmp_path / said, "train.max_steps=4", said, stage="sovits")
        found.append(weights(tmp_path / said, "sovits"))
    assert not same(found[0], found[1])
    assert not same(found[0], found[2])


def test_pad_val_must_be_the_end_token(world: World, tmp_path: Path) -> None:
    run(world.dataset, tmp_path, f"data.pad_val={CODES}")
    with pytest.raises(SettingsError, match=r"data\.pad_val is 7"):
        run(world.dataset, tmp_path, "data.pad_val=7")


def test_warm_up_longer_than_the_run_is_told(world: World, tmp_path: Path) -> None:
    events = Events()
    run(world.dataset, tmp_path, "optimizer.warmup_steps=2000", reporter=events)
    assert "never reaches" in events.texts()


def test_missing_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no dataset in") as caught:
        run(tmp_path / "nothing", tmp_path)
    assert caught.value.code == "train.no_dataset"


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    family = make_family(tmp_path)
    experiment = make_dataset(tmp_path / "dataset", clips=9, model=str(family))
    experiment.wave_path("clip003.wav").write_bytes(b"no audio")
    events = Events()
    run(experiment.root, tmp_path / "runs", "data.max_sec=1.5", stage="sovits", reporter=events)
    (survey,) = (event for event in events.heard if isinstance(event, Surveyed))
    assert [(group.what, group.clips) for group in survey.left_out] == [("over max_sec", 3), ("unreadable or unfit", 1)]
    assert survey.left_out[0].code == "train.clips_too_long"
    assert [event.item for event in events.heard if isinstance(event, Skipped)] == ["clip003.wav"]
    listed = (tmp_path / "runs" / "v" / "left_out-sovits.tsv").read_text().splitlines()
    assert len(listed) == 4


def test_few_clips_are_told_and_none_is_an_error(tmp_path: Path) -> None:
    family = make_family(tmp_path)
    few = make_dataset(tmp_path / "few", clips=3, model=str(family))
    events = Events()
    run(few.root, tmp_path / "runs", reporter=events)
    assert "only 3 clips" in events.texts()
    with pytest.raises(DatasetError, match="no clip of the dataset can be trained on"):
        run(few.root, tmp_path / "other", "data.min_sec=50")


def test_a_clip_that_breaks_during_training_is_told_once(tmp_path: Path) -> None:
    family = make_family(tmp_path)
    experiment = make_dataset(tmp_path / "dataset", model=str(family))

    class Breaking(Events):
        def emit(self, event: object) -> None:
            super().emit(event)  # type: ignore[arg-type]
            if "updates of" in str(event):
                experiment.content_path("clip002.wav").write_bytes(b"broken")

    events = Breaking()
    run(experiment.root, tmp_path / "runs", "sovits.train.max_steps=4", stage="sovits", reporter=events)
    assert [event.item for event in events.heard if isinstance(event, Skipped)] == ["clip002.wav"]


def test_held_out_clips_are_judged_and_never_trained(tmp_path: Path) -> None:
    family = make_family(tmp_path)
    dataset = make_dataset(tmp_path / "dataset", clips=20, model=str(family)).root
    events = Events()
    run(dataset, tmp_path / "a", reporter=events)
    assert "18 clips, 2 more held out" in events.texts()
    held_out = [event for event in events.heard if isinstance(event, Metrics) and "held_out/loss" in event.values]
    assert held_out
    assert "held_out/top3" in held_out[-1].values
    everything = Events()
    assert not same(weights(tmp_path / "a"), trained(dataset, tmp_path / "b", "data.max_eval_sample=0"))
    run(dataset, tmp_path / "c", "data.max_eval_sample=0", reporter=everything)
    assert "20 clips," in everything.texts()


def test_dataset_of_another_version(world: World, tmp_path: Path) -> None:
    family = make_family(tmp_path)
    experiment = make_dataset(tmp_path / "dataset", clips=2, model=str(family))
    said = json.loads(experiment.info_file.read_text())
    experiment.info_file.write_text(json.dumps({**said, "version": "v2"}))
    with pytest.raises(DatasetError, match="holds features for v2, but small is a mini model"):
        run(experiment.root, tmp_path / "runs")


def test_official_folder_without_our_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOVITS_HOME", str(tmp_path))
    make_family(tmp_path)
    experiment = make_dataset(tmp_path / "dataset")
    experiment.info_file.unlink()
    assert run(experiment.root, tmp_path / "runs").finished


def test_restart_forgets(world: World, tmp_path: Path) -> None:
    first = trained(world.dataset, tmp_path)
    events = Events()
    run(world.dataset, tmp_path, restart=True, reporter=events)
    assert "finished already" not in events.texts()
    assert same(first, weights(tmp_path))


def test_another_base_cannot_continue(world: World, tmp_path: Path) -> None:
    run(world.dataset, tmp_path)
    with pytest.raises(ModelError, match="another model or recipe"):
        run(world.dataset, tmp_path, "optimizer.name=adamw")


KILLED = """
import os, signal, sys
from pathlib import Path
from sovits_cli.training import trainer
from tests.training.test_pipeline import run
import torch
torch.set_num_threads(1)
after = trainer.Trainer._after_update
def deadly(self):
    after(self)
    if self._position.step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
trainer.Trainer._after_update = deadly
run(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[4:], stage=sys.argv[3])
"""


@pytest.mark.parametrize(
    ("stage", "more"),
    [("gpt", ("train.precision=bf16-mixed",)), ("sovits", ("sovits.train.discriminator_width=0.01",))],
    ids=["gpt", "sovits"],
)
def test_killed_and_resumed_equals_undisturbed(world: World, tmp_path: Path, stage: str, more: tuple[str, ...]) -> None:
    said = ("train.max_steps=5", "train.batch_size=3", "train.save_every_n_steps=2", "data.num_workers=2", *more)
    arguments = [str(world.dataset), str(tmp_path / "killed"), stage, *said]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    events = Events()
    run(world.dataset, tmp_path / "killed", *said, stage=stage, reporter=events)
    assert f"{stage}: going on from step 2" in events.texts()
    run(world.dataset, tmp_path / "undisturbed", *said, stage=stage)
    assert same(weights(tmp_path / "killed", stage), weights(tmp_path / "undisturbed", stage))
    assert Experiment(world.dataset).exists()


def test_an_official_recipe_changes_the_training(world: World, plain: dict[str, Tensors], tmp_path: Path) -> None:
    official = layers.load_settings(config_files=[Path("official")]).settings
    assert (official.optimizer.lr, official.optimizer.lr_init, official.optimizer.lr_end) == (0.002, 0.002, 0.002)
    assert (official.train.gradient_accumulation, official.train.gradient_clip, official.data.repeat_below) == (
        4,
        0,
        100,
    )


@every_case_apart("stage", ["gpt", "sovits"])
def test_recomputing_activations_changes_nothing(
    world: World, plain: dict[str, Tensors], tmp_path: Path, stage: str
) -> None:
    again = trained(world.dataset, tmp_path, "train.activation_checkpointing=true", stage=stage)
    for key, value in plain[stage].items():
        torch.testing.assert_close(again[key], value, rtol=1e-4, atol=1e-5)


CALM = ("model.dropout=0.0", "model.block_dropout=0.0", "model.position_dropout=0.0", "sovits.model.p_dropout=0.0")


@pytest.mark.parametrize(
    ("stage", "more"),
    [
        ("gpt", ("train.token_noise=0.2", "train.alignment_loss_weight=0.3")),
        (
            "sovits",
            ("sovits.train.discriminator_width=0.01", "sovits.train.posterior_encoder=true", "sovits.train.eps=1e-4"),
        ),
    ],
    ids=["gpt", "sovits"],
)
def test_out_of_memory_is_not_the_end(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, more: tuple[str, ...]
) -> None:
    """Memory for three clips, batches of eight: same losses, and the smaller size is kept over a resume."""
    kind = {"gpt": GptStage, "sovits": SovitsStage}[stage]
    monkeypatch.setattr("sovits_cli.models.sovits.encoders.STYLE_DROPOUT", 0.0)
    said = (*CALM, *more, "train.batch_size=8", "train.log_every_n_steps=1", "train.max_steps=2")
    whole, events = Events(), Events()
    run(world.dataset, tmp_path / "whole", *said, stage=stage, reporter=whole)
    real, sizes = kind.losses, []

    def tight(self, batch, shares):  # type: ignore[no-untyped-def]
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch, shares)

    monkeypatch.setattr(kind, "losses", tight)
    run(world.dataset, tmp_path / "tight", *said, stage=stage, reporter=events)
    assert sizes[0] == 8
    assert sum(size > 3 for size in sizes) <= 2
    assert max(sizes[3:]) <= 3
    assert f"{stage}: out of memory with 8 clips at once" in events.texts()
    one, other = weights(tmp_path / "whole", stage), weights(tmp_path / "tight", stage)
    for key, value in one.items():
        torch.testing.assert_close(other[key], value, rtol=1e-3, atol=1e-5)
    sizes.clear()
    run(world.dataset, tmp_path / "tight", *said, "train.max_steps=3", stage=stage)
    assert max(sizes) <= 3


def test_not_even_one_clip_fits(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self, batch, shares):  # type: ignore[no-untyped-def]
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(GptStage, "losses", never)
    with pytest.raises(ResourceError, match="out of memory with a single clip") as caught:
        run(world.dataset, tmp_path)
    assert caught.value.code == "train.clip_too_large"


def test_other_errors_are_not_taken_for_memory(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self, batch, shares):  # type: ignore[no-untyped-def]
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(GptStage, "losses", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run(world.dataset, tmp_path)


def test_a_few_sentences_are_spoken_and_the_best_is_marked(tmp_path: Path) -> None:
    family = make_family(tmp_path)
    dataset = make_dataset(tmp_path / "dataset", clips=20, model=str(family)).root
    events = Events()
    more = ("train.audio_samples=1", "train.keep_weights=1", "train.batch_size=20", "sovits.train.save_every_epoch=1")
    run(dataset, tmp_path / "runs", *more, stage="all", reporter=events)
    folder = tmp_path / "runs" / "v"
    heard = sorted(path.name.rsplit("-", 1)[0] for path in (folder / "samples").iterdir())
    assert heard == [f"{stage}-0000000{step}" for stage in ("gpt", "sovits") for step in (1, 2, 3)]
    said = json.loads((folder / "voice.json").read_text())
    saves = [event for event in events.heard if isinstance(event, Saved)]
    assert [(save.stage, save.step) for save in saves] == [
        (stage, step) for stage in ("gpt", "sovits") for step in (1, 2, 3)
    ]
    assert saves[0].best
    for stage in ("gpt", "sovits"):
        assert (folder / said["best"][stage]).is_file()
        assert len(list(folder.glob("*.ckpt" if stage == "gpt" else "*.pth"))) <= 2
        losses = [
            event.values["held_out/loss"]
            for event in events.heard
            if isinstance(event, Metrics) and event.stage == stage and "held_out/loss" in event.values
        ]
        best = [save.step for save in saves if save.stage == stage and save.best][-1]
        assert losses.index(min(losses)) + 1 == best


def test_a_rising_limit_is_reported(world: World, tmp_path: Path) -> None:
    events = Events()
    said = ("data.max_sec=1.3:1.7", "data.curriculum_phases=2", "train.max_steps=null", "train.epochs=2")
    run(world.dataset, tmp_path, *said, reporter=events)
    assert "gpt: max_sec 1.3 -> 1.7 at step" in events.texts()
    assert "GiB" in events.texts()


@every_case_apart("blocked", ["runs", "runs/v", "runs/v/state"])
def test_something_in_the_way_of_the_run_is_told_before_anything_is_trained(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocked: str
) -> None:
    monkeypatch.setattr(GptStage, "losses", unwanted)
    place = tmp_path / blocked
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("the user's own")
    with pytest.raises(ResourceError, match=f"{place} is in the way, which is no folder") as caught:
        run(world.dataset, tmp_path / "runs")
    assert caught.value.code == "train.folder_blocked"
    assert place.read_text() == "the user's own"
    assert f"{place} is in the way" in planned(world.dataset, tmp_path / "runs")


@every_case_apart("folder", [".", "runs", "runs/v", "runs/v/state"])
def test_a_place_that_is_read_only_is_told_before_anything_is_trained(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Whoever runs this may be root, who may write everywhere: the system's answer is made up."""
    monkeypatch.setattr(GptStage, "losses", unwanted)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    real = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path / folder and real(place, mode))
    with pytest.raises(ResourceError, match=f"{(tmp_path / folder)} cannot be written into"):
        run(world.dataset, tmp_path / "runs")
    assert "cannot be written into" in planned(world.dataset, tmp_path / "runs")
    assert not list(tmp_path.rglob("*.pt"))


def test_no_room_for_a_state_is_told_before_anything_is_trained(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world.dataset, tmp_path / "roomy")
    size = max((tmp_path / "roomy" / "v" / "state").glob("*.pt")).stat().st_size
    room = [size // 2]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - room[0], room[0]))
    with monkeypatch.context() as patched:
        patched.setattr(GptStage, "losses", unwanted)
        with pytest.raises(ResourceError, match=r"a training state takes .* MB, .* MB are free"):
            run(world.dataset, tmp_path / "tight")
    assert "a training state takes" in planned(world.dataset, tmp_path / "tight")
    assert run(world.dataset, tmp_path / "roomy").finished  # nothing is left to write
    room[0] = size + size // 4
    assert "a training state takes" not in planned(world.dataset, tmp_path / "tight")
    assert run(world.dataset, tmp_path / "tight").finished


def test_a_limit_on_the_size_of_files_is_told_before_anything_is_trained(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(GptStage, "losses", unwanted)
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, most))
    try:
        with pytest.raises(ResourceError, match="v/state: it is larger than a file may be here"):
            run(world.dataset, tmp_path / "runs")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    assert not list((tmp_path / "runs").rglob("*.pt"))


class Usage(NamedTuple):
    """As `shutil.disk_usage` tells it."""

    total: int
    used: int
    free: int


def unwanted(*_: object) -> None:
    raise AssertionError("nothing is to be trained here")


def planned(dataset: Path, runs: Path) -> str:
    """What a dry run says, with nothing computed."""
    resolved = layers.load_settings(sets=[*QUICK, "train.stage=gpt", f"train.out={runs}", "train.exp_name=v"])
    events = Events()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "plan_stage", lambda *_: None)
        pipeline.plan_training(dataset, resolved.settings, options(resolved), reporter=events)
    return events.texts()


def test_a_failing_export_at_the_end_costs_the_export_only(
    world: World, plain: dict[str, Tensors], tmp_path: Path
) -> None:
    (tmp_path / "v" / "v-e2-s3.ckpt" / "in the way").mkdir(parents=True)
    events = Events()
    with pytest.raises(UsageError, match="no plain file"):
        run(world.dataset, tmp_path, "train.save_every_n_epoch=100", reporter=events)
    assert same(plain["gpt"], weights(tmp_path))
    (tmp_path / "v" / "v-e2-s3.ckpt" / "in the way").rmdir()
    (tmp_path / "v" / "v-e2-s3.ckpt").rmdir()
    assert run(world.dataset, tmp_path, reporter=events).finished
    assert "going on from step 3" in events.texts()


FORKS = """
import sys
from pathlib import Path
import torch
from tests.kills import report_event, serve
from tests.training.test_pipeline import run
from tests.kills import Kills, run_and_kill
from tests.training.toys import Events

class Loud(Events):
    def emit(self, event):
        report_event()

torch.set_num_threads(1)
place, runs, stage, *said = sys.argv[1:]
serve(lambda: run(Path(place), Path(runs), *said, stage=stage, reporter=Loud()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("stage", "kills"),
    [("gpt", 3), *(pytest.param(stage, 20, marks=pytest.mark.slow) for stage in ("gpt", "sovits"))],
)
def test_killed_at_random_moments(world: World, tmp_path: Path, stage: str, kills: int) -> None:
    """The weights, exported ones too, are bitwise those of the undisturbed run."""
    said = ("train.max_steps=16", "train.batch_size=3", "train.save_every_n_steps=2", "train.log_every_n_steps=1")
    run(world.dataset, tmp_path / "undisturbed", *said, stage=stage)
    arguments = [world.dataset, tmp_path / "killed", stage, *said]
    assert run_and_kill(FORKS, arguments, Kills(kills, 16, seed=7)) >= 0.7 * kills
    run(world.dataset, tmp_path / "killed", *said, stage=stage)
    assert same(weights(tmp_path / "killed", stage), weights(tmp_path / "undisturbed", stage))
    read = read_gpt if stage == "gpt" else read_sovits
    said_by = [json.loads((tmp_path / place / "v" / "voice.json").read_text()) for place in ("killed", "undisturbed")]
    assert said_by[0][stage] == said_by[1][stage]
    one, other = (read(tmp_path / place / "v" / said_by[0][stage]).weight for place in ("killed", "undisturbed"))
    assert same(dict(one), dict(other))
