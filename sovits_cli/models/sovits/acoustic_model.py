"""What all acoustic models share: semantic tokens of content, the style of references, and frames of tokens and phones.

Attribute names are the keys of official checkpoints (GPT-SoVITS, module/models.py, `SynthesizerTrn`).

Legend: B batch, F frames, S semantic tokens, P phones, C content channels, D hidden width, G width of the style vector,
V width of the speaker vector, N bins of the spectrogram. Masks are True where a position counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.encoders import PriorEncoder, StyleEncoder
from sovits_cli.terms import FRAMES_PER_TOKEN


@dataclass(frozen=True)
class AcousticInputs:
    """The clips of a training pass.

    Args:
        features: (B, C, F) content features at the frame rate of the spectrogram, F even.
        spec: (B, N, F) magnitude spectrogram.
        spec_lens: (B,) its valid frames.
        phones: (B, P) int64.
        phone_lens: (B,) their number.
        speaker: (B, V) speaker vectors, where the model takes them.
    """

    features: Tensor
    spec: Tensor
    spec_lens: Tensor
    phones: Tensor
    phone_lens: Tensor
    speaker: Tensor | None = None


#                               ┌─ tokenizer ─ tokens ─┐
# content features (B, C, F) ───┘   (ssl_proj,         ├─ prior encoder ─ frames (B, D, F) ─► VITS or flow matching
#                                    codebook)  phones ┤  (enc_p)
# reference spectrograms ─ style encoder ─ style ──────┘
# speaker vectors ───────────────────────────┘            (v2Pro and v2ProPlus)
class AcousticModel(nn.Module):
    """Tokenizer, style encoder and prior encoder.

    Subclasses say where in the order of their parts the first two are made: it decides what a seed initialises.
    """

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        self.config = config
        self.enc_p = PriorEncoder(config)

    def add_tokenizer_and_style_encoder(self) -> None:
        """Make the parts that read content features and references."""
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
    def extract_tokens(self, features: Tensor) -> Tensor:
        """Semantic tokens of content features, the same with and without autocast (official `extract_latent`).

        (B, C, F) -> (B, 1, S) int64, S = F // 2: a token is two frames of the codebook's 50 a second.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self.quantizer.encode(self.ssl_proj(features.to(self.ssl_proj.weight.dtype)))[:, None]

    @torch.no_grad()
    def encode_style(self, specs: Sequence[Tensor], speakers: Sequence[Tensor] = ()) -> Tensor:
        """The mean style of some references.

        Args:
            specs: magnitude spectrograms (1, N, F), each of its own length; N may be all bins or the
                `style_bins` lowest.
            speakers: a speaker vector (1, V) for each, where the model takes them.

        Returns:
            (1, G, 1).

        Raises:
            ModelError: no reference, an empty one, one with too few bins, or speaker vectors that do not fit.
        """
        if not specs:
            raise ModelError("no reference spectrogram was given", code="model.no_reference")
        vectors: Sequence[Tensor | None] = speakers or [None] * len(specs)
        if len(vectors) != len(specs):
            raise ModelError(f"{len(specs)} reference spectrograms and {len(vectors)} speaker vectors were given")
        styles = [self._style_of(spec, speaker) for spec, speaker in zip(specs, vectors, strict=True)]
        return torch.stack(styles).mean(dim=0)

    def encode(self, tokens: Tensor, phones: Tensor, style: Tensor) -> Tensor:
        """Frames of the prior encoder: (1, 1, S), (1, P) and (1, G, 1) to (1, D, 2 S).

        Raises:
            ModelError: tokens or phones that the model does not have.
        """
        _check_ids("semantic tokens", tokens, self.config.codebook_size)
        _check_ids("phones", phones, self.config.phones)
        content = tokens_to_frames(self.quantizer.decode(tokens[:, 0]))
        mask = torch.ones(content.shape[0], content.shape[-1], dtype=torch.bool, device=content.device)
        phone_mask = torch.ones_like(phones, dtype=torch.bool)
        frames: Tensor = self.enc_p(content, mask, phones, phone_mask, self.style_for_text(style))
        return frames

    def add_speaker(self, style: Tensor, speaker: Tensor | None) -> Tensor:
        """Add the speaker vector (B, V) to the style of the spectrogram, where the model takes one: (B, G, 1)."""
        width = self.config.speaker_channels
        found = 0 if speaker is None else speaker.shape[-1]
        if found != width:
            raise ModelError(
                f"a speaker vector of {found} values was given: the SoVITS model takes {width or 'none'}",
                code="model.speaker_vector" if width else None,
            )
        if speaker is None:
            return style
        mixed: Tensor = self.prelu(style + self.sv_emb(speaker)[..., None])
        return mixed

    def style_for_text(self, style: Tensor) -> Tensor:
        """The style (B, G, 1) as the text encoder takes it: of `mrte_channels` where there are speaker vectors."""
        if not self.config.speaker_channels:
            return style
        narrow: Tensor = self.ge_to512(style.transpose(1, 2)).transpose(1, 2)
        return narrow

    def _style_of(self, spec: Tensor, speaker: Tensor | None) -> Tensor:
        """The style (1, G, 1) of one spectrogram (1, N, F)."""
        bins = self.config.style_bins
        if spec.shape[-2] < bins or spec.shape[-1] == 0:
            raise ModelError(
                f"reference spectrogram of {spec.shape[-2]} bins x {spec.shape[-1]} frames: "
                f"expected {bins} or more bins and at least one frame"
            )
        mask = torch.ones(spec.shape[0], spec.shape[-1], dtype=torch.bool, device=spec.device)
        return self.add_speaker(self.ref_enc(spec[:, :bins], mask), speaker)


def tokens_to_frames(quantized: Tensor) -> Tensor:
    """Each token lasts two frames: (B, C, S) -> (B, C, 2 S)."""
    return F.interpolate(quantized, scale_factor=float(FRAMES_PER_TOKEN), mode="nearest")


class Quantizer(nn.Module):
    """Content vectors to semantic tokens and back, by a frozen codebook. The nesting only serves official key names.

    Officially a residual vector quantizer (module/core_vq.py, `ResidualVectorQuantization`) of one layer, so plain
    vector quantization: token = argmin over entries e of |x - e|^2. It is never trained here: the official trainer
    keeps it in evaluation mode too, so its commitment loss is zero.
    """

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.vq = _Layers(size, channels)

    @property
    def codebook(self) -> Codebook:
        """The one codebook."""
        return self.vq.layers[0]._codebook  # type: ignore[return-value]

    def encode(self, x: Tensor) -> Tensor:
        """Nearest entries by Euclidean distance: (B, C, S) -> (B, S) int64."""
        entries = self.codebook.embed.to(x.dtype)
        flat = x.transpose(1, 2).reshape(-1, x.shape[1])
        # |x|^2 - 2 x.e + |e|^2: |x|^2 decides nothing, but the order of the terms is the official one and decides
        # near ties (module/core_vq.py, `EuclideanCodebook.quantize`)
        distance = flat.square().sum(1, keepdim=True) - 2 * flat @ entries.T + entries.square().sum(1)
        return (-distance).argmax(dim=-1).view(x.shape[0], -1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Entries of the tokens: (B, S) -> (B, C, S)."""
        return F.embedding(tokens, self.codebook.embed).transpose(1, 2)

    @torch.no_grad()
    def fill(self, entries: Tensor) -> None:
        """Set the codebook to `entries` (codebook size, C), for a model that is trained from nothing."""
        self.codebook.embed.copy_(entries)
        self.codebook.embed_avg.copy_(entries)
        self.codebook.cluster_size.fill_(1.0)


class Codebook(nn.Module):
    """Entries (codebook size, C) and the statistics that official checkpoints carry along."""

    inited: Tensor
    cluster_size: Tensor
    embed: Tensor
    embed_avg: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(size))
        self.register_buffer("embed", torch.zeros(size, channels))
        self.register_buffer("embed_avg", torch.zeros(size, channels))


class _Layer(nn.Module):
    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self._codebook = Codebook(size, channels)


class _Layers(nn.Module):
    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Layer(size, channels)])


def _check_ids(what: str, ids: Tensor, size: int) -> None:
    if ids.numel() == 0:
        raise ModelError(f"no {what} to speak")
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0 or highest >= size:
        raise ModelError(
            f"{what} {lowest}..{highest}: the SoVITS model knows 0..{size - 1}",
            hint="the GPT and the SoVITS file must be of the same family",
        )
