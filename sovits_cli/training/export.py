"""Exported weights in the official containers, and `voice.json`, by which the run becomes a voice.

    runs/<name>/<name>-e<epoch>.ckpt             GPT
    runs/<name>/<name>_e<epoch>_s<step>.pth      SoVITS; of a LoRA <name>_e<epoch>_s<step>_l<rank>.pth
    runs/<name>/voice.json                       the newest of both, and those that did best on held-out clips

Official names, in one folder per voice instead of two folders of all voices. A save inside an epoch adds its step to
the name of the GPT as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.bundle import VOICE_FILE, read_json_object
from sovits_cli.checkpoints.official import LORA_FACTORS, lora_rank_of, official_lora_key
from sovits_cli.files import atomic
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.model import Text2Semantic
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
