"""Decoders: lengths, styles, and a head that inverts a spectrum."""

import torch
from torch import nn

from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoders import DECODERS, SpectrumHead
from tests.differences import every_case

CONFIG = {
    "hidden_channels": 16,
    "inter_channels": 8,
    "upsample_initial_channel": 64,
    "resblock_kernel_sizes": (3,),
    "resblock_dilation_sizes": ((1,),),
    "istft_width": 16,
    "istft_layers": 1,
}


@every_case("kind", list(DECODERS))
def test_a_frame_becomes_a_hop_and_the_style_matters(kind):
    torch.manual_seed(0)
    config = SovitsConfig(decoder=kind, **CONFIG)
    decoder = DECODERS[kind](config).eval().requires_grad_(False)
    for parameter in decoder.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)  # what begins as the identity
    z, style = torch.randn(2, 8, 5), torch.randn(2, config.gin_channels, 1)
    wave = decoder(z, style)
    assert wave.shape == (2, 1, 5 * config.hop_length)
    assert not torch.allclose(decoder(z, style.flip(0)), wave, atol=1e-5)


def test_spectrum_head_inverts_a_spectrum():
    """Fed with the spectrum of a wave, the head gives the wave back, also near the ends."""
    for frames, n_fft, hop in ((1, 640, 160), (5, 640, 160), (9, 1024, 320)):
        wave = torch.randn(1, frames * hop)
        head = SpectrumHead(n_fft + 2, n_fft, hop)
        reach = (n_fft - hop) // 2
        pieces = nn.functional.pad(wave, (reach, reach)).unfold(1, n_fft, hop) * head.window
        spectrum = torch.fft.rfft(pieces)
        with torch.no_grad():
            head.project.weight.copy_(torch.eye(n_fft + 2))
            head.project.bias.zero_()
        got = head(torch.cat([spectrum.abs().log(), spectrum.angle()], dim=-1))
        torch.testing.assert_close(got, wave, atol=1e-4, rtol=1e-4)
