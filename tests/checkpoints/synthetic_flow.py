"""Files of the flow-matching versions as the official program and its model authors write them, with synthetic weights.

Tiny by default. LoRA files are spelled out here, by the names of the peft library, and not with our own renaming.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from sovits_cli import paths
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.models.cfm.config import DitConfig, FlowConfig
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.hubert import HubertConfig
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.vocoders import VOCODERS
from sovits_cli.versions import VERSIONS, DecoderKind, FlowTraits, VocoderKind, version
from tests.checkpoints import synthetic
from tests.inference import toys

FLOWS = [name for name, row in VERSIONS.items() if row.decoder.kind is DecoderKind.FLOW]
TINY_DIT = DitConfig(dim=32, depth=2, heads=2, dim_head=16, text_dim=32, conv_layers=1)
TINY_GPT = T2SConfig(width=32, heads=2, layers=2, vocab=65, bert_dim=0)
_BLOCKS = {"resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3]]}
TINY_VOCODERS = {
    VocoderKind.BIGVGAN: {"upsample_initial_channel": 64, **_BLOCKS},
    VocoderKind.HIFIGAN: {"upsample_initial_channel": 32, **_BLOCKS},
}
RANK = 4


def flow_config(name: str, *, full: bool = False) -> FlowConfig:
    row = VERSIONS[name]
    assert isinstance(row.decoder, FlowTraits)
    prior, dit = (SovitsConfig(), DitConfig()) if full else (synthetic.TINY_SOVITS, TINY_DIT)
    return FlowConfig(prior, dit, row.mel, row.decoder)


def write_flow(path: Path, name: str, *, full: bool = False, seed: int = synthetic.SEED) -> dict[str, Tensor]:
    """A whole model as the official trainer exports it: its config names the version."""
    config = flow_config(name, full=full)
    weight = _half(_whole(FlowModel(config), seed))
    sections = config.to_official()
    sections["model"]["version"] = name
    _save(path, {"weight": weight, "config": sections, "info": "2epoch_24iteration"})
    return weight


def write_lora(path: Path, name: str, *, rank: int = RANK, seed: int = 7) -> dict[str, Tensor]:
    """A LoRA export: factors, what is trained beside them, and every buffer."""
    config = flow_config(name)
    row = VERSIONS[name].decoder
    assert row is not None
    weight = {}
    for key, value in _whole(FlowModel(config), seed).items():
        if key.startswith(("ref_enc.", "bridge.", "wns1.", "linear_mel.", "quantizer.")):
            weight[key] = value
        if key.endswith("inv_freq"):
            weight[key.replace("cfm.", "cfm.base_model.model.")] = value
    draw = torch.Generator().manual_seed(seed)
    for block in range(config.dit.depth):
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            place = f"cfm.base_model.model.estimator.transformer_blocks.{block}.attn.{layer}"
            weight[f"{place}.lora_A.default.weight"] = torch.randn(rank, 32, generator=draw) * 0.2
            weight[f"{place}.lora_B.default.weight"] = torch.randn(32, rank, generator=draw) * 0.2
    sections = config.to_official()
    sections["model"]["version"] = name
    whole = {"weight": _half(weight), "config": sections, "info": "2epoch_24iteration", "lora_rank": rank}
    _save(path, whole)
    synthetic.recode(path, row.lora_magic)
    return _half(weight)


def write_vocoder(folder: Path, kind: VocoderKind, config: Mapping[str, object] | None = None) -> Path:
    """A vocoder with its `config.json`; BigVGAN as published, the other one as a bare state dict."""
    said = TINY_VOCODERS[kind] if config is None else config
    weight = _whole(VOCODERS[kind](said), synthetic.SEED)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    if kind is VocoderKind.BIGVGAN:
        torch.save({"generator": weight}, folder / "bigvgan_generator.pt")
    else:
        torch.save(weight, folder / "vocoder.pth")
    return folder


def install(name: str, *, full: bool = False, tokens: float = 45.0) -> Path:
    """A whole model of this version in the user's model directory, called as the version; returns its folder."""
    row = VERSIONS[name]
    assert isinstance(row.decoder, FlowTraits)
    folder = paths.models_dir() / name
    gpt = replace(TINY_GPT, vocab=1025) if full else TINY_GPT
    spoken = toys.speaking(gpt, tokens, version(name).sampling)
    save_safetensors(folder / "gpt.safetensors", spoken, {"version": name, "config": gpt.to_official()})
    write_flow(folder / "sovits.pth", name, full=full)
    synthetic.write_hubert(folder / "hubert", HubertConfig() if full else synthetic.TINY_HUBERT)
    write_vocoder(folder / "vocoder", row.decoder.vocoder, {} if full else None)
    said = {
        "name": name,
        "version": name,
        "gpt": "gpt.safetensors",
        "sovits": "sovits.pth",
        "content": "hubert",
        "vocoder": "vocoder",
    }
    (folder / "model.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def _whole(module: torch.nn.Module, seed: int) -> dict[str, Tensor]:
    """Synthetic weights, and the constants that files hold too."""
    return {**module.state_dict(), **synthetic.filled(module, seed=seed)}


def _half(weight: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.half() for key, value in weight.items()}


def _save(path: Path, whole: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(whole, path)
