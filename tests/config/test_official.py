"""The official files as they are shipped (written here from their documented keys and values)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sovits_cli.config import aliases, fields, files, layers
from sovits_cli.errors import SettingsError
from tests.differences import every_case

FOLDER = Path(__file__).parent / "official"
S1 = FOLDER / "s1longer-v2.yaml"
S2 = FOLDER / "s2.json"

pytestmark = pytest.mark.usefixtures("empty_folder")


@every_case("path", [S1, S2], ids=lambda path: path.name)
def test_every_key_of_an_official_file_counts_or_is_reported(path: Path) -> None:
    """Nothing is lost on the way: each key is a setting with the file's value, or a note says it has no effect."""
    resolved = layers.load_settings(config_files=[path])
    notes = "\n".join(note.text for note in resolved.notes)
    entries = aliases.under_sovits(files.read_settings(path))
    assert len(entries) == len(files.read_settings(path)) > 20
    for entry in entries:
        if entry.key in aliases.NO_EFFECT:
            assert f"{entry.key} (file {path}:{entry.line}) has no effect" in notes
        else:
            value = resolved.value(entry.key)
            assert files.render(value) in (files.render(entry.value), entry.text, f"{entry.value}.0")
            assert resolved.origin[entry.key] == f"file {path}:{entry.line}"


def test_the_official_gpt_file() -> None:
    settings = layers.load_settings(config_files=[S1]).settings
    assert (settings.data.max_sec, settings.data.num_workers, settings.data.pad_val) == (54, 4, 1024)
    assert (settings.train.batch_size, settings.train.precision, settings.train.gradient_clip) == (8, "16-mixed", 1.0)
    assert (settings.optimizer.lr, settings.optimizer.decay_steps) == (0.01, 40000)
    assert (settings.model.n_layer, settings.model.EOS, settings.inference.top_k) == (24, 1024, 15)


def test_the_official_sovits_file_goes_under_sovits() -> None:
    settings = layers.load_settings(config_files=[S2]).settings
    assert settings.train.batch_size == 8
    assert (settings.sovits.train.batch_size, settings.sovits.train.precision) == (32, "16-mixed")
    assert settings.sovits.train.betas == (0.8, 0.99)
    assert settings.sovits.data.mel_fmax is None
    assert settings.sovits.model.resblock_dilation_sizes == ((1, 3, 5),) * 3


def test_both_files_at_once() -> None:
    settings = layers.load_settings(config_files=[S1, S2]).settings
    assert (settings.train.epochs, settings.sovits.train.epochs) == (20, 100)


@every_case(("fp16", "precision"), [("true", "16-mixed"), ("false", "32")])
def test_fp16_run_is_precision(tmp_path: Path, fp16: str, precision: str) -> None:
    path = tmp_path / "s2.json"
    path.write_text(f'{{"train": {{"c_mel": 45, "fp16_run": {fp16}}}}}', encoding="utf-8")
    assert layers.load_settings(config_files=[path]).settings.sovits.train.precision == precision


@every_case(
    ("key", "value", "words"),
    [
        ("fp16_run", '"yes"', "unknown setting sovits.train.fp16_run"),
        ("c_mels", "3", "unknown setting sovits.train.c_mels"),
        ("learning_rate", "-1", "sovits.train.learning_rate is -1"),
    ],
)
def test_a_wrong_official_file_is_refused(tmp_path: Path, key: str, value: str, words: str) -> None:
    path = tmp_path / "s2.json"
    path.write_text(f'{{"train": {{"c_mel": 45,\n"{key}": {value}}}}}', encoding="utf-8")
    with pytest.raises(SettingsError, match=words) as caught:
        layers.load_settings(config_files=[path])
    assert f"{path}:2" in caught.value.message


@every_case("said", [True, False])
def test_grad_ckpt_is_the_checkpointing_of_both_stages(tmp_path: Path, said: bool) -> None:
    path = tmp_path / "s2.json"
    path.write_text(json.dumps({"train": {"c_mel": 45, "grad_ckpt": said}}), encoding="utf-8")
    assert layers.load_settings(config_files=[path]).settings.train.activation_checkpointing is said


def test_the_files_the_official_interface_writes() -> None:
    """Keys that the interface adds; each is a setting or has a reason to be without effect."""
    added = {
        "": "pretrained_s1 train_semantic_path train_phoneme_path output_dir",
        "train.": "if_save_latest if_save_every_weights half_weights_save_dir exp_name if_dpo",
        "sovits.train.": "pretrained_s2G pretrained_s2D if_save_latest if_save_every_weights save_every_epoch "
        "gpu_numbers lora_rank text_low_lr_rate",
        "sovits.": "s2_ckpt_dir save_weight_dir name version content_module",
        "sovits.data.": "exp_dir",
        "sovits.model.": "version",
    }
    keys = [prefix + name for prefix, names in added.items() for name in names.split()]
    assert [key for key in keys if key not in aliases.NO_EFFECT and key not in fields.table()] == []
