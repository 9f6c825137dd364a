"""The table of vocoders: a kind, as versions name it, and the configuration beside its file to a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sovits_cli.models.vocoders.bigvgan import Bigvgan, BigvganShape, refuse_unbuilt
from sovits_cli.models.vocoders.hifigan import PUBLISHED, HifiganVocoder
from sovits_cli.models.vocoders.vocoder import Vocoder, shape_from
from sovits_cli.versions import VocoderKind


def _bigvgan(config: Mapping[str, Any]) -> Vocoder:
    refuse_unbuilt(config)
    return Bigvgan(shape_from(BigvganShape(), config))


def _hifigan(config: Mapping[str, Any]) -> Vocoder:
    return HifiganVocoder(shape_from(PUBLISHED, config))


VOCODERS: dict[VocoderKind, Callable[[Mapping[str, Any]], Vocoder]] = {
    VocoderKind.BIGVGAN: _bigvgan,
    VocoderKind.HIFIGAN: _hifigan,
}
"""Each makes the network that a configuration asks for (empty: the published one). Raises ModelError."""
