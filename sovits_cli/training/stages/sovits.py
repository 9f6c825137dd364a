"""The SoVITS stage: the acoustic model learns to speak codes and phones in the style of a clip.

With discriminators it is the official GAN training, except that both sides are updated from one forward pass: the
generator hears the discriminators as they were before their update. Without them (small models) spectra alone judge.
A model without a posterior encoder (ours) learns speech from the codes and the text alone, and has no KL loss.

Legend: B batch, T samples, F frames, M mel bins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

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
from sovits_cli.training.schedule import Schedule
from sovits_cli.training.stages.base import ALONE, LR_SCALE, ExportTag, Losses, OptimizedModule, Shares

SLOW_MODULES = ("enc_p.text_embedding", "enc_p.encoder_text", "enc_p.mrte")
"""What learns at `text_rate_scale`, one parameter group each, after the group of everything else."""


@dataclass(frozen=True)
class Weights:
    """What each loss counts; a weight of 0 for `stft` leaves its computation out."""

    mel: float = 45.0
    kl: float = 1.0
    stft: float = 0.0


@dataclass(frozen=True)
class AdamWSettings:
    """Of both optimisers; `text_rate_scale` is the factor on the learning rate of `SLOW_MODULES`."""

    betas: tuple[float, float] = (0.8, 0.99)
    eps: float = 1e-9
    text_rate_scale: float = 0.4


class SovitsStage:
    """The acoustic model, and discriminators if there are any.

    Args:
        model: on the device already.
        discriminators: discriminators, on the device already; None trains without.
        weights: what each loss counts.
        rule: of AdamW.
        schedule: learning rate of both.
        export: writes the weights.
    """

    stage = Stage.SOVITS
    denominator_names: Sequence[str] = ("clips", "frames")

    def __init__(
        self,
        model: VitsModel,
        discriminators: Discriminators | None,
        *,
        weights: Weights,
        rule: AdamWSettings,
        schedule: Schedule,
        export: Callable[[VitsModel, Path, ExportTag], Path],
    ) -> None:
        self._model, self._discriminators = model, discriminators
        self._weights = weights
        self._export = export
        for part in QUANTIZER_MODULES:
            model.get_submodule(part).requires_grad_(requires_grad=False)
        optimized_modules = [
            OptimizedModule("generator", model, adamw(generator_groups(model, rule.text_rate_scale), rule), schedule)
        ]
        if discriminators is not None:
            groups = [{"params": list(discriminators.parameters())}]
            optimized_modules.append(OptimizedModule("discriminator", discriminators, adamw(groups, rule), schedule))
        self.optimized_modules: Sequence[OptimizedModule] = tuple(optimized_modules)

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
        """Dropout on."""
        self._model.train()
        if self._discriminators is not None:
            self._discriminators.train()

    def losses(self, batch: SovitsBatch, shares: Shares = ALONE) -> Losses:
        """The official losses: all are means over clips, except `kl`, which is one over frames."""
        out = self._forward(batch)
        wave = out.wave.float()
        terms = self._spectral(batch, out, wave)
        if self._discriminators is None:
            return Losses({"generator": _shared(terms, shares)}, {"loss": _shared(terms, ALONE), **terms})
        config = self._model.config
        real_wave = cut_slices(batch.wave, out.slice_starts * config.hop_length, config.segment_size)
        real, fake = self._discriminators(real_wave), self._discriminators(wave)
        with _full_precision(wave):
            terms["gen"] = generator_loss(fake).total
            terms["fm"] = feature_loss(real, fake)
            judged = discriminator_loss(real, fake).total
        totals = {"generator": _shared(terms, shares), "discriminator": judged * shares.get("clips", 1.0)}
        return Losses(totals, {"loss": _shared(terms, ALONE), "disc": judged, **terms})

    def evaluate(self, batch: SovitsBatch) -> Mapping[str, Tensor]:
        """The spectral losses without dropout."""
        self._model.eval()
        out = self._forward(batch)
        terms = self._spectral(batch, out, out.wave.float())
        return {"loss": _shared(terms, ALONE), **terms}

    def export(self, folder: Path, mark: ExportTag) -> Path:
        """Write the weights into `folder`."""
        return self._export(self._model, folder, mark)

    def _forward(self, batch: SovitsBatch) -> SovitsOutput:
        found: SovitsOutput = self._model(
            AcousticInputs(batch.content, batch.spec, batch.spec_lens, batch.phones, batch.phone_lens, batch.speaker),
            noise=batch.noise,
            slice_starts=batch.slice_starts,
        )
        return found

    def _spectral(self, batch: SovitsBatch, out: SovitsOutput, wave: Tensor) -> dict[str, Tensor]:
        """The weighted losses that need no discriminator; `wave` (B, 1, T) is the generated slice."""
        config, weights = self._model.config, self._weights
        with _full_precision(wave):
            real_mel = log_mel_from_magnitude(
                cut_slices(batch.spec, out.slice_starts, config.segment_frames), config.mel
            )
            real_wave = cut_slices(batch.wave, out.slice_starts * config.hop_length, config.segment_size)
            terms = {"mel": weights.mel * mel_loss(real_mel, log_mel(wave[:, 0], config.mel))}
            if weights.stft:
                terms["stft"] = weights.stft * multi_resolution_stft(real_wave, wave)
            if out.latents is not None:
                of = out.latents
                terms["kl"] = weights.kl * kl_loss(of.z_p, of.logs_q, of.m_p, of.logs_p, out.frame_mask)
        return terms


def generator_groups(model: VitsModel, text_rate_scale: float) -> list[dict[str, Any]]:
    """Official parameter groups: everything else, then each of `SLOW_MODULES` at its own rate."""
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    rest = [parameter for name, parameter in named if not name.startswith(SLOW_MODULES)]
    slow = [[parameter for name, parameter in named if name.startswith(part)] for part in SLOW_MODULES]
    return [{"params": rest}, *({"params": part, LR_SCALE: text_rate_scale} for part in slow)]


def adamw(groups: list[dict[str, Any]], rule: AdamWSettings) -> AdamW:
    """AdamW whose rate is set before each step; on the CPU the fused one, which is the fast one there."""
    fused = groups[0]["params"][0].device.type == "cpu"
    return AdamW(groups, lr=0.0, betas=rule.betas, eps=rule.eps, fused=fused or None)


def _shared(terms: Mapping[str, Tensor], shares: Shares) -> Tensor:
    """The sum of all losses, each times the share of the update that its batch makes up."""
    parts = [
        term * shares.get("frames" if name == "kl" else "clips", 1.0) if shares else term
        for name, term in terms.items()
    ]
    return torch.stack(parts).sum()


def _full_precision(like: Tensor) -> torch.autocast:
    """Spectra and losses are computed in float32 whatever the networks use."""
    return torch.autocast(like.device.type, enabled=False)
