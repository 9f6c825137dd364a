"""The SoVITS stage: the acoustic model learns to speak tokens and phones in the style of a clip.

With discriminators it is the official GAN training (s2_train.py, `train_and_evaluate`), except that both sides are
updated from one forward pass: the generator hears the discriminators as they were before their update.

    clip ─> VitsModel ─> slice of generated samples ─┬─> mel, STFT ─────────────> 45 L_mel + c L_stft   ┐
                 │                                   └─> discriminators ─> L_gen + L_fm ("feature map") ├─> generator
                 └─> prior and posterior of all frames ────────────────────────> L_kl                   ┘
         real slice ───────────────────────────────────> discriminators ─> L_disc ────> discriminators

All are means over clips, but L_kl, which is one over frames. Without discriminators (small models) spectra alone judge;
a model without a posterior encoder (ours) learns speech from the tokens and the text alone, and has no L_kl.

Legend: B batch, T samples, F frames, M mel bins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sovits_cli.audio.mel import log_mel, log_mel_from_magnitude
from sovits_cli.checkpoints.networks import QUANTIZER_MODULES
from sovits_cli.data.batching import SovitsBatch
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.acoustic_model import AcousticInputs
from sovits_cli.models.sovits.vits import SovitsOutput, VitsModel, cut_slices, sample_slice_starts
from sovits_cli.terms import Stage
from sovits_cli.training.losses import (
    discriminator_loss,
    feature_loss,
    generator_loss,
    kl_loss,
    mel_loss,
    multi_resolution_stft,
)
from sovits_cli.training.optim import AdamWSettings, LearningRateSchedule, make_adamw
from sovits_cli.training.stages.base import LR_SCALE, WHOLE_UPDATE, ExportTag, Losses, OptimizedModule, Shares

SLOW_MODULES = ("enc_p.text_embedding", "enc_p.encoder_text", "enc_p.mrte")
"""What learns at `text_rate_scale`, one parameter group each, after the group of everything else."""


@dataclass(frozen=True)
class SovitsStageOptions:
    """What each loss counts, and the optimisers. A weight of 0 for `stft` leaves its computation out."""

    mel_weight: float = 45.0
    kl_weight: float = 1.0
    stft_weight: float = 0.0
    adamw: AdamWSettings = field(default_factory=AdamWSettings)


class SovitsStage:
    """The acoustic model, and discriminators if there are any.

    Args:
        model: on the device already.
        discriminators: on the device already; None trains without.
        options: weights of the losses, and the optimisers.
        schedule: learning rate of both.
        export: writes the weights.
    """

    stage = Stage.SOVITS
    denominator_names: Sequence[str] = ("clips", "frames")

    def __init__(
        self,
        model: VitsModel,
        discriminators: Discriminators | None,
        options: SovitsStageOptions,
        *,
        schedule: LearningRateSchedule,
        export: Callable[[VitsModel, Path, ExportTag], Path],
    ) -> None:
        self._model, self._discriminators, self._options = model, discriminators, options
        self._export = export
        for part in QUANTIZER_MODULES:
            model.get_submodule(part).requires_grad_(requires_grad=False)
        groups = generator_groups(model, options.adamw.text_rate_scale)
        optimized = [OptimizedModule("generator", model, make_adamw(groups, options.adamw), schedule)]
        if discriminators is not None:
            optimizer = make_adamw([{"params": list(discriminators.parameters())}], options.adamw)
            optimized.append(OptimizedModule("discriminator", discriminators, optimizer, schedule))
        self.optimized_modules: Sequence[OptimizedModule] = tuple(optimized)

    def modules(self) -> Mapping[str, nn.Module]:
        """The networks."""
        named: dict[str, nn.Module] = {"generator": self._model}
        return named if self._discriminators is None else {**named, "discriminator": self._discriminators}

    def denominators(self, batch: SovitsBatch) -> Mapping[str, float]:
        """Clips, of which each gives one slice, and their frames."""
        return {"clips": float(len(batch)), "frames": float(batch.spec_lens.sum())}

    def sample_noise(self, batch: SovitsBatch) -> SovitsBatch:
        """Draw the noise of the posterior and the slices."""
        config = self._model.config
        return replace(
            batch,
            noise=torch.randn(len(batch), config.inter_channels, batch.spec.shape[-1], device=batch.spec.device),
            slice_starts=sample_slice_starts(batch.spec_lens, config.segment_frames),
        )

    def train(self) -> None:
        """Turn dropout on."""
        self._model.train()
        if self._discriminators is not None:
            self._discriminators.train()

    def losses(self, batch: SovitsBatch, shares: Shares = WHOLE_UPDATE) -> Losses:
        """The official losses: all are means over clips, except `kl`, which is one over frames."""
        out = self._forward(batch)
        wave = out.wave.float()
        terms = self._spectral(batch, out, wave)
        if self._discriminators is None:
            return Losses(
                {"generator": _weighted_sum(terms, shares)}, {"loss": _weighted_sum(terms, WHOLE_UPDATE), **terms}
            )
        config = self._model.config
        real_wave = cut_slices(batch.wave, out.slice_starts * config.hop_length, config.segment_size)
        # Both losses from one pass: `fake` keeps its graph, and backward takes the gradients of one side only
        # (`inputs=`), so that nothing has to be detached and computed again as the official trainer does.
        real, fake = self._discriminators(real_wave), self._discriminators(wave)
        with _full_precision(wave):
            terms["gen"] = generator_loss(fake).total
            terms["fm"] = feature_loss(real, fake)
            disc = discriminator_loss(real, fake).total
        totals = {"generator": _weighted_sum(terms, shares), "discriminator": disc * shares.get("clips", 1.0)}
        return Losses(totals, {"loss": _weighted_sum(terms, WHOLE_UPDATE), "disc": disc, **terms})

    def evaluate(self, batch: SovitsBatch) -> Mapping[str, Tensor]:
        """The spectral losses without dropout."""
        self._model.eval()
        out = self._forward(batch)
        terms = self._spectral(batch, out, out.wave.float())
        return {"loss": _weighted_sum(terms, WHOLE_UPDATE), **terms}

    def export(self, folder: Path, tag: ExportTag) -> Path:
        """Write the weights into `folder`."""
        return self._export(self._model, folder, tag)

    def _forward(self, batch: SovitsBatch) -> SovitsOutput:
        found: SovitsOutput = self._model(
            AcousticInputs(batch.content, batch.spec, batch.spec_lens, batch.phones, batch.phone_lens, batch.speaker),
            noise=batch.noise,
            slice_starts=batch.slice_starts,
        )
        return found

    def _spectral(self, batch: SovitsBatch, out: SovitsOutput, wave: Tensor) -> dict[str, Tensor]:
        """The weighted losses that need no discriminator; `wave` (B, 1, T) is the generated slice."""
        config, options = self._model.config, self._options
        with _full_precision(wave):
            real_mel = log_mel_from_magnitude(
                cut_slices(batch.spec, out.slice_starts, config.segment_frames), config.mel
            )
            real_wave = cut_slices(batch.wave, out.slice_starts * config.hop_length, config.segment_size)
            terms = {"mel": options.mel_weight * mel_loss(real_mel, log_mel(wave[:, 0], config.mel))}
            if options.stft_weight:
                terms["stft"] = options.stft_weight * multi_resolution_stft(real_wave, wave)
            if out.latents is not None:
                of = out.latents
                terms["kl"] = options.kl_weight * kl_loss(of.z_p, of.logs_q, of.m_p, of.logs_p, out.frame_mask)
        return terms


def generator_groups(model: VitsModel, text_rate_scale: float) -> list[dict[str, Any]]:
    """Official parameter groups: everything else, then each of `SLOW_MODULES` at its own rate."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    rest = [parameter for name, parameter in named if not name.startswith(SLOW_MODULES)]
    slow = [[parameter for name, parameter in named if name.startswith(part)] for part in SLOW_MODULES]
    return [{"params": rest}, *({"params": part, LR_SCALE: text_rate_scale} for part in slow)]


def _weighted_sum(terms: Mapping[str, Tensor], shares: Shares) -> Tensor:
    """The sum of all losses, each times the share of the update that its batch makes up."""
    parts = [
        term * shares.get("frames" if name == "kl" else "clips", 1.0) if shares else term
        for name, term in terms.items()
    ]
    return torch.stack(parts).sum()


def _full_precision(like: Tensor) -> torch.autocast:
    """Spectra and losses are computed in float32 whatever the networks use."""
    return torch.autocast(like.device.type, enabled=False)
