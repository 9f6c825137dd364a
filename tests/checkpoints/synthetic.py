"""Model files as the official program and its model authors write them, with synthetic weights, tiny or full size.

The defaults of the dimensions are the full official v2 sizes; `TINY_*` are small ones that fit each other.
"""

from __future__ import annotations

import json
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sovits_cli import paths
from sovits_cli.models.bert import Bert, BertConfig
from sovits_cli.models.hubert import Hubert, HubertConfig
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from tests.weights import fill_state_dict

SEED = 1234
TINY_GPT = T2SConfig(width=32, heads=2, layers=2, vocab=65, bert_dim=64)
TINY_SOVITS = SovitsConfig(
    inter_channels=16,
    hidden_channels=16,
    filter_channels=32,
    n_heads=2,
    n_layers=2,
    gin_channels=32,
    mrte_channels=32,
    style_channels=16,
    content_channels=48,
    codebook_size=64,
    flow_couplings=2,
    flow_layers=1,
    posterior_layers=2,
    resblock_kernel_sizes=(3,),
    resblock_dilation_sizes=((1, 3),),
    upsample_rates=(10, 8, 8),
    upsample_kernel_sizes=(16, 16, 16),
    upsample_initial_channel=32,
)
TINY_HUBERT = HubertConfig(
    hidden_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=96,
    conv_dim=(24,) * 7,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
)
TINY_BERT = BertConfig(
    vocab_size=64,
    hidden_size=64,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=128,
    max_position_embeddings=40,
)


def filled(module: nn.Module, *, prefix: str = "", seed: int = SEED) -> dict[str, Tensor]:
    """Synthetic weights for every key of a network, under the name `prefix + key`."""
    shapes = {prefix + key: tuple(value.shape) for key, value in module.state_dict().items()}
    return {key: torch.from_numpy(value) for key, value in fill_state_dict(shapes, seed).items()}


def write_gpt(path: Path, config: T2SConfig = T2SConfig(), *, seed: int = SEED) -> dict[str, Tensor]:  # noqa: B008
    """A GPT `.ckpt` as the official trainer exports it; returns its tensors."""
    weight = _half(filled(Text2Semantic(config), prefix="model.", seed=seed))
    sections = {**config.to_official(), "data": {"max_sec": 54, "pad_val": 1024}, "inference": {"top_k": 15}}
    _save(path, OrderedDict(weight=OrderedDict(weight), config=sections, info="GPT-e15"))
    return weight


def write_sovits(
    path: Path,
    config: SovitsConfig = SovitsConfig(),  # noqa: B008
    *,
    version: str = "v2",
    posterior: bool = False,
    code: bytes = b"PK",
    seed: int = SEED,
) -> dict[str, Tensor]:
    """A SoVITS `.pth` as the official trainer exports it, its config an object of `utils.HParams`."""
    weight = _half(filled(VitsModel(config, posterior=posterior), seed=seed))
    sections = config.to_official()
    sections["model"]["version"] = version
    sections["data"]["n_speakers"] = 300
    with _utils_module() as hparams:
        whole = {
            "weight": weight,
            "config": hparams(**sections, version=version, name="alice"),
            "info": "8epoch_96iteration",
        }
        _save(path, whole, code)
    return weight


def write_hubert(folder: Path, config: HubertConfig = TINY_HUBERT, *, seed: int = SEED) -> dict[str, Tensor]:
    """A published HuBERT folder; `HubertConfig()` is the full size."""
    weight = filled(Hubert(config), seed=seed) | {"masked_spec_embed": torch.zeros(config.hidden_size)}
    form = {"feat_extract_norm": "group", "do_stable_layer_norm": False, "hidden_act": "gelu", "model_type": "hubert"}
    _publish(folder, asdict(config) | form, weight)
    return weight


def write_bert(
    folder: Path, config: BertConfig = TINY_BERT, *, characters: str = "", seed: int = SEED
) -> dict[str, Tensor]:
    """A published BERT folder with a vocabulary of these characters; `BertConfig()` is the full size."""
    weight = filled(Bert(config), prefix="bert.", seed=seed)
    weight["cls.predictions.bias"] = torch.zeros(config.vocab_size)
    weight[f"bert.encoder.layer.{config.used_layers}.output.dense.bias"] = torch.zeros(config.hidden_size)
    _publish(folder, asdict(config) | {"hidden_act": "gelu", "model_type": "bert"}, weight)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(characters)]
    model = {"type": "WordPiece", "vocab": {word: index for index, word in enumerate(words)}, "unk_token": "[UNK]"}
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "normalizer": {"lowercase": True}}), "utf-8")
    return weight


def install(name: str = "v2", *, full: bool = False, bert: bool = True) -> Path:
    """A whole v2 model in the user's model directory; returns its folder."""
    folder = paths.models_dir() / name
    write_gpt(folder / "gpt.ckpt", T2SConfig() if full else TINY_GPT)
    write_sovits(folder / "sovits.pth", SovitsConfig() if full else TINY_SOVITS)
    write_hubert(folder / "hubert", HubertConfig() if full else TINY_HUBERT)
    said = {"name": name, "version": "v2", "gpt": "gpt.ckpt", "sovits": "sovits.pth", "content": "hubert"}
    if bert:
        write_bert(folder / "bert", BertConfig() if full else TINY_BERT)
        said["bert"] = "bert"
    (folder / "model.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def write_voice(runs: Path, name: str, base: str, **files: str) -> Path:
    """The `voice.json` of a voice trained here; returns its folder."""
    folder = runs / name
    folder.mkdir(parents=True, exist_ok=True)
    said = {"name": name, "version": "v2", "base": base, **files}
    (folder / "voice.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def recode(path: Path, code: bytes) -> None:
    """Put a version code in place of the first two bytes."""
    body = bytearray(path.read_bytes())
    body[:2] = code
    path.write_bytes(body)


@contextmanager
def _utils_module() -> Iterator[Any]:
    """The class that the official program pickles its s2 configs with, for as long as the file is written."""

    class HParams:
        def __init__(self, **sections: Any) -> None:
            for key, value in sections.items():
                setattr(self, key, HParams(**value) if isinstance(value, dict) else value)

    HParams.__module__, HParams.__qualname__ = "utils", "HParams"
    module = types.ModuleType("utils")
    module.HParams = HParams  # type: ignore[attr-defined]
    before = sys.modules.get("utils")
    sys.modules["utils"] = module
    try:
        yield HParams
    finally:
        del sys.modules["utils"]
        if before is not None:
            sys.modules["utils"] = before


def _half(weight: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.half() for key, value in weight.items()}


def _publish(folder: Path, config: Mapping[str, Any], weight: Mapping[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save(_half(weight), folder / "pytorch_model.bin")


def _save(path: Path, whole: object, code: bytes = b"PK") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(whole, path)
    if code != b"PK":
        recode(path, code)
