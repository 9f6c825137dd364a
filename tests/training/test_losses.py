import pytest
import torch

from sovits_cli.errors import AudioError
from sovits_cli.models.discriminators import DiscriminatorOutput
from sovits_cli.training import losses


def verdict(score, *features):
    return DiscriminatorOutput(
        score=torch.full((2, 3), float(score)), features=[torch.full((2, 1, 3), float(f)) for f in features]
    )


def test_a_perfect_discriminator_has_no_loss():
    result = losses.discriminator_loss([verdict(1), verdict(1)], [verdict(0), verdict(0)])
    assert float(result.total) == 0


def test_discriminator_loss_by_hand():
    result = losses.discriminator_loss([verdict(0.5), verdict(1)], [verdict(0), verdict(2)])
    assert float(result.total) == pytest.approx(0.25 + 4)
    assert [float(x) for x in result.real] == [0.25, 0]
    assert [float(x) for x in result.fake] == [0, 4]


def test_generator_loss_by_hand():
    result = losses.generator_loss([verdict(1), verdict(-1)])
    assert (float(result.total), [float(x) for x in result.each]) == (4, [0, 4])


def test_feature_loss_sums_the_maps_twice():
    assert float(losses.feature_loss([verdict(0, 1, 2)], [verdict(0, 1.5, 4)])) == pytest.approx(2 * (0.5 + 2))


def test_feature_loss_teaches_only_the_generator():
    real, fake = torch.ones(1, 1, 3, requires_grad=True), torch.zeros(1, 1, 3, requires_grad=True)
    score = torch.zeros(1, 3)
    losses.feature_loss([DiscriminatorOutput(score, [real])], [DiscriminatorOutput(score, [fake])]).backward()
    assert real.grad is None
    assert (fake.grad < 0).all()


def test_kl_of_equal_distributions_is_zero_on_average():
    torch.manual_seed(0)
    m, logs = torch.randn(2, 4, 5000), torch.randn(2, 4, 5000) * 0.3
    z = m + torch.randn_like(m) * logs.exp()
    assert abs(float(losses.kl_loss(z, logs, m, logs, torch.ones(2, 5000, dtype=torch.bool)))) < 0.1


def test_kl_counts_only_kept_frames():
    z = torch.tensor([[[1.0, 100.0]]])
    zero = torch.zeros(1, 1, 2)
    assert float(losses.kl_loss(z, zero, zero, zero, torch.tensor([[True, False]]))) == 0  # -0.5 + 0.5 * 1


def test_stft_loss_grows_with_the_difference():
    torch.manual_seed(0)
    real, noise = torch.randn(2, 1, 8000), torch.randn(2, 1, 8000)
    distances = [float(losses.multi_resolution_stft(real, real + amount * noise)) for amount in (0, 0.1, 1)]
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2]


def test_stft_loss_has_a_gradient_at_silence():
    fake = torch.zeros(1, 8000, requires_grad=True)
    losses.multi_resolution_stft(torch.randn(1, 8000), fake).backward()
    assert fake.grad.isfinite().all()


def test_stft_loss_of_a_too_short_slice():
    with pytest.raises(AudioError, match="too short"):
        losses.multi_resolution_stft(torch.randn(1, 500), torch.randn(1, 500))


def test_half_precision_is_measured_in_float32():
    half = verdict(1)
    half = DiscriminatorOutput(score=half.score.half(), features=half.features)
    assert losses.generator_loss([half]).total.dtype == torch.float32
