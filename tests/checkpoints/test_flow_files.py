"""Files of the flow-matching versions: whole models, LoRA files and vocoders, each with its bad twin."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from sovits_cli.checkpoints.catalogue import bundle_from_files, find_model, with_initial_weights
from sovits_cli.checkpoints.inspection import convert_model
from sovits_cli.checkpoints.model_file import ModelKind, read_model_file
from sovits_cli.checkpoints.networks import load_flow, load_vocoder, read_whole_sovits
from sovits_cli.checkpoints.official import write_sovits
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.versions import VERSIONS, VocoderKind
from tests.checkpoints import synthetic_flow as files
from tests.differences import every_case

LAYER = "estimator.transformer_blocks.1.attn.to_out.0"
EACH = every_case("name", files.FLOWS)


@EACH
def test_a_whole_model_is_built(tmp_path, name):
    weight = files.write_flow(tmp_path / "s.pth", name)
    assert read_model_file(tmp_path / "s.pth").version == name
    model = load_flow(tmp_path / "s.pth")
    assert model.flow_config == files.flow_config(name)
    got = model.state_dict()
    assert got.keys() == weight.keys()
    assert all(torch.equal(got[key], value.float()) for key, value in weight.items())


@EACH
def test_what_is_written_is_read_as_the_same_version(tmp_path, name):
    model = load_flow(_written(tmp_path / "a.pth", name))
    config = model.flow_config.to_official()
    write_sovits(tmp_path / "b.pth", model.state_dict(), config, info="", version=VERSIONS[name])
    again = load_flow(tmp_path / "b.pth")
    assert read_model_file(tmp_path / "b.pth").version == name
    assert again.flow_config == model.flow_config
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


@EACH
def test_a_lora_is_put_into_the_installed_model_of_its_version(tmp_path, name):
    base = files.install(name)
    lora = files.write_lora(tmp_path / "alice_e2_s24_l4.pth", name)
    assert (
        read_model_file(tmp_path / "alice_e2_s24_l4.pth").kind,
        read_model_file(tmp_path / "alice_e2_s24_l4.pth").version,
    ) == (
        ModelKind.LORA,
        name,
    )
    whole = read_whole_sovits(tmp_path / "alice_e2_s24_l4.pth").weight
    below = read_model_file(base / "sovits.pth").weight
    down, up = (lora[f"cfm.base_model.model.{LAYER}.lora_{side}.default.weight"].float() for side in "AB")
    assert torch.equal(whole[f"cfm.{LAYER}.weight"], below[f"cfm.{LAYER}.weight"].float() + up @ down)
    assert torch.equal(whole[f"cfm.{LAYER}.bias"], below[f"cfm.{LAYER}.bias"])
    assert torch.equal(whole["bridge.0.weight"], lora["bridge.0.weight"])
    assert torch.equal(whole["enc_p.ssl_proj.weight"], below["enc_p.ssl_proj.weight"])
    assert whole.keys() == below.keys()
    bundle = bundle_from_files(None, tmp_path / "alice_e2_s24_l4.pth")
    assert bundle.vocoder == base / "vocoder"
    assert torch.equal(load_flow(bundle).state_dict()[f"cfm.{LAYER}.weight"], whole[f"cfm.{LAYER}.weight"])


def test_a_lora_without_its_base_says_which_to_pull(tmp_path):
    files.install("v4")
    files.write_lora(tmp_path / "l.pth", "v3")
    with pytest.raises(ModelError, match="needs the v3 model") as caught:
        read_whole_sovits(tmp_path / "l.pth")
    assert hint_for(caught.value) == "sovits models pull v3"


def test_a_lora_of_another_shape_is_refused(tmp_path):
    files.install("v3")
    weight = files.write_lora(tmp_path / "l.pth", "v3")
    key = f"cfm.base_model.model.{LAYER}.lora_A.default.weight"
    torch.save(
        {"weight": {**weight, key: torch.zeros(4, 33)}, "config": {"model": {"version": "v3"}}}, tmp_path / "b.pth"
    )
    with pytest.raises(ModelError, match=r"to_out\.0 is missing or of another shape or type"):
        read_whole_sovits(tmp_path / "b.pth")


def test_a_voice_that_is_a_lora_lies_on_its_base(tmp_path):
    """Not on the installed model: the voice below was tuned whole."""
    files.install("v3")
    runs = tmp_path / "runs"
    for name, base in (("below", "v3"), ("above", "below")):
        folder = runs / name
        folder.mkdir(parents=True)
        (folder / "voice.json").write_text(
            json.dumps({"name": name, "version": "v3", "base": base, "sovits": "s.pth"}), encoding="utf-8"
        )
    below = files.write_flow(runs / "below" / "s.pth", "v3", seed=5)
    files.write_lora(runs / "above" / "s.pth", "v3")
    bundle = find_model("above", runs=runs)
    assert bundle.vocoder is not None
    assert torch.equal(read_whole_sovits(bundle).weight["enc_p.ssl_proj.weight"], below["enc_p.ssl_proj.weight"])


@EACH
def test_a_vocoder_is_built_by_the_version(name):
    files.install(name)
    vocoder = load_vocoder(find_model(name))
    assert vocoder(torch.zeros(1, 100, 4)).shape == (1, 1, 4 * files.flow_config(name).hop)


def test_a_model_without_its_vocoder_says_what_to_pull():
    folder = files.install("v3")
    said = json.loads((folder / "model.json").read_text())
    del said["vocoder"]
    (folder / "model.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match="has no vocoder") as caught:
        load_vocoder(find_model("v3"))
    assert hint_for(caught.value) == "sovits models pull v3"


def test_a_vocoder_of_another_version_is_refused():
    folder = files.install("v3")
    files.write_vocoder(folder / "other", VocoderKind.HIFIGAN)
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, "vocoder": "other"}))
    with pytest.raises(ModelError, match=r"does not fit a Bigvgan|vocoder configuration: `upsample_initial_channel`"):
        load_vocoder(find_model("v3"))


@every_case(
    ("config", "message"),
    [
        ({"activation": "snake"}, "`activation` is 'snake'"),
        ({"upsample_rates": "four"}, "`upsample_rates` is 'four'"),
        (
            {"upsample_initial_channel": 10**9},
            "`upsample_initial_channel` is 1000000000, expected",
        ),
    ],
)
def test_a_vocoder_configuration_is_not_trusted(config, message):
    folder = files.install("v3")
    (folder / "vocoder" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        load_vocoder(find_model("v3"))


@every_case(
    ("dit", "message"),
    [
        ({"depth": 10**6}, "`depth` is 1000000, expected a whole number from 1 to 256"),
        ({"dim": 2**20}, "`dim` is 1048576, expected"),
        ({"width": 3}, "`model.dit` is"),
        ({"dim": "wide"}, "`dim` is 'wide'"),
        ({"dim": 40}, "multiple of 16"),
        ([], "`model.dit` is"),
    ],
)
def test_the_dimensions_in_a_file_are_not_trusted(tmp_path, dit, message):
    path = _written(tmp_path / "s.pth", "v3")
    whole = torch.load(path, weights_only=True)
    whole["config"]["model"]["dit"] = dit
    torch.save(whole, path)
    with pytest.raises(ModelError, match=message):
        load_flow(path)


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A training state `G_*.pth` as the official trainer writes it: no version, no sizes (those of the tiny model)."""
    path = tmp_path / "G_96.pth"
    weight = files.write_flow(path, "v3", seed=5)
    torch.save({"model": weight, "iteration": 8, "optimizer": {"state": {}}, "learning_rate": 1e-4}, path)
    sections = files.flow_config("v3").to_official()["model"]
    rows = {name: replace(VERSIONS[name], dimensions=sections) for name in files.FLOWS}
    for name, row in rows.items():
        monkeypatch.setitem(VERSIONS, name, row)
    return path


def test_a_training_state_that_may_be_of_two_versions(state, tmp_path):
    files.install("v3")
    files.install("v4")
    assert str(read_model_file(state)) == "a SoVITS model (v3 or v4), a training state"
    with pytest.raises(ModelError, match="is a v3 or a v4 file: nothing in it says which") as caught:
        bundle_from_files(None, state)
    assert hint_for(caught.value).endswith("--model v3 or --model v4")
    bundle = bundle_from_files(None, state, name="v4")
    assert (bundle.version.name, bundle.vocoder) == ("v4", find_model("v4").vocoder)
    assert load_flow(bundle).flow_config.traits == VERSIONS["v4"].decoder
    assert load_flow(with_initial_weights(find_model("v4"), [state])).flow_config.mel == VERSIONS["v4"].mel
    convert_model(state, tmp_path / "a.safetensors")
    assert read_model_file(tmp_path / "a.safetensors").versions == ("v3", "v4")


def test_what_the_model_json_says_counts_where_the_file_does_not_say(state):
    folder = files.install("v4")
    shutil.copy(state, folder / "sovits.pth")
    assert read_whole_sovits(find_model("v4")).version.name == "v4"
    files.write_flow(folder / "sovits.pth", "v3")
    with pytest.raises(ModelError, match="is a v3 file, but v4 is said to be a v4 model"):
        read_whole_sovits(find_model("v4"))


def test_a_training_state_of_a_lora_holds_its_base(tmp_path):
    from sovits_cli.checkpoints.networks import merge_lora
    from sovits_cli.checkpoints.official import our_lora_keys

    plain = files.write_flow(tmp_path / "s.pth", "v3")
    state = {}
    for key, value in plain.items():
        tuned = ".attn.to_" in key and key.endswith(("weight", "bias"))
        layer, _, last = key.rpartition(".")
        name = f"{layer}.base_layer.{last}" if tuned else key
        state[name.replace("cfm.", "cfm.base_model.model.")] = value
    state |= {key: value for key, value in files.write_lora(tmp_path / "l.pth", "v3").items() if "lora_" in key}
    whole = merge_lora({}, our_lora_keys(state), tmp_path)
    assert whole.keys() == plain.keys()
    assert not torch.equal(whole[f"cfm.{LAYER}.weight"], plain[f"cfm.{LAYER}.weight"].float())


def _written(path, name):
    files.write_flow(path, name)
    return path
