"""What all acoustic models share: semantic codes of content, the style of references, and the frames of codes and text.

Legend: B batch, F frames, S semantic tokens, P phones, C content channels, D hidden width, G width of the style vector,
V width of the speaker vector, N bins of the spectrogram. Masks say what to keep.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.encoders import PriorEncoder
from sovits_cli.models.sovits.quantizer import Quantizer
from sovits_cli.models.sovits.style import StyleEncoder
from sovits_cli.terms import FRAMES_PER_TOKEN


class CodedModel(nn.Module):
    """The shared half of an acoustic model. Subclasses say where in their order its listening parts are made."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        self.config = config
        self.enc_p = PriorEncoder(config)

    def add_listening(self) -> None:
        """Make what hears references and content."""
        config = self.config
        self.ref_enc = StyleEncoder(config.style_bins, config.style_channels, config.gin_channels)
        self.ssl_proj = nn.Conv1d(
            config.content_channels, config.content_channels, FRAMES_PER_TOKEN, stride=FRAMES_PER_TOKEN
        )
        self.quantizer = Quantizer(config.codebook_size, config.content_channels)
        if config.speaker_channels:
            self.sv_emb = nn.Linear(config.speaker_channels, config.gin_channels)
            self.ge_to512 = nn.Linear(config.gin_channels, config.mrte_channels)
            self.prelu = nn.PReLU(config.gin_channels)

    @torch.no_grad()
    def extract_latent(self, ssl: Tensor) -> Tensor:
        """Semantic codes of content features: (B, C, F) -> (B, 1, F // 2) int64, the same whatever autocast says."""
        with torch.autocast(ssl.device.type, enabled=False):
            return self.quantizer.encode(self.ssl_proj(ssl.to(self.ssl_proj.weight.dtype)))[:, None]

    @torch.no_grad()
    def style(self, refers: Sequence[Tensor], speakers: Sequence[Tensor] = ()) -> Tensor:
        """The mean style of some references.

        Args:
            refers: magnitude spectrograms (1, N, F), each of its own length; N may be all bins or the
                `style_bins` lowest.
            speakers: a speaker vector (1, V) for each, where the model takes them.

        Returns:
            (1, G, 1).

        Raises:
            ModelError: no reference, an empty one, one with too few bins, or speaker vectors that do not fit.
        """
        if not refers:
            raise ModelError("no reference spectrogram was given", hint="give a reference with --ref")
        vectors: Sequence[Tensor | None] = speakers or [None] * len(refers)
        if len(vectors) != len(refers):
            raise ModelError(f"{len(refers)} reference spectrograms and {len(vectors)} speaker vectors were given")
        styles = [self._style_of(spec, speaker) for spec, speaker in zip(refers, vectors, strict=True)]
        return torch.stack(styles).mean(dim=0)

    def hidden(self, codes: Tensor, text: Tensor, ge: Tensor) -> Tensor:
        """The prior encoder's frames of codes (1, 1, S) and phones (1, P) in style (1, G, 1): (1, D, 2 S).

        Raises:
            ModelError: codes or phones that the model does not have.
        """
        _check_ids("semantic codes", codes, self.config.codebook_size)
        _check_ids("phones", text, self.config.phones)
        content = per_frame(self.quantizer.decode(codes[:, 0]))
        keep = torch.ones(content.shape[0], content.shape[-1], dtype=torch.bool, device=content.device)
        frames: Tensor = self.enc_p(content, keep, text, torch.ones_like(text, dtype=torch.bool), self.for_text(ge))
        return frames

    def with_speaker(self, ge: Tensor, speaker: Tensor | None) -> Tensor:
        """Add the speaker vector (B, V) to the style (B, G, 1) of the spectrogram, where the model takes one."""
        width = self.config.speaker_channels
        found = 0 if speaker is None else speaker.shape[-1]
        if found != width:
            raise ModelError(
                f"a speaker vector of {found} values was given: the SoVITS model takes {width or 'none'}",
                hint="sovits prep FOLDER computes them for a dataset" if width else None,
            )
        if speaker is None:
            return ge
        mixed: Tensor = self.prelu(ge + self.sv_emb(speaker)[..., None])
        return mixed

    def for_text(self, ge: Tensor) -> Tensor:
        """The style as the text encoder takes it: narrower where a speaker vector made it wide."""
        if not self.config.speaker_channels:
            return ge
        narrow: Tensor = self.ge_to512(ge.transpose(1, 2)).transpose(1, 2)
        return narrow

    def _style_of(self, spec: Tensor, speaker: Tensor | None) -> Tensor:
        bins = self.config.style_bins
        if spec.shape[-2] < bins or spec.shape[-1] == 0:
            raise ModelError(
                f"reference spectrogram of {spec.shape[-2]} bins x {spec.shape[-1]} frames: "
                f"expected {bins} or more bins and at least one frame"
            )
        keep = torch.ones(spec.shape[0], spec.shape[-1], dtype=torch.bool, device=spec.device)
        return self.with_speaker(self.ref_enc(spec[:, :bins], keep), speaker)


def per_frame(quantized: Tensor) -> Tensor:
    """Each token lasts two frames: (B, C, S) -> (B, C, 2 S)."""
    return F.interpolate(quantized, scale_factor=float(FRAMES_PER_TOKEN), mode="nearest")


def _check_ids(what: str, ids: Tensor, size: int) -> None:
    if ids.numel() == 0:
        raise ModelError(f"no {what} to speak")
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0 or highest >= size:
        raise ModelError(
            f"{what} {lowest}..{highest}: the SoVITS model knows 0..{size - 1}",
            hint="the GPT and the SoVITS file must be of the same family",
        )
