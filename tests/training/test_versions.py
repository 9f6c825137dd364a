"""The SoVITS stage of every version of the VITS family: tuned, exported as the official program reads it, loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.networks import load_vits
from sovits_cli.checkpoints.official import read_sovits
from sovits_cli.checkpoints.torch_files import read_magic
from sovits_cli.config import layers
from sovits_cli.data.experiment import Experiment, save_feature
from sovits_cli.errors import DatasetError, ModelError
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.config import PHONES
from sovits_cli.terms import SPEAKER_CHANNELS
from sovits_cli.training.pipeline import TrainResult, train
from sovits_cli.versions import VERSIONS, DecoderKind, ModelVersion
from tests.checkpoints import synthetic
from tests.training.toys import Events
from tests.training.worlds import CHANNELS, CODES, make_dataset, options

ROWS = [row for row in VERSIONS.values() if row.official and row.decoder.kind is DecoderKind.VITS]
WIDTH = 1 / 64


def make_family(folder: Path, row: ModelVersion) -> Path:
    """A tiny model of this version, as the official program writes it."""
    sovits = replace(
        synthetic.TINY_SOVITS,
        content_channels=CHANNELS,
        codebook_size=CODES,
        phones=PHONES[row.symbols],
        style_bins=row.style_bins,
        speaker_channels=SPEAKER_CHANNELS if row.speaker_embedding else 0,
        segment_size=640 * 8,
    )
    gpt = replace(synthetic.TINY_GPT, vocab=CODES + 1, phones=PHONES[row.symbols])
    synthetic.write_sovits(folder / "sovits.pth", sovits, version=row.name, code=row.magic or b"PK")
    synthetic.write_gpt(folder / "gpt.ckpt", gpt)
    synthetic.write_hubert(folder / "hubert")
    files = {"gpt": "gpt.ckpt", "sovits": "sovits.pth", "content": "hubert"}
    (folder / "model.json").write_text(json.dumps({"name": "tiny", "version": row.name, **files}))
    return folder


def make_clips(root: Path, family: Path, row: ModelVersion) -> Experiment:
    """Clips for it, with speaker vectors where the version takes them."""
    made = make_dataset(root, clips=4, model=str(family))
    info = made.read_info()
    assert info is not None
    made.write_info(replace(info, version=row.name, symbols=row.symbols.value))
    if row.speaker_embedding:
        for name in made.read_text().rows:
            save_feature(made.speaker_path(name), torch.randn(1, SPEAKER_CHANNELS))
    return made


def run(dataset: Path, runs: Path, *init: Path, reporter: Events | None = None) -> TrainResult:
    sets = (
        "train.stage=sovits",
        "train.max_steps=2",
        "train.batch_size=2",
        f"sovits.train.discriminator_width={WIDTH}",
        "train.precision=32",
        "data.num_workers=0",
        f"train.out={runs}",
        "train.exp_name=v",
    )
    resolved = layers.load_settings(sets=sets)
    return train(dataset, resolved.settings, options(resolved, initial_weights=init), reporter=reporter or Events())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_tuned_exported_and_loaded(row, tmp_path):
    family = make_family(tmp_path / "family", row)
    clips = make_clips(tmp_path / "dataset", family, row)
    assert run(clips.root, tmp_path / "runs").finished
    voice = find_model("v", runs=tmp_path / "runs")
    assert read_magic(voice.sovits) == (row.magic or b"PK")
    before, after = read_sovits(family / "sovits.pth"), read_sovits(voice.sovits)
    assert after.version == row
    assert after.weight.keys() == before.weight.keys()
    assert {value.dtype for value in after.weight.values()} == {torch.float16}
    assert any(not torch.equal(value, before.weight[key]) for key, value in after.weight.items())
    if row.speaker_embedding:
        assert not torch.equal(after.weight["sv_emb.weight"], before.weight["sv_emb.weight"])
    assert load_vits(voice).config == load_vits(find_model(str(family))).config


def test_a_clip_without_its_speaker_vector_is_left_out(tmp_path):
    row = VERSIONS["v2Pro"]
    family = make_family(tmp_path / "family", row)
    clips = make_clips(tmp_path / "dataset", family, row)
    for path in clips.speaker_dir.iterdir():
        path.unlink()
    events = Events()
    with pytest.raises(DatasetError, match="no clip of the dataset can be trained on"):
        run(clips.root, tmp_path / "runs", reporter=events)
    assert "no 7-sv_cn/clip000.wav.pt: it was not prepared for this version" in events.texts()


def test_begun_from_training_states(tmp_path):
    row, events = VERSIONS["v2"], Events()
    family = make_family(tmp_path / "family", row)
    clips = make_clips(tmp_path / "dataset", family, row)
    discriminators, other = tmp_path / "D_8.pth", tmp_path / "other.pth"
    state = {"iteration": 8, "optimizer": {}, "learning_rate": 1e-4}
    torch.save({"model": Discriminators(row.discriminator_periods, width=WIDTH).state_dict(), **state}, discriminators)
    other.write_bytes((make_family(tmp_path / "again", row) / "sovits.pth").read_bytes())
    run(clips.root, tmp_path / "runs", discriminators, other, reporter=events)
    assert f"discriminators from {discriminators}" in events.texts()
    torch.save({"model": Discriminators(row.discriminator_periods, width=1 / 32).state_dict(), **state}, discriminators)
    run(clips.root, tmp_path / "two", discriminators, reporter=events)
    assert "are of another size: they start fresh" in events.texts()
    with pytest.raises(ModelError, match="is a HuBERT content encoder: training begins from"):
        run(clips.root, tmp_path / "three", family / "hubert" / "pytorch_model.bin")
