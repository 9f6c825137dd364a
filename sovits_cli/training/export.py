"""What a save leaves for others: weights in the official containers, `voice.json`, and spoken samples.

    runs/<name>/<name>-e<epoch>.ckpt                    GPT
    runs/<name>/<name>_e<epoch>_s<step>.pth             SoVITS; of a LoRA <name>_e<epoch>_s<step>_l<rank>.pth
    runs/<name>/voice.json                              the newest of both, and those that did best on held-out clips
    runs/<name>/samples/<stage>-<step>-<clip>.wav       a few held-out sentences, so that progress can be heard

Official names, in one folder per voice instead of two folders of all voices. A save inside an epoch adds its step to
the name of the GPT as well. The SoVITS stage speaks a clip's own tokens; the GPT stage its own text after the beginning
of the clip, through the acoustic model of the base. Knows nothing of when that happens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sovits_cli.audio.mel import magnitude_spectrogram
from sovits_cli.audio.reader import read_audio
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.bundle import VOICE_FILE, Bundle, read_json_object
from sovits_cli.checkpoints.networks import load_vits
from sovits_cli.checkpoints.official import LORA_FACTORS, lora_rank_of, official_lora_key
from sovits_cli.data.batching import GptItem, SovitsItem
from sovits_cli.data.experiment import Experiment, load_feature
from sovits_cli.files import atomic
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.decode import Sampling, T2SRequest, decode
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import SEMANTIC_RATE_HZ
from sovits_cli.training.stages.base import ExportTag
from sovits_cli.versions import ModelVersion

LORA_PARTS = ("ref_enc.", "bridge.", "wns1.", "linear_mel.", "quantizer.")
"""Beginnings of what a LoRA file holds besides the additions."""


@dataclass(frozen=True)
class Exporter:
    """Writes the weights of one voice.

    Args:
        name: of the voice, in file names.
        version: row of the version table.
        base: the model whose encoders go with the weights, as `bundle.find` takes it.
        config: settings of the training, which official readers find beside the weights.
        keep: newest files of each kind that stay; None keeps all.
    """

    name: str
    version: ModelVersion
    base: str
    config: Mapping[str, Any]
    keep: int | None = None

    def gpt(self, model: Text2Semantic, folder: Path, tag: ExportTag) -> Path:
        """Write the GPT and point `voice.json` to it."""
        inside = "" if tag.epoch_done else f"-s{tag.step}"
        path = folder / f"{self.name}-e{tag.epoch}{inside}.ckpt"
        official.write_gpt(
            path,
            model.state_dict(),
            {**self.config.get("gpt", {}), **model.config.to_official()},
            info=official.gpt_info(tag.epoch),
        )
        self._point(folder, "gpt", path)
        self._drop_old(folder, rf"{re.escape(self.name)}-e(\d+)(?:-s(\d+))?\.ckpt", path)
        return path

    def sovits(self, model: VitsModel, folder: Path, tag: ExportTag) -> Path:
        """Write the acoustic model without its posterior encoder and point `voice.json` to it."""
        path = folder / f"{self.name}_e{tag.epoch}_s{tag.step}.pth"
        dimensions = model.config.to_official()
        settings = self.config.get("sovits", {})
        official.write_sovits(
            path,
            model.state_dict(),
            {
                **settings,
                **dimensions,
                "train": {**settings.get("train", {}), **dimensions["train"]},
                "name": self.name,
            },
            info=official.sovits_info(tag.epoch, tag.step),
            version=self.version,
        )
        self._point(folder, "sovits", path)
        self._drop_old(folder, rf"{re.escape(self.name)}_e(\d+)_s(\d+)\.pth", path)
        return path

    def flow(self, model: FlowModel, folder: Path, tag: ExportTag) -> Path:
        """Write the acoustic model, or only its LoRA if it has one, and point `voice.json` to it."""
        state = model.state_dict()
        rank = lora_rank_of(state)
        path = folder / f"{self.name}_e{tag.epoch}_s{tag.step}{'' if rank is None else f'_l{rank}'}.pth"
        if rank is not None:
            state = {official_lora_key(key): value for key, value in state.items() if in_lora(key)}
        official.write_sovits(
            path,
            state,
            {**self.config.get("sovits", {}), **model.flow_config.to_official(), "name": self.name},
            info=official.sovits_info(tag.epoch, tag.step),
            version=self.version,
            lora_rank=rank,
        )
        self._point(folder, "sovits", path)
        self._drop_old(folder, rf"{re.escape(self.name)}_e(\d+)_s(\d+)(?:_l\d+)?\.pth", path)
        return path

    def mark_best(self, folder: Path, part: str) -> None:
        """Say in `voice.json` that the newest file of this part is the best so far; it is never dropped."""
        place = folder / VOICE_FILE
        voice = read_json_object(place)
        self._write(place, {**voice, "best": {**_best(voice), part: voice[part]}})

    def _point(self, folder: Path, part: str, path: Path) -> None:
        """Say in `voice.json` that this file is the newest of its part; the other part stays."""
        place = folder / VOICE_FILE
        before = read_json_object(place) if place.is_file() else {}
        now = {**before, "name": self.name, "version": self.version.name, "base": self.base, part: path.name}
        self._write(place, now)

    def _write(self, place: Path, now: Mapping[str, Any]) -> None:
        with atomic(place, follow_links=False) as temporary:
            temporary.write_text(json.dumps(now, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def _drop_old(self, folder: Path, pattern: str, newest: Path) -> None:
        """Remove exports beyond `keep`, never the one just written, the best one, or a file of another name."""
        if self.keep is None:
            return
        best = _best(read_json_object(folder / VOICE_FILE)).values()
        found = [path for path in folder.iterdir() if re.fullmatch(pattern, path.name)]
        # By time and not by number: a run that was begun anew has small numbers again.
        aged = sorted(found, key=lambda path: (path.stat().st_mtime_ns, path == newest))
        for path in aged[: -self.keep]:
            if path.name not in best:
                path.unlink(missing_ok=True)


def _best(voice: Mapping[str, Any]) -> dict[str, Any]:
    """The files that did best, by part; nothing where somebody else has written something else."""
    best = voice.get("best")
    return best if isinstance(best, dict) else {}


def in_lora(key: str) -> bool:
    """Whether an official LoRA file holds this tensor: what was trained, what could have been, and every buffer."""
    return key.startswith(LORA_PARTS) or key.endswith((*LORA_FACTORS, "inv_freq"))


FOLDER = "samples"
PROMPT_S = 3
"""Seconds of a clip that the GPT goes on from, or half of it if that is less."""

MAX_LENGTH_RATIO = 2.0
"""What it says is at most so many times as long as the clip."""


@dataclass(frozen=True)
class BaseVoice:
    """The base's acoustic model, loaded when the GPT first speaks, and the recordings whose style it takes."""

    base: Bundle
    experiment: Experiment
    device: torch.device

    @cached_property
    def model(self) -> VitsModel:
        """The acoustic model, as inference has it."""
        return load_vits(self.base).to(self.device)

    def speak(self, name: str, tokens: Tensor, phones: Tensor) -> Tensor:
        """Tokens (S,) and phones (P,) in the style of a recording: samples (T,)."""
        config = self.model.config
        wave, _ = read_audio(self.experiment.wave_path(name), rate=config.sampling_rate, mono=True)
        speakers = []
        if config.speaker_channels:
            speakers = [load_feature(self.experiment.speaker_path(name)).float().to(self.device)]
        style = self.model.encode_style(
            [magnitude_spectrogram(torch.from_numpy(wave)[None].to(self.device), config.spec)], speakers
        )
        return decode_tokens(self.model, tokens, phones, style)


def decode_tokens(model: VitsModel, tokens: Tensor, phones: Tensor, style: Tensor) -> Tensor:
    """What an acoustic model makes of tokens and phones in a style: samples (T,), with the same noise every time.

    Args:
        model: in evaluation mode.
        tokens: (S,) int64.
        phones: (P,) int64.
        style: (1, C, 1).
    """
    noise = torch.Generator().manual_seed(0)
    wave: Tensor = model.decode(tokens[None, None], phones[None], style, noise=noise)[0, 0]
    return wave


def speak_with_sovits(model: VitsModel, item: SovitsItem) -> Tensor:
    """What the acoustic model makes of a clip's own tokens: (T,)."""
    device = next(model.parameters()).device
    model.eval()
    tokens = model.extract_tokens(item.content[None].to(device))[0, 0]
    speakers = [] if item.speaker is None else [item.speaker[None].to(device)]
    return decode_tokens(
        model, tokens, item.phones.to(device), model.encode_style([item.spec[None].to(device)], speakers)
    )


def speak_with_gpt(model: Text2Semantic, item: GptItem, *, voice: BaseVoice) -> Tensor | None:
    """How the GPT goes on from the beginning of a clip: (T,); None if it says nothing."""
    device = next(model.parameters()).device
    model.eval()
    # As in use: the GPT goes on from tokens of the speaker, here from the clip's own beginning.
    prompt = item.tokens[: min(PROMPT_S * SEMANTIC_RATE_HZ, len(item.tokens) // 2)].to(device)
    bert = None if item.bert is None else item.bert.to(device)
    request = T2SRequest(item.phones.to(device), bert, prompt, seed=0)
    found = decode(model, [request], Sampling(), max_tokens=int(MAX_LENGTH_RATIO * len(item.tokens)))[0].tokens
    if not len(found):
        return None
    return voice.speak(item.name, torch.cat((prompt, found.to(device))), item.phones.to(device))


def write_samples(folder: Path, prefix: str, rate: int, waves: Iterator[tuple[str, Tensor]]) -> list[Path]:
    """Write the samples of one save: `samples/<prefix>-<clip>.wav`.

    Args:
        folder: of the run.
        prefix: stage and step.
        rate: sample rate.
        waves: names of clips and samples (T,) in [-1, 1].
    """
    paths = []
    for name, wave in waves:
        path = folder / FOLDER / f"{prefix}-{Path(name).stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():  # the folder may have come from elsewhere: nothing is written where it leads
            path.unlink()
        with AudioWriter(path, rate=rate, channels=1) as out:
            out.write(wave.clamp(-1, 1).cpu().numpy()[:, None])
        paths.append(path)
    return paths
