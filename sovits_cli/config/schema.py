"""Every setting of every command, written once: type, default, range and help text; and the relations between them.

Flags, `config show`, `config init` and the error messages are made from these fields.
Official GPT-SoVITS keys keep their names. Knows nothing of files, flags or models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from sovits_cli.config.training_sections import (
    ContentSettings,
    DataSettings,
    GptModelSettings,
    OptimizerSettings,
    SovitsSettings,
    TrainSettings,
)
from sovits_cli.config.values import FilePath, Section, null_text
from sovits_cli.errors import SettingsError
from sovits_cli.versions import VERSIONS

_FLOW_ONLY = f"{' and '.join(row.name for row in VERSIONS.values() if row.decoder.sampler_steps)} only"
"""The versions that speak through a flow."""


class SliceSettings(Section):
    """Cutting long recordings (`sovits slice`)."""

    out: FilePath = Field(default=Path("slices"), description="folder for the slices and slices.jsonl")
    max_sec: float = Field(default=54.0, gt=0, description="no slice is longer than this, in seconds")
    target_sec: float | None = Field(
        default=None, gt=0, description="join slices that follow each other up to this length, in seconds; null: none"
    )
    threshold: float = Field(default=-34.0, le=0, description="level below which audio counts as silence, in dB")
    min_length: int = Field(default=4000, gt=0, description="shortest slice before a cut is allowed, in ms")
    min_interval: int = Field(default=300, gt=0, description="shortest silence that allows a cut, in ms")
    hop_size: int = Field(default=10, gt=0, description="step of the level measurement, in ms")
    max_sil_kept: int = Field(default=500, ge=0, description="silence kept around a cut, in ms")
    rate: int | None = Field(
        default=None, ge=8000, le=192_000, description="sample rate of the slices in Hz; null: as the source"
    )
    mono: bool = Field(default=False, description="mix the channels down to one")
    # tools/slice_audio.py: tmp_max = abs(chunk).max(); chunk = chunk / tmp_max * (max * alpha) + (1 - alpha) * chunk
    max: float | None = Field(
        default=None, ge=0, le=1, description="loudness mix: peak of the scaled part; 0.9 if only alpha is given"
    )
    alpha: float | None = Field(
        default=None, ge=0, le=1, description="loudness mix: share of the scaled part; 0.25 if only max is given"
    )


class PrepSettings(Section):
    """Making a dataset (`sovits prep`)."""

    out: FilePath = Field(
        default=Path("dataset"), description="folder of the dataset, in the official experiment layout"
    )
    lang: str = Field(
        default="auto",
        min_length=1,
        description="language of the transcripts that name none: auto, zh, en, ja, ko, yue, all_zh, auto_yue, …",
    )
    text_compat: bool = Field(default=False, description="read texts as the official program does, defects included")
    asr: Literal["whisper"] | None = Field(
        default=None,
        description="speech recogniser for recordings without a transcript; null: none; sovits[asr] brings GPL codecs",
    )
    asr_model: str = Field(
        default="small", min_length=1, description="whisper model: the size of an installed one, or a folder"
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        description="base model whose features are made; null: the newest installed, else mini",
    )
    workers: int | None = Field(default=None, ge=1, description="parallel workers; null: one for each CPU core")


class InferenceSettings(Section):
    """Speaking (`sovits infer`)."""

    model: str | None = Field(
        default=None,
        min_length=1,
        description="model that speaks; null: the newest voice trained here, else the newest installed, else mini",
    )
    lang: str = Field(
        default="auto",
        min_length=1,
        description="language of the text: auto, zh, en, ja, ko, yue, all_zh, auto_yue, …",
    )
    prompt_lang: str = Field(
        default="auto",
        min_length=1,
        description="language of the words spoken in the reference, as lang; auto: by their characters",
    )
    text_split_method: Literal["auto", "cut0", "cut1", "cut2", "cut3", "cut4", "cut5"] = Field(
        default="auto",
        description="where the text is split: auto at its sentences, cut0 to cut5 as the official program",
    )
    text_compat: bool = Field(default=False, description="read the text as the official program does, defects included")
    top_k: int | None = Field(
        default=None,
        ge=0,
        description=f"sample among the k likeliest tokens; 0: among all; {null_text(lambda row: row.sampling.top_k)}",
    )
    top_p: float = Field(default=1.0, gt=0, le=1, description="sample among the tokens that make up this probability")
    temperature: float | None = Field(
        default=None,
        ge=0,
        description="randomness of sampling; 0: always the likeliest token; "
        + null_text(lambda row: row.sampling.temperature),
    )
    repetition_penalty: float | None = Field(
        default=None,
        gt=0,
        description="how much repeated tokens are held back; 1: not at all; "
        + null_text(lambda row: row.sampling.repetition_penalty),
    )
    speed: float = Field(default=1.0, ge=0.25, le=4, description="speaking speed, as a factor")
    seed: int | None = Field(
        default=None, ge=0, lt=2**32, description="seed of the sampling; null: another one each time"
    )
    batch_size: int = Field(default=8, ge=1, description="sentences decoded together")
    steps: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description=f"steps of the flow, {_FLOW_ONLY}; " + null_text(lambda row: row.decoder.sampler_steps),
    )
    guidance: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description=f"scale of classifier-free guidance of the flow towards the text, {_FLOW_ONLY}; 0: none",
    )
    parallel: bool = Field(
        default=False, description=f"make the parts of a long sentence side by side, {_FLOW_ONLY}; faster on a GPU"
    )
    pause: float = Field(
        default=0.3, ge=0, le=60, description="silence between sentences, in seconds; twice that between paragraphs"
    )


class Settings(Section):
    """All settings, by section."""

    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:N or mps"
    )
    lexicon: FilePath | None = Field(
        default=None, description="file of words and how they are read: language|word|phones or respelling; null: none"
    )
    slice: SliceSettings = SliceSettings()
    prep: PrepSettings = PrepSettings()
    data: DataSettings = DataSettings()
    train: TrainSettings = TrainSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    model: GptModelSettings = GptModelSettings()
    inference: InferenceSettings = InferenceSettings()
    sovits: SovitsSettings = SovitsSettings()
    content: ContentSettings = ContentSettings()


def check_relations(settings: Settings, origin: Mapping[str, str]) -> None:
    """Raise SettingsError for the first relation that does not hold."""
    for problem in _problems(settings):
        keys = [word for word in problem.split() if word in origin and origin[word] != "default"]
        origins = "; ".join(f"{key}: {origin[key]}" for key in keys)
        raise SettingsError(problem, hint=f"change one of them ({origins})" if origins else "change one of them")


def _problems(settings: Settings) -> Iterator[str]:
    yield from _slicing(settings)
    yield from _training(settings)


def _slicing(settings: Settings) -> Iterator[str]:
    options = settings.slice
    if options.min_length < options.min_interval:
        yield f"slice.min_length ({options.min_length}) must not be under slice.min_interval ({options.min_interval})"
    if options.min_interval < options.hop_size:
        yield f"slice.min_interval ({options.min_interval}) must not be under slice.hop_size ({options.hop_size})"
    if options.target_sec is not None and options.target_sec > options.max_sec:
        yield f"slice.target_sec ({options.target_sec}) must not be over slice.max_sec ({options.max_sec})"
    if options.max_sil_kept < options.hop_size:
        yield f"slice.max_sil_kept ({options.max_sil_kept}) must not be under slice.hop_size ({options.hop_size})"


def _training(settings: Settings) -> Iterator[str]:
    data, rates, gpt, sovits = settings.data, settings.optimizer, settings.model, settings.sovits.model
    if data.min_sec >= data.max_sec:
        yield f"data.min_sec ({data.min_sec}) must be under data.max_sec ({data.max_sec})"
    if data.curriculum_start_sec is not None and data.curriculum_start_sec >= data.max_sec:
        yield f"data.curriculum_start_sec ({data.curriculum_start_sec}) must be under data.max_sec ({data.max_sec})"
    if rates.lr is not None and rates.lr_init > rates.lr:
        yield f"optimizer.lr_init ({rates.lr_init}) must not be over optimizer.lr ({rates.lr})"
    if rates.lr is not None and rates.lr_end > rates.lr:
        yield f"optimizer.lr_end ({rates.lr_end}) must not be over optimizer.lr ({rates.lr})"
    if gpt.EOS is not None and gpt.vocab_size is not None and gpt.vocab_size - 1 != gpt.EOS:
        yield f"model.EOS ({gpt.EOS}) must be model.vocab_size - 1 ({gpt.vocab_size - 1})"
    if gpt.hidden_dim and gpt.head and gpt.hidden_dim % gpt.head:
        yield f"model.hidden_dim ({gpt.hidden_dim}) must be a multiple of model.head ({gpt.head})"
    if sovits.hidden_channels and sovits.n_heads and sovits.hidden_channels % sovits.n_heads:
        yield (
            f"sovits.model.hidden_channels ({sovits.hidden_channels}) must be a multiple of "
            f"sovits.model.n_heads ({sovits.n_heads})"
        )
    rates_given, kernels_given = sovits.upsample_rates, sovits.upsample_kernel_sizes
    if rates_given and kernels_given and len(rates_given) != len(kernels_given):
        yield "sovits.model.upsample_rates and sovits.model.upsample_kernel_sizes must be equally long"
