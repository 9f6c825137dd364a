"""Single files made into a model: what goes with them, and what does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sovits_cli import paths
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.networks import load_vits, read_discriminator_weights
from sovits_cli.checkpoints.pairing import bundle_from_files, with_initial_weights
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.features import content
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic


def test_files_find_the_encoders_of_their_version(shipped, runs, tmp_path):
    folder = synthetic.install("base")
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.origin, found.name, found.version.name) == ("files", "alice", "v2")
    assert (found.gpt, found.sovits, found.content, found.bert) == (gpt, sovits, folder / "hubert", folder / "bert")
    assert found.why == "with the encoders of base"
    only_gpt = bundle_from_files(gpt, None, runs=runs)
    assert (only_gpt.gpt, only_gpt.sovits, only_gpt.version.name) == (gpt, folder / "sovits.pth", "v2")
    only_sovits = bundle_from_files(None, sovits, runs=runs)
    assert (only_sovits.gpt, only_sovits.sovits) == (folder / "gpt.ckpt", sovits)


def test_files_without_their_encoders(shipped, runs, tmp_path):
    sovits = tmp_path / "alice.pth"
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    with pytest.raises(ModelError, match=r"no installed model has a GPT that goes with .*alice\.pth, a v2 file"):
        bundle_from_files(None, sovits, runs=runs)


def test_files_that_do_not_belong_together(shipped, runs, tmp_path):
    synthetic.install("base")
    gpt = tmp_path / "other.ckpt"
    synthetic.write_gpt(gpt, replace(synthetic.TINY_GPT, vocab=1025))
    with pytest.raises(ModelError, match="together: the GPT says 1024 different tokens, the SoVITS model knows 64"):
        bundle_from_files(gpt, None, runs=runs)


def test_two_files_do_without_an_encoder(shipped, runs, tmp_path):
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.content, found.bert, found.why) == (None, None, "without a content encoder: none is installed")
    with pytest.raises(ModelError, match="alice has no hubert content encoder"):
        content.load_content_encoder(found)


def test_a_gpt_of_the_larger_phone_table_does_not_go_with_the_smaller(shipped, runs, tmp_path):
    synthetic.install("base")
    old = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_sovits(sovits, old, version="v1")
    with pytest.raises(ModelError, match="no installed model has a GPT that goes with") as caught:
        bundle_from_files(None, sovits, runs=runs)
    assert hint_for(caught.value).endswith("sovits models pull v1")
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    with pytest.raises(ModelError, match=r"made for 732 phones, the v1 model for 322$"):
        bundle_from_files(gpt, sovits, runs=runs)
    synthetic.write_gpt(gpt, replace(synthetic.TINY_GPT, phones=512))
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.version.name, found.content) == ("v1", paths.models_dir() / "base" / "hubert")
    with pytest.raises(ModelError, match=r"made for 512 phones, the v2 model for 732$"):
        bundle_from_files(gpt, None, runs=runs)


def test_each_part_comes_from_the_newest_model_that_has_it(shipped, runs, tmp_path):
    synthetic.install("base")
    other = synthetic.install("pro", bert=False)
    said = json.loads((other / "model.json").read_text())
    (other / "sv.ckpt").write_bytes(b"x")
    (other / "model.json").write_text(json.dumps({**said, "version": "v2ProPlus", "speaker": "sv.ckpt"}))
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, replace(synthetic.TINY_SOVITS, speaker_channels=6), version="v2Pro")
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.version.name, found.speaker) == ("v2Pro", other / "sv.ckpt")
    assert found.bert == paths.models_dir() / "base" / "bert"
    assert found.vocoder is None


class TestBegunFrom:
    @pytest.fixture
    def base(self, shipped, runs):
        synthetic.install("base")
        return find_model("base", runs=runs)

    def test_files_take_the_place_of_parts(self, base, tmp_path):
        gpt, sovits, judges = tmp_path / "epoch=1.ckpt", tmp_path / "G_1.pth", tmp_path / "D_1.pth"
        synthetic.write_gpt(gpt, synthetic.TINY_GPT)
        synthetic.write_sovits(sovits, synthetic.TINY_SOVITS, posterior=True)
        torch.save({"model": {"discriminators.0.convs.0.bias": torch.ones(2)}, "iteration": 1}, judges)
        found = with_initial_weights(base, [judges, gpt, sovits])
        assert (found.gpt, found.sovits, found.discriminator) == (gpt, sovits, judges)
        assert (found.content, found.name) == (base.content, "base from D_1.pth, epoch=1.ckpt, G_1.pth")
        assert read_discriminator_weights(found).keys() == {"discriminators.0.convs.0.bias"}
        assert with_initial_weights(base, []) == base
        assert read_discriminator_weights(base) == {}

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
    def test_a_training_state_of_the_official_program(self, base, tmp_path, monkeypatch, dtype):
        """No config, no version, an optimiser that is not read; its posterior encoder goes on, an export has none."""
        sizes = synthetic.TINY_SOVITS.to_official()["model"]
        monkeypatch.setitem(VERSIONS, "v2", replace(VERSIONS["v2"], dimensions=sizes))
        base = replace(base, version=VERSIONS["v2"])
        path, export = tmp_path / "G_233333333333.pth", tmp_path / "a.pth"
        weight = {key: value.to(dtype) for key, value in synthetic.filled(VitsModel(synthetic.TINY_SOVITS)).items()}
        optimizer = {"state": {0: {"step": torch.tensor(8.0)}}, "param_groups": [{"lr": 1e-4, "betas": (0.8, 0.99)}]}
        torch.save({"model": weight, "iteration": 8, "optimizer": optimizer, "learning_rate": 1e-4}, path)
        got = load_vits(with_initial_weights(base, [path]), posterior=True).state_dict()
        assert got.keys() == weight.keys()
        assert all(torch.equal(got[key], value.float()) for key, value in weight.items())
        synthetic.write_sovits(export, synthetic.TINY_SOVITS)
        fresh = load_vits(with_initial_weights(base, [export]), posterior=True).state_dict()
        assert not torch.equal(fresh["enc_q.pre.weight"], got["enc_q.pre.weight"])

    def test_what_does_not_go_with_it(self, base, tmp_path):
        first, second = tmp_path / "a.pth", tmp_path / "b.pth"
        synthetic.write_sovits(first, synthetic.TINY_SOVITS)
        with pytest.raises(ModelError, match=r"a\.pth and .*a\.pth: each is a SoVITS model"):
            with_initial_weights(base, [first, first])
        with pytest.raises(ModelError, match="is a HuBERT content encoder: training begins from"):
            with_initial_weights(base, [base.content / "pytorch_model.bin"])
        old = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
        synthetic.write_sovits(second, old, version="v1")
        with pytest.raises(ModelError, match=r"is a SoVITS model \(v1\), but base is a v2 model"):
            with_initial_weights(base, [second])
        synthetic.write_sovits(second, replace(synthetic.TINY_SOVITS, codebook_size=32))
        with pytest.raises(ModelError, match="do not belong together"):
            with_initial_weights(base, [second])
