"""The SoVITS stage of models with a flow: it learns to make the mel spectrogram of a clip from its tokens and phones.

The whole flow, or low-rank additions to its attention (LoRA, Hu et al. 2021); the encoders of tokens and text stay as
they are, as in the official trainers (s2_train_v3.py and s2_train_v3_lora.py). There are no discriminators: one
optimised module, one loss, that of flow matching (`models/cfm/flow_matching.py`).

Legend: B batch, T samples, F mel frames, M mel bands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from sovits_cli.audio.mel import log_mel, scale_log_mel
from sovits_cli.audio.resampling import sinc_resample
from sovits_cli.data.batching import SovitsBatch
from sovits_cli.models.cfm.flow_matching import TrainingNoise, sample_training_noise
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.sovits.acoustic_model import AcousticInputs
from sovits_cli.terms import Stage
from sovits_cli.training.optim import AdamWSettings, LearningRateSchedule, make_adamw
from sovits_cli.training.stages.base import WHOLE_UPDATE, ExportTag, Losses, OptimizedModule, Shares

FROZEN_MODULES = ("enc_p", "ssl_proj", "quantizer", "linear_mel")
"""Modules that stay as they are."""


class FlowStage:
    """The acoustic model and its optimiser.

    Args:
        model: on the device already, with `add_lora` done if only that is to be trained.
        adamw: settings of its optimiser.
        schedule: learning rate.
        export: writes the weights.
    """

    stage = Stage.SOVITS
    denominator_names: Sequence[str] = ("clips",)

    def __init__(
        self,
        model: FlowModel,
        adamw: AdamWSettings,
        *,
        schedule: LearningRateSchedule,
        export: Callable[[FlowModel, Path, ExportTag], Path],
    ) -> None:
        self._model = model
        self._export = export
        for part in FROZEN_MODULES:
            model.get_submodule(part).requires_grad_(requires_grad=False)
        self._trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        groups = [{"params": list(self._trained.values())}]
        self.optimized_modules: Sequence[OptimizedModule] = (
            OptimizedModule("generator", model, make_adamw(groups, adamw), schedule),
        )

    def modules(self) -> Mapping[str, nn.Module]:
        """What is trained: a resume takes the rest from the base model again."""
        return {"generator": nn.ParameterDict({name.replace(".", "/"): one for name, one in self._trained.items()})}

    def denominators(self, batch: SovitsBatch) -> Mapping[str, float]:
        """Clips: the loss is a mean over them."""
        return {"clips": float(len(batch))}

    def sample_noise(self, batch: SovitsBatch) -> SovitsBatch:
        """Draw timesteps, noise and the frames that serve as a prompt."""
        return replace(batch, flow_noise=sample_training_noise(*self.frames(batch)))

    def train(self) -> None:
        """Turn dropout on, but for what stays as it is."""
        self._model.train()
        for part in FROZEN_MODULES:
            self._model.get_submodule(part).eval()

    def losses(self, batch: SovitsBatch, shares: Shares = WHOLE_UPDATE) -> Losses:
        """The official loss, with the draws of the batch if it has any."""
        frames, lens = self.frames(batch)
        loss = self._loss(batch, frames, lens, batch.flow_noise or sample_training_noise(frames, lens))
        return Losses({"generator": loss * shares.get("clips", 1.0)}, {"loss": loss})

    def evaluate(self, batch: SovitsBatch) -> Mapping[str, Tensor]:
        """The loss of single steps without dropout, with the same draws every time."""
        self._model.eval()
        frames, lens = self.frames(batch)
        with torch.random.fork_rng(devices=[frames.device] if frames.device.type == "cuda" else []):
            torch.manual_seed(0)
            draws = sample_training_noise(frames, lens, shortcut=False)
        return {"loss": self._loss(batch, frames, lens, draws)}

    def export(self, folder: Path, tag: ExportTag) -> Path:
        """Write the weights into `folder`."""
        return self._export(self._model, folder, tag)

    def frames(self, batch: SovitsBatch) -> tuple[Tensor, Tensor]:
        """The scaled mel spectrograms (B, M, F) of the clips, padded with 0, and their frames (B,)."""
        config = self._model.flow_config
        made = []
        with torch.autocast(batch.wave.device.type, enabled=False):
            for wave, size in zip(batch.wave[:, 0].float(), batch.wave_lens.tolist(), strict=True):
                clip = sinc_resample(wave[:size], config.prior.sampling_rate, config.mel.sample_rate)
                made.append(scale_log_mel(log_mel(clip[None], config.mel))[0].T)
        lens = torch.tensor([len(one) for one in made], device=batch.wave.device)
        return pad_sequence(made, batch_first=True).transpose(1, 2), lens

    def _loss(self, batch: SovitsBatch, frames: Tensor, lens: Tensor, draws: TrainingNoise) -> Tensor:
        # the official network sees how far a batch is padded: a part of one stays as long
        frames = F.pad(frames, (0, draws.noise.shape[-1] - frames.shape[-1]))
        clips = AcousticInputs(batch.content, batch.spec, batch.spec_lens, batch.phones, batch.phone_lens)
        found: Tensor = self._model(clips, frames, lens, draws)
        return found
