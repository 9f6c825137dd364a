"""What a training goes by: the version's wish, unless something was asked for."""

from types import SimpleNamespace

from sovits_cli.config.schema import Settings
from sovits_cli.training.networks import training_defaults
from sovits_cli.versions import VERSIONS
from tests.differences import every_case


@every_case("version", VERSIONS.values())
def test_learning_is_as_the_version_wants_unless_asked_otherwise(version):
    base = SimpleNamespace(version=version)
    assert training_defaults(base, Settings()) == version.training
    asked = Settings.model_validate(
        {
            "train": {"alignment_loss_weight": 0.0},
            "sovits": {"train": {"discriminator_width": 0.5, "c_stft": 0.0, "posterior_encoder": True}},
        }
    )
    found = training_defaults(base, asked)
    assert (
        found.alignment_loss_weight,
        found.discriminator_width,
        found.stft_loss_weight,
        found.posterior_encoder,
    ) == (0.0, 0.5, 0.0, True)
