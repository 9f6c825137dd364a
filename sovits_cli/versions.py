"""THE table of model versions. Plain data; rooms turn traits into code and never ask for a version by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar

from sovits_cli.errors import ModelError
from sovits_cli.terms import MelSpec, SpectrogramSpec


class SymbolTable(StrEnum):
    """The phone tables: 322 symbols (v1), 732 symbols (v2 and later)."""

    V1 = "v1"
    V2 = "v2"


class ContentKind(StrEnum):
    """Where content features come from."""

    HUBERT = "hubert"
    PHONETIC = "phonetic"


class DecoderKind(StrEnum):
    """How semantic tokens become sound. Each room that must act on it has one table with a row per kind."""

    VITS = "vits"
    """Through latents and a decoder in one adversarially trained network."""

    FLOW = "flow"
    """Through a mel spectrogram, by flow matching, and a vocoder."""


class VocoderKind(StrEnum):
    """What turns the mel spectrogram of a flow-matching model into samples."""

    BIGVGAN = "bigvgan"
    HIFIGAN = "hifigan"


@dataclass(frozen=True, kw_only=True)
class DecoderTraits:
    """What anybody may ask of a decoder, whatever its kind; a kind with numbers of its own is a subclass.

    Args:
        vocoder: kind of the vocoder it speaks through; None: it makes samples itself.
        output_rate: sample rate of its sound, in Hz; None: that of its spectrograms.
        lora_magic: two-byte header of exported LoRA files; None: it is not tuned by a LoRA.
        sampler_steps: steps of its sampler by default; None: it has no sampler.
    """

    kind: ClassVar[DecoderKind]
    key_prefix: ClassVar[str] = ""
    """Beginning of the official state-dict keys that tell it from other kinds."""

    continues_reference: ClassVar[bool] = False
    """Whether it goes on from the sound of the reference, in step with its tokens: then the words must be known."""

    vocoder: VocoderKind | None = None
    output_rate: int | None = None
    lora_magic: bytes | None = None
    sampler_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class VitsTraits(DecoderTraits):
    """The decoder of VITS has no numbers but the dimensions of its network."""

    kind = DecoderKind.VITS


@dataclass(frozen=True, kw_only=True)
class FlowTraits(DecoderTraits):
    """What flow-matching versions differ in.

        content features (50 a second) ──x stretch──> mel frames ──sampler, chunk by chunk──> vocoder

        one chunk:   | prompt: <= prompt_frames | new frames               |
                     |<------------------ chunk_frames ------------------->|

    Args:
        stretch: mel frames per content frame (two content frames are one semantic token).
        mask_frames: mel frames per token in the official length mask, which is not always 2 * `stretch`.
        prompt_frames: most mel frames of the reference that the sampler continues.
        chunk_frames: mel frames of one pass of the sampler, those of the prompt included.
    """

    kind = DecoderKind.FLOW
    key_prefix = "cfm."
    continues_reference = True

    vocoder: VocoderKind = field()
    output_rate: int = field()
    sampler_steps: int = field()
    stretch: float
    mask_frames: float
    prompt_frames: int
    chunk_frames: int


HEAD_BYTES = 8192
"""How much of the beginning of a published model its MD5 is taken of."""

GAN_PERIODS = (2, 3, 5, 7, 11)
"""How the discriminators of most versions fold the waveform."""


@dataclass(frozen=True)
class SamplingDefaults:
    """How tokens are sampled, unless the user says otherwise; officially the same for all versions.

    Args:
        top_k: among how many of the likeliest.
        temperature: randomness.
        repetition_penalty: how much tokens that were there are held back; 1 is not at all.
    """

    top_k: int = 15
    temperature: float = 1.0
    repetition_penalty: float = 1.35


@dataclass(frozen=True)
class TrainingDefaults:
    """What a version is trained with, unless the user says otherwise.

    Args:
        alignment_loss_weight: weight of the loss that teaches a head of the GPT its position in the text; above 0,
            that head also tells when speech has left its text.
        discriminator_width: width of the discriminators, 1 being the official one; 0: none.
        stft_loss_weight: weight of the multi-resolution STFT loss.
        posterior_encoder: whether the decoder learns from the latents of a posterior encoder, as in VITS, or from
            the tokens alone.
    """

    alignment_loss_weight: float = 0.0
    discriminator_width: float = 1.0
    stft_loss_weight: float = 0.0
    posterior_encoder: bool = True


@dataclass(frozen=True)
class ModelVersion:
    """One row: what a version is made of.

    Args:
        name: how users call it.
        symbols: phone table.
        spec: magnitude spectrogram of references and of the posterior encoder.
        mel: log-mel of the training loss, or of what a flow makes.
        style_bins: spectrogram bins that the style encoder reads.
        content: kind of the content encoder.
        weights_suffix: end of the official export folders (`SoVITS_weights_v2`).
        magic: two-byte header that exports carry in place of `PK`; None: a plain torch file.
        magics: every such header that says this version, in files that are no LoRA.
        head_md5: MD5 of the first `HEAD_BYTES` of the published SoVITS model, by which the official program knows it
            (process_ckpt.py, `get_sovits_version_from_path_fast`); empty: none is published.
        official: whether the official program knows it.
        languages: codes of what it speaks.
        dimensions: official `model` values that are not those of v2.
        speaker_embedding: whether the style also comes from a speaker encoder.
        discriminator_periods: how the discriminators fold the waveform.
        decoder: how tokens become sound.
        sampling: how tokens are sampled by default.
        noise_scale: how far the decoder's latents may leave their mean when speaking; less is clearer and duller.
        uses_prompt: whether the GPT continues the reference; not where tokens carry no voice.
        joins_sentences: whether it says two short sentences in one utterance without losing one of them.
        training: what it is trained with by default.
        checks: what is looked for in each utterance that it speaks, in order (`inference/checks.py`).
        repairs: what is tried where something is found, in order (`inference/repairs.py`).
    """

    name: str
    symbols: SymbolTable
    spec: SpectrogramSpec
    mel: MelSpec
    style_bins: int
    content: ContentKind
    weights_suffix: str
    magic: bytes | None = None
    magics: tuple[bytes, ...] = ()
    head_md5: str = ""
    official: bool = True
    languages: tuple[str, ...] = ("zh", "en", "ja", "ko", "yue")
    dimensions: Mapping[str, object] = field(default_factory=dict, hash=False)
    speaker_embedding: bool = False
    discriminator_periods: tuple[int, ...] = GAN_PERIODS
    decoder: DecoderTraits = VitsTraits()
    sampling: SamplingDefaults = SamplingDefaults()
    noise_scale: float = 0.5
    uses_prompt: bool = True
    joins_sentences: bool = True
    training: TrainingDefaults = TrainingDefaults()
    checks: tuple[str, ...] = ("empty", "unfinished", "alignment", "too_short")
    repairs: tuple[str, ...] = ("reseed", "split")

    @property
    def rate(self) -> int:
        """Sample rate of its speech, in Hz."""
        return self.decoder.output_rate or self.spec.sample_rate

    @property
    def needs_transcript(self) -> bool:
        """Whether a reference is of no use without its words."""
        return self.decoder.continues_reference


# Each official version is the one before it but for what its row names.
_V2 = ModelVersion(
    name="v2",
    symbols=SymbolTable.V2,
    spec=SpectrogramSpec(sample_rate=32_000, n_fft=2048, hop=640),
    mel=MelSpec(sample_rate=32_000, n_fft=2048, hop=640, mels=128),
    style_bins=704,
    content=ContentKind.HUBERT,
    weights_suffix="_v2",
    magics=(b"01",),
    head_md5="6642b37f3dbb1f76882b69937c95a5f3",
)
_V1 = replace(
    _V2,
    name="v1",
    symbols=SymbolTable.V1,
    languages=("zh", "en", "ja"),
    style_bins=1025,
    weights_suffix="",
    magics=(b"00",),
    head_md5="dc3c97e17592963677a4a1681f30c653",
)
_V2_PRO = replace(
    _V2,
    name="v2Pro",
    weights_suffix="_v2Pro",
    magic=b"05",
    magics=(b"05",),
    head_md5="c7e9fce2223f3db685cdfa1e6368728a",
    dimensions={"gin_channels": 1024, "p_dropout": 0.0},
    speaker_embedding=True,
    discriminator_periods=(*GAN_PERIODS, 17, 23),
)
_V2_PRO_PLUS = replace(
    _V2_PRO,
    name="v2ProPlus",
    weights_suffix="_v2ProPlus",
    magic=b"06",
    magics=(b"06",),
    head_md5="66b313e39455b57ab1b0bc0b239c9d0a",
    dimensions={
        **_V2_PRO.dimensions,
        "upsample_initial_channel": 768,
        "upsample_kernel_sizes": (20, 16, 8, 2, 2),
    },
)
_V3 = replace(
    _V2,
    name="v3",
    mel=MelSpec(sample_rate=24_000, n_fft=1024, hop=256, mels=100),
    weights_suffix="_v3",
    magics=(b"02",),
    head_md5="43797be674a37c1c83ee81081941ed0f",
    # stretch = mel frames a second / content frames a second: 24 000 / 256 / 50 = 1.875, and 32 000 / 320 / 50 = 2 of
    # v4. Lengths and steps are those of inference_webui.py (`get_tts_wav`, T_ref, T_chunk, sample_steps); 3.875 is what
    # module/models.py (`SynthesizerTrnV3.decode_encp`) multiplies by, though its frames are 3.75 a token.
    decoder=FlowTraits(
        vocoder=VocoderKind.BIGVGAN,
        output_rate=24_000,
        lora_magic=b"03",
        sampler_steps=32,
        stretch=1.875,
        mask_frames=3.875,
        prompt_frames=468,
        chunk_frames=934,
    ),
)
_V4 = replace(
    _V2,
    name="v4",
    mel=MelSpec(sample_rate=32_000, n_fft=1280, hop=320, mels=100),
    weights_suffix="_v4",
    magics=(),
    head_md5="4f26b9476d0c5033e04162c486074374",
    decoder=FlowTraits(
        vocoder=VocoderKind.HIFIGAN,
        output_rate=48_000,
        lora_magic=b"04",
        sampler_steps=8,
        stretch=2.0,
        mask_frames=4.0,
        prompt_frames=500,
        chunk_frames=1000,
    ),
)
_MINI = ModelVersion(
    name="mini",
    symbols=SymbolTable.V2,
    languages=("en",),
    spec=SpectrogramSpec(sample_rate=16_000, n_fft=1024, hop=320),
    mel=MelSpec(sample_rate=16_000, n_fft=1024, hop=320, mels=80),
    style_bins=513,
    content=ContentKind.PHONETIC,
    weights_suffix="_mini",
    official=False,
    sampling=SamplingDefaults(top_k=5, temperature=0.6, repetition_penalty=1.0),  # its tokens last for several steps
    noise_scale=0.0,
    uses_prompt=False,
    joins_sentences=False,  # 16 pairs, 4 voices, 3 seeds: 12 of 192 doubtful in one utterance, none apart
    training=TrainingDefaults(  # within a CPU's hours
        alignment_loss_weight=0.3, discriminator_width=0.0, stft_loss_weight=4.0, posterior_encoder=False
    ),
)

VERSIONS: dict[str, ModelVersion] = {row.name: row for row in (_V1, _V2, _V2_PRO, _V2_PRO_PLUS, _V3, _V4, _MINI)}


RECOMMENDED = "v2ProPlus"
"""What to pull where the bundled model is not enough."""


def version(name: str) -> ModelVersion:
    """Look a version up by name. Raises ModelError, naming the known ones."""
    try:
        return VERSIONS[name]
    except KeyError:
        raise ModelError(
            f"unknown model version {name!r}: expected one of {', '.join(VERSIONS)}",
            code="model.unknown_version",
        ) from None
