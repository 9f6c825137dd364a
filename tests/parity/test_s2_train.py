"""One training pass of the acoustic model: outputs, scores, losses and gradients against the recorded ones."""

import pytest
import torch
from torch import nn

from sovits_cli.audio.mel import log_mel, log_mel_from_magnitude
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.acoustic_model import AcousticInputs
from sovits_cli.models.sovits.vits import cut_slices
from sovits_cli.training import losses
from tests.parity import golden
from tests.parity.acoustic import distance, fill, relative, synthesizer, tensors

FORWARD_TOLERANCE = 1e-4
LOSS_TOLERANCE = 2e-4
GRADIENT_TOLERANCE = 2e-3
C_MEL = 45
PERIODS = (2, 3, 5, 7, 11, 17, 23)
"""All official periods; a version has a leading part of them."""


@pytest.fixture(scope="module", params=golden.files("s2_train"))
def step(request):
    return Step(golden.load(request.param))


class Step:
    """A training step on a golden batch: losses before any update, and the gradients of each network's own loss."""

    def __init__(self, recorded):
        self.recorded = recorded
        self.model = synthesizer(recorded, posterior=True).train()
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        self.out = self._forward()
        self._mels()
        self._judge()
        self._discriminator_step()
        self._generator_step()

    def _forward(self):
        ssl, spec, spec_lens, text, text_lens, noise, ids_slice = tensors(
            self.recorded, "ssl", "spec", "spec_lengths", "text", "text_lengths", "noise", "ids_slice"
        )
        speaker = tensors(self.recorded, "sv_emb")[0] if "sv_emb" in self.recorded else None
        clips = AcousticInputs(ssl, spec, spec_lens, text, text_lens, speaker)
        return self.model(clips, noise=noise, slice_starts=ids_slice)

    def _mels(self):
        config = self.model.config
        spec, wave, ids_slice = tensors(self.recorded, "spec", "wav", "ids_slice")
        self.real_mel = cut_slices(log_mel_from_magnitude(spec, config.mel), ids_slice, config.segment_frames)
        self.fake_mel = log_mel(self.out.wave[:, 0], config.mel)
        self.real_wave = cut_slices(wave, ids_slice * config.hop_length, config.segment_size)

    def _judge(self):
        scores = [name for name in self.recorded if name.startswith("disc/real_scores")]
        self.discriminators = fill(Discriminators(PERIODS[: len(scores) - 1]), int(self.recorded["seed"])).train()
        # one pass serves both losses, as neither network is updated between them
        self.real, self.fake = self.discriminators(self.real_wave), self.discriminators(self.out.wave)

    def _discriminator_step(self):
        self.discriminator = losses.discriminator_loss(self.real, self.fake)
        self.discriminator.total.backward(retain_graph=True, inputs=list(self.discriminators.parameters()))
        self.discriminator_norm = norm_of(self.discriminators)

    def _generator_step(self):
        latents = self.out.latents
        adversarial = losses.generator_loss(self.fake)
        self.generator_each = adversarial.each
        self.generator = {
            "gen": adversarial.total,
            "fm": losses.feature_loss(self.real, self.fake),
            "mel": losses.mel_loss(self.real_mel, self.fake_mel) * C_MEL,
            "kl": losses.kl_loss(latents.z_p, latents.logs_q, latents.m_p, latents.logs_p, self.out.frame_mask),
            "kl_ssl": self.out.kl_ssl,
        }
        self.generator["gen_all"] = torch.stack(list(self.generator.values())).sum()
        self.generator["gen_all"].backward(inputs=list(self.model.parameters()))


def norm_of(module):
    norms = [parameter.grad.norm() for parameter in module.parameters() if parameter.grad is not None]
    return float(torch.linalg.vector_norm(torch.stack(norms)))


def test_forward(step, measured):
    for name in ("z", "z_p", "m_p", "logs_p", "m_q", "logs_q", "quantized"):
        if f"fwd/{name}" in step.recorded:
            # latents of 60 come from exponentials: the recorded float32 values are themselves 1.1e-4 off a float64 run
            tolerance = FORWARD_TOLERANCE * max(1.0, abs(step.recorded[f"fwd/{name}"]).max() / 10)
            found = getattr(step.out if name == "quantized" else step.out.latents, name)
            measured(distance(found, step.recorded, f"fwd/{name}"), tolerance, f"fwd/{name}")
    measured(distance(step.out.wave, step.recorded, "fwd/y_hat"), FORWARD_TOLERANCE, "fwd/y_hat")
    measured(distance(step.out.frame_mask.float(), step.recorded, "fwd/z_mask"), 0, "fwd/z_mask")
    for mel, name in ((step.real_mel, "y_mel"), (step.fake_mel, "y_hat_mel")):
        measured(distance(mel, step.recorded, name), FORWARD_TOLERANCE, name)


def test_discriminators(step, measured):
    for index, (real, fake) in enumerate(zip(step.real, step.fake, strict=True)):
        for verdict, name in ((real, f"disc/real_scores{index}"), (fake, f"disc/gen_scores{index}")):
            measured(distance(verdict.score, step.recorded, name), FORWARD_TOLERANCE, name)
    means = torch.stack([feature.abs().mean() for verdict in step.fake for feature in verdict.features])
    measured(distance(means, step.recorded, "fmap_mean_abs"), FORWARD_TOLERANCE, "fmap_mean_abs")


def test_losses(step, measured):
    for name, loss in step.generator.items():
        measured(relative(loss, step.recorded[f"loss/{name}"]), LOSS_TOLERANCE, f"loss/{name}")
    measured(relative(step.discriminator.total, step.recorded["loss/disc"]), LOSS_TOLERANCE, "loss/disc")
    several = {
        "loss/disc_real": step.discriminator.real,
        "loss/disc_gen": step.discriminator.fake,
        "loss/gen_each": step.generator_each,
    }
    for name, got in several.items():
        for one, wanted in zip(got, step.recorded[name], strict=True):
            measured(relative(one, wanted), LOSS_TOLERANCE, name)


def test_gradient_norms(step, measured):
    for norm, name in ((step.discriminator_norm, "grad/disc_total_norm"), (norm_of(step.model), "grad/gen_total_norm")):
        measured(relative(norm, step.recorded[name]), GRADIENT_TOLERANCE, name)
    gradients = {name: parameter.grad for name, parameter in step.model.named_parameters()}
    for key in (key for key in step.recorded if key.startswith("grad/norm/")):
        got = gradients[key.removeprefix("grad/norm/")].norm()
        measured(relative(got, step.recorded[key]), GRADIENT_TOLERANCE, key)


def test_parameters_without_gradient(step):
    without = [name for name, parameter in step.model.named_parameters() if parameter.grad is None]
    assert sorted(without) == sorted(step.recorded["grad/params_without_grad_json"])
