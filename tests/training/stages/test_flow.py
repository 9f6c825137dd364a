"""Training models with a flow, whole and by LoRA: what changes, what stays, what is exported, and how it goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sovits_cli.audio.mel import log_mel, scale_log_mel
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.model_file import ModelKind, read_model_file
from sovits_cli.checkpoints.networks import load_flow, read_whole_sovits
from sovits_cli.config import layers
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.data.batching import SovitsBatch
from sovits_cli.errors import SettingsError
from sovits_cli.events import Metrics, Note, Warned
from sovits_cli.inference.voice import Voice
from sovits_cli.models.cfm.flow_matching import sample_training_noise
from sovits_cli.models.cfm.flow_model import FlowModel, LoraLinear, add_lora
from sovits_cli.training.optim import AdamWSettings, LearningRateSchedule
from sovits_cli.training.pipeline import train
from sovits_cli.training.stages.flow import FlowStage
from tests.checkpoints import synthetic_flow as files
from tests.inference import toys
from tests.training.toys import Events
from tests.training.worlds import make_dataset, options

QUICK = (
    "train.stage=sovits",
    "train.max_steps=2",
    "train.batch_size=4",
    "train.precision=32",
    "data.num_workers=0",
    "train.exp_name=v",
)
EACH = pytest.mark.parametrize("name", files.FLOWS)
TUNED = ".attn.to_"


@pytest.fixture
def dataset(tmp_path: Path):
    """Make a dataset for an installed model; a family lives as long as one test."""

    def make(name: str) -> Path:
        files.install(name)
        return make_dataset(tmp_path / "dataset", model=name, version=name, channels=48, clips=5).root

    return make


def run(dataset: Path, runs: Path, *sets: str, reporter: Events | None = None):
    resolved = layers.load_settings(sets=[*QUICK, f"train.out={runs}", *sets])
    return train(dataset, resolved.settings, options(resolved), reporter=reporter or Events())


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {key for key, value in before.items() if not torch.equal(value.half(), after[key].half())}


@EACH
def test_a_lora_is_trained_exported_and_spoken_with(dataset, tmp_path, name):
    reporter = Events()
    report = run(dataset(name), tmp_path / "runs", f"sovits.train.lora_rank={files.RANK}", reporter=reporter)
    path = report.stages["sovits"].exported
    assert path.name.startswith("v_e1_s2_l4.pth")
    contents = read_model_file(path)
    assert (contents.kind, contents.version, contents.lora_rank) == (ModelKind.LORA, name, files.RANK)
    assert contents.weight.keys() == files.write_lora(tmp_path / "official.pth", name).keys()
    assert {value.dtype for value in contents.weight.values()} == {torch.float16}
    before = load_flow(find_model(name)).state_dict()
    tuned = changed(before, read_whole_sovits(find_model("v", runs=tmp_path / "runs")).weight)
    assert all(TUNED in key or key.startswith(("ref_enc.", "bridge.", "wns1.")) for key in tuned)
    assert any(TUNED in key for key in tuned)
    assert not any(key.endswith("bias") for key in tuned if TUNED in key)
    voice = Voice.load(tmp_path / "runs" / "v", device="cpu")
    reference = voice.reference(toys.voice_recording(tmp_path / "r.wav"))
    assert len(voice.speak("Hello.", reference, settings=InferenceSettings(steps=2)).samples) > 0
    assert any("LoRA of rank 4" in event.text for event in reporter.heard if isinstance(event, Note))


@EACH
def test_the_whole_flow_is_trained(dataset, tmp_path, name):
    report = run(dataset(name), tmp_path / "runs", "sovits.train.lora_rank=0")
    path = report.stages["sovits"].exported
    assert path.name == "v_e1_s2.pth"
    contents = read_model_file(path)
    assert (contents.kind, contents.version) == (ModelKind.SOVITS, name)
    before = load_flow(find_model(name)).state_dict()
    tuned = changed(before, read_whole_sovits(find_model("v", runs=tmp_path / "runs")).weight)
    stays = ("enc_p.", "ssl_proj.", "quantizer.", "linear_mel.")
    assert not any(key.startswith(stays) for key in tuned)
    assert {key.split(".")[0] for key in tuned} == {"ref_enc", "bridge", "wns1", "cfm"}


def test_a_stopped_lora_goes_on_exactly(dataset, tmp_path):
    place = dataset("v3")
    run(place, tmp_path / "whole", "train.max_steps=4")
    run(place, tmp_path / "parts", "train.max_steps=2")
    run(place, tmp_path / "parts", "train.max_steps=4")
    one, other = (read_whole_sovits(find_model("v", runs=tmp_path / runs)).weight for runs in ("whole", "parts"))
    assert not changed(one, other)
    states = list((tmp_path / "parts" / "v" / "state").glob("*.pt"))
    saved = torch.load(states[0], weights_only=True)["modules"]["generator"]
    assert not any("enc_p" in key for key in saved), "what is not trained is not saved"


def test_a_lora_on_a_lora_has_both(dataset, tmp_path):
    place, runs = dataset("v3"), tmp_path / "runs"
    run(place, runs)
    run(place, runs, "train.exp_name=w", f"train.model={runs / 'v'}")
    weight = read_whole_sovits(find_model("w", runs=runs)).weight
    assert weight.keys() == read_whole_sovits(find_model("v3")).weight.keys()
    assert json.loads((runs / "w" / "voice.json").read_text())["base"] == str(runs / "v")
    assert changed(read_whole_sovits(find_model("v", runs=runs)).weight, weight)


def test_settings_of_the_other_kind_are_told(dataset, tmp_path):
    reporter = Events()
    run(dataset("v4"), tmp_path / "runs", "sovits.train.c_mel=1.0", reporter=reporter)
    told = [event.text for event in reporter.heard if isinstance(event, Warned)]
    assert any("sovits.train.c_mel changes nothing" in text for text in told)


def test_a_flow_is_not_trained_from_scratch(dataset, tmp_path):
    with pytest.raises(SettingsError, match="not trained from scratch"):
        run(dataset("v3"), tmp_path / "runs", "train.from_scratch=true")


def test_dimensions_of_the_base_stay(dataset, tmp_path):
    with pytest.raises(SettingsError, match=r"sovits\.model\.n_layers is 4"):
        run(dataset("v3"), tmp_path / "runs", "sovits.model.n_layers=4")


def test_checkpointing_changes_no_number(dataset, tmp_path):
    place = dataset("v3")
    losses = []
    for said in ("false", "true"):
        reporter = Events()
        run(
            place,
            tmp_path / said,
            f"train.activation_checkpointing={said}",
            "train.log_every_n_steps=1",
            reporter=reporter,
        )
        losses.append([event.values["loss"] for event in reporter.heard if isinstance(event, Metrics)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def stage(model: FlowModel) -> FlowStage:
    return FlowStage(model, AdamWSettings(), schedule=LearningRateSchedule(1e-3), export=lambda *_: Path())


def batch(lens=(60, 44)) -> SovitsBatch:
    draw = torch.Generator().manual_seed(0)
    spec_lens = torch.tensor(lens)
    frames = 2 * (max(lens) // 2 + 1)
    wave = torch.zeros(len(lens), 1, max(lens) * 640)
    for row, size in enumerate(lens):
        wave[row, 0, : size * 640] = torch.randn(size * 640, generator=draw) * 0.1
    return SovitsBatch(
        content=torch.randn(len(lens), 48, frames, generator=draw),
        spec=torch.rand(len(lens), 1025, frames, generator=draw),
        spec_lens=spec_lens,
        wave=wave,
        wave_lens=spec_lens * 640,
        phones=torch.randint(700, (len(lens), 12), generator=draw),
        phone_lens=torch.tensor([12, 9]),
    )


@pytest.mark.parametrize("pairs", [False, True], ids=["steps", "pairs"])
@EACH
def test_parts_of_a_batch_train_as_the_whole_does(name, pairs):
    torch.manual_seed(3)
    model = FlowModel(files.flow_config(name)).eval()
    model.quantizer.fill(torch.randn(64, 48))
    tried, data = stage(model), batch()
    whole = replace(data, flow_noise=sample_training_noise(*tried.frames(data), shortcut=pairs))
    tried.losses(whole).totals["generator"].backward()
    parameters = [one for one in tried.optimized_modules[0].parameters if one.grad is not None]
    once = [one.grad.clone() for one in parameters]
    tried.optimized_modules[0].optimizer.zero_grad()
    parts = [whole.select(slice(row, row + 1)) for row in range(len(whole))]
    assert parts[1].spec.shape[-1] < whole.spec.shape[-1]
    for part in parts:
        tried.losses(part, {"clips": 1 / len(whole)}).totals["generator"].backward()
    for one, value in zip(parameters, once, strict=True):
        torch.testing.assert_close(one.grad, value, rtol=1e-3, atol=5e-6)


def test_what_is_drawn_belongs_to_the_batch():
    tried = stage(FlowModel(files.flow_config("v3")).eval())
    drawn = tried.sample_noise(batch())
    losses = [tried.losses(drawn.to("cpu")).metrics["loss"].item() for _ in range(2)]
    assert losses[0] == losses[1]


@EACH
def test_frames_are_those_of_each_clip_alone(name):
    model = FlowModel(files.flow_config(name))
    found, lens = stage(model).frames(batch())
    rate = model.flow_config.mel.sample_rate / model.flow_config.mel.hop
    assert lens.tolist() == [int(60 / 50 * rate), int(44 / 50 * rate)]
    if model.flow_config.mel.sample_rate == 32_000:
        alone = scale_log_mel(log_mel(batch().wave[1, :, : 44 * 640], model.flow_config.mel))
        assert torch.equal(found[1, :, : lens[1]], alone[0])
    assert not found[1, :, lens[1] :].any()


@pytest.mark.parametrize(("name", "rank"), [("v3", 8), ("v4", 0)])
def test_it_learns(name, rank):
    """The loss of one batch falls, with LoRA as well."""
    torch.manual_seed(2)
    model = FlowModel(files.flow_config(name))
    model.quantizer.fill(torch.randn(64, 48))
    if rank:
        add_lora(model.cfm, rank)
    tried = stage(model)
    optimized, data = tried.optimized_modules[0], batch((34, 26))
    with torch.no_grad():
        first = float(tried.evaluate(data)["loss"])
    for step in range(15):
        optimized.set_learning_rate(step, 0)
        tried.train()
        optimized.optimizer.zero_grad()
        tried.losses(data).totals["generator"].backward()
        optimized.optimizer.step()
    with torch.no_grad():
        assert float(tried.evaluate(data)["loss"]) < 0.98 * first


def test_a_new_lora_changes_nothing_and_leaves_the_rest_alone():
    torch.manual_seed(0)
    model = FlowModel(files.flow_config("v3")).eval()
    x, noise = torch.randn(1, 32, 20), torch.randn(1, 100, 20)
    before = model.cfm.sample(x, noise[..., :5], noise, steps=2)
    add_lora(model.cfm, 4)
    assert torch.equal(model.cfm.sample(x, noise[..., :5], noise, steps=2), before)
    trained = [name for name, value in model.cfm.named_parameters() if value.requires_grad]
    assert len(trained) == 2 * 4 * files.TINY_DIT.depth
    assert all(name.endswith(("lora_A", "lora_B")) for name in trained)
    assert sum(isinstance(module, LoraLinear) for module in model.modules()) == 4 * files.TINY_DIT.depth
