"""THE table of model versions. Plain data; rooms turn traits into code and never ask for a version by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sovits_cli.errors import ModelError
from sovits_cli.terms import MelSpec, SpecSpec


class SymbolTable(StrEnum):
    """The phone tables: 322 symbols (v1), 732 symbols (v2 and later)."""

    V1 = "v1"
    V2 = "v2"


class ContentKind(StrEnum):
    """Where content features come from."""

    HUBERT = "hubert"
    PHONETIC = "phonetic"


class AcousticKind(StrEnum):
    """How codes become sound."""

    VITS = "vits"
    """Through latents and a decoder in one adversarially trained network."""

    FLOW = "flow"
    """Through a mel spectrogram, by flow matching, and a vocoder."""


class VocoderKind(StrEnum):
    """What turns the mel spectrogram of a flow-matching model into samples."""

    BIGVGAN = "bigvgan"
    HIFIGAN = "hifigan"


@dataclass(frozen=True)
class FlowTraits:
    """What flow-matching versions differ in.

    Args:
        vocoder: kind of the vocoder.
        vocoder_rate: sample rate of its sound, in Hz.
        stretch: mel frames per content frame (two content frames are one semantic token).
        mask_frames: mel frames per token in the official length mask, which is not always 2 * `stretch`.
        prompt_frames: most mel frames of the reference that the sampler continues.
        chunk_frames: mel frames of one pass of the sampler, those of the prompt included.
        steps: of the sampler, by default.
        lora_code: two-byte code of exported LoRA files.
        base_head: MD5 of the first `BASE_HEAD_BYTES` of the published model, by which the official program knows it:
            these versions have the same tensors.
    """

    vocoder: VocoderKind
    vocoder_rate: int
    stretch: float
    mask_frames: float
    prompt_frames: int
    chunk_frames: int
    steps: int
    lora_code: bytes
    base_head: str


BASE_HEAD_BYTES = 8192

GAN_PERIODS = (2, 3, 5, 7, 11)
"""How the discriminators of most versions fold the waveform."""


@dataclass(frozen=True)
class Drawing:
    """How tokens are drawn, unless the user says otherwise; officially the same for all versions.

    Args:
        top_k: among how many of the likeliest.
        temperature: randomness.
        repetition_penalty: how much tokens that were there are held back; 1 is not at all.
    """

    top_k: int = 15
    temperature: float = 1.0
    repetition_penalty: float = 1.35


@dataclass(frozen=True)
class Learning:
    """What a version learns from, unless the user says otherwise.

    Args:
        alignment: weight of the loss that teaches a head of the GPT its place in the text; above 0, that head also
            tells when speech has left its text.
        discriminator: width of the discriminators, 1 being the official one; 0: none.
        c_stft: weight of the multi-resolution STFT loss.
        posterior: whether the decoder learns from what a posterior encoder hears in the recording, as in VITS, or
            from the tokens alone.
    """

    alignment: float = 0.0
    discriminator: float = 1.0
    c_stft: float = 0.0
    posterior: bool = True


@dataclass(frozen=True)
class ModelVersion:
    """One row: what a version is made of.

    Args:
        name: how users call it.
        symbols: phone table.
        spec: magnitude spectrogram of references and of the posterior encoder.
        mel: log-mel of the training loss, or of what the flow makes.
        style_bins: spectrogram bins that the style encoder reads.
        content: kind of the content encoder.
        weights_suffix: end of the official export folders (`SoVITS_weights_v2`).
        code: two-byte code that exports carry in place of `PK`; None: a plain torch file.
        codes: every such code that says this version, in files that are no LoRA.
        official: whether the official program knows it.
        languages: codes of what it speaks.
        dimensions: official `model` values that are not those of v2.
        speaker_embedding: whether the style also comes from a speaker encoder.
        periods: how the discriminators fold the waveform.
        flow: what only flow-matching versions have; None for the VITS family.
        drawing: how tokens are drawn by default.
        noise_scale: how far the decoder's latents may leave their mean when speaking; less is clearer and duller.
        prompted: whether the GPT continues the reference; not where tokens carry no voice.
        several_sentences: whether it says two short sentences on one line without losing one of them.
        learning: what its training goes by, by default.
    """

    name: str
    symbols: SymbolTable
    spec: SpecSpec
    mel: MelSpec
    style_bins: int
    content: ContentKind
    weights_suffix: str
    code: bytes | None = None
    codes: tuple[bytes, ...] = ()
    official: bool = True
    languages: tuple[str, ...] = ("zh", "en", "ja", "ko", "yue")
    dimensions: Mapping[str, object] = field(default_factory=dict, hash=False)
    speaker_embedding: bool = False
    periods: tuple[int, ...] = GAN_PERIODS
    flow: FlowTraits | None = None
    drawing: Drawing = Drawing()
    noise_scale: float = 0.5
    prompted: bool = True
    several_sentences: bool = True
    learning: Learning = Learning()

    @property
    def acoustic(self) -> AcousticKind:
        """How its codes become sound."""
        return AcousticKind.VITS if self.flow is None else AcousticKind.FLOW

    @property
    def rate(self) -> int:
        """Sample rate of its speech, in Hz."""
        return self.spec.sample_rate if self.flow is None else self.flow.vocoder_rate

    @property
    def needs_transcript(self) -> bool:
        """Whether a reference is of no use without its words: the flow continues its mel, in step with its tokens."""
        return self.flow is not None


_SPEC_32K = SpecSpec(sample_rate=32_000, n_fft=2048, hop=640)
_MEL_32K = MelSpec(sample_rate=32_000, n_fft=2048, hop=640, mels=128)

VERSIONS: dict[str, ModelVersion] = {
    row.name: row
    for row in (
        ModelVersion(
            name="v1",
            symbols=SymbolTable.V1,
            languages=("zh", "en", "ja"),
            spec=_SPEC_32K,
            mel=_MEL_32K,
            style_bins=1025,
            content=ContentKind.HUBERT,
            weights_suffix="",
            codes=(b"00",),
        ),
        ModelVersion(
            name="v2",
            symbols=SymbolTable.V2,
            spec=_SPEC_32K,
            mel=_MEL_32K,
            style_bins=704,
            content=ContentKind.HUBERT,
            weights_suffix="_v2",
            codes=(b"01",),
        ),
        ModelVersion(
            name="v2Pro",
            symbols=SymbolTable.V2,
            spec=_SPEC_32K,
            mel=_MEL_32K,
            style_bins=704,
            content=ContentKind.HUBERT,
            weights_suffix="_v2Pro",
            code=b"05",
            codes=(b"05",),
            dimensions={"gin_channels": 1024, "p_dropout": 0.0},
            speaker_embedding=True,
            periods=(*GAN_PERIODS, 17, 23),
        ),
        ModelVersion(
            name="v2ProPlus",
            symbols=SymbolTable.V2,
            spec=_SPEC_32K,
            mel=_MEL_32K,
            style_bins=704,
            content=ContentKind.HUBERT,
            weights_suffix="_v2ProPlus",
            code=b"06",
            codes=(b"06",),
            dimensions={
                "gin_channels": 1024,
                "p_dropout": 0.0,
                "upsample_initial_channel": 768,
                "upsample_kernel_sizes": (20, 16, 8, 2, 2),
            },
            speaker_embedding=True,
            periods=(*GAN_PERIODS, 17, 23),
        ),
        ModelVersion(
            name="v3",
            symbols=SymbolTable.V2,
            spec=_SPEC_32K,
            mel=MelSpec(sample_rate=24_000, n_fft=1024, hop=256, mels=100),
            style_bins=704,
            content=ContentKind.HUBERT,
            weights_suffix="_v3",
            codes=(b"02",),
            flow=FlowTraits(
                vocoder=VocoderKind.BIGVGAN,
                vocoder_rate=24_000,
                stretch=1.875,
                mask_frames=3.875,
                prompt_frames=468,
                chunk_frames=934,
                steps=32,
                lora_code=b"03",
                base_head="43797be674a37c1c83ee81081941ed0f",
            ),
        ),
        ModelVersion(
            name="v4",
            symbols=SymbolTable.V2,
            spec=_SPEC_32K,
            mel=MelSpec(sample_rate=32_000, n_fft=1280, hop=320, mels=100),
            style_bins=704,
            content=ContentKind.HUBERT,
            weights_suffix="_v4",
            flow=FlowTraits(
                vocoder=VocoderKind.HIFIGAN,
                vocoder_rate=48_000,
                stretch=2.0,
                mask_frames=4.0,
                prompt_frames=500,
                chunk_frames=1000,
                steps=8,
                lora_code=b"04",
                base_head="4f26b9476d0c5033e04162c486074374",
            ),
        ),
        ModelVersion(
            name="mini",
            symbols=SymbolTable.V2,
            languages=("en",),
            spec=SpecSpec(sample_rate=16_000, n_fft=1024, hop=320),
            mel=MelSpec(sample_rate=16_000, n_fft=1024, hop=320, mels=80),
            style_bins=513,
            content=ContentKind.PHONETIC,
            weights_suffix="_mini",
            official=False,
            drawing=Drawing(top_k=5, temperature=0.6, repetition_penalty=1.0),  # its tokens last for several steps
            noise_scale=0.0,
            prompted=False,
            several_sentences=False,  # 16 pairs, 4 voices, 3 seeds: 12 of 192 doubtful on one line, none apart
            learning=Learning(alignment=0.3, discriminator=0.0, c_stft=4.0, posterior=False),  # within a CPU's hours
        ),
    )
}


RECOMMENDED = "v2ProPlus"
"""What to pull where the bundled model is not enough."""


def version(name: str) -> ModelVersion:
    """Look a version up by name. Raises ModelError, naming the known ones."""
    try:
        return VERSIONS[name]
    except KeyError:
        raise ModelError(
            f"unknown model version {name!r}: expected one of {', '.join(VERSIONS)}",
            hint="sovits models list",
        ) from None
