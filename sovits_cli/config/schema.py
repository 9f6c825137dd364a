"""Every setting of every command, written once: type, default, range and help text.

Flags, `config show`, `config init` and the error messages are made from these fields.
Official GPT-SoVITS keys keep their names. Knows nothing of files, flags or models.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sovits_cli.terms import Precision
from sovits_cli.versions import VERSIONS, ModelVersion


def _precision_name(value: object) -> object:
    """`16` is Lightning's old name of `16-mixed`."""
    return {"16": "16-mixed", "bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32"}.get(str(value), value)


FilePath = Annotated[Path, Field(strict=False)]
"""A path, written as a string."""

Numbers = Annotated[tuple[int, ...], Field(strict=False)]
"""A list of whole numbers."""

DiscriminatorWidth = Annotated[float, BeforeValidator(lambda value: 0.0 if value == "none" else value)]
"""A share of the official width; `none` is 0."""

LoraRank = Annotated[int, Field(strict=False)]
"""A whole number, or its digits, as official files write it."""

BatchSize = Annotated[int, Field(ge=1)] | Literal["auto"]
"""A number of clips, or as many as fit."""

PrecisionName = Annotated[Precision, Field(strict=False), BeforeValidator(_precision_name)]
"""A Lightning precision; the old short names are taken too."""


def _null(value: Callable[[ModelVersion], float | None]) -> str:
    """What null stands for in each version, by the table: "null: 15, mini 5"; versions without a value are left out."""
    versions: dict[float, list[str]] = {}
    for row in VERSIONS.values():
        if (found := value(row)) is not None:
            versions.setdefault(found, []).append(row.name)
    (usual, names), *others = sorted(versions.items(), key=lambda item: -len(item[1]))
    is_rule = len(names) > sum(len(names) for _, names in others)
    first = _text(usual) if is_rule else f"{' and '.join(names)} {_text(usual)}"
    return "null: " + ", ".join([first, *(f"{' and '.join(names)} {_text(found)}" for found, names in others)])


def _text(value: float) -> str:
    """A number or a truth value, as a settings file has it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


_FLOW_ONLY = f"{' and '.join(row.name for row in VERSIONS.values() if row.decoder.sampler_steps)} only"
"""The versions that speak through a flow."""


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys and does not convert types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


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


class DataSettings(Section):
    """What training reads of a dataset."""

    max_sec: float = Field(
        default=54.0, gt=0, description="longest clip that trains, in seconds; 10:54 raises it over the run"
    )
    curriculum_start_sec: float | None = Field(
        default=None, gt=0, description="first limit of a length curriculum, which ends at max_sec (10:54 says both)"
    )
    curriculum_phases: int = Field(
        default=5, ge=2, description="limits from curriculum_start_sec to max_sec, both included"
    )
    min_sec: float = Field(default=0.6, ge=0, description="shortest clip that trains, in seconds")
    num_workers: int = Field(default=4, ge=0, description="threads that read ahead; 0: read when needed")
    pad_val: int = Field(
        default=1024, ge=0, description="semantic token that fills short rows; the end token of the model"
    )
    min_phones_per_sec: float = Field(default=3.0, ge=0, description="a clip of slower speech does not train the GPT")
    max_phones_per_sec: float = Field(default=25.0, gt=0, description="a clip of faster speech does not train the GPT")
    max_phones: int | None = Field(
        default=None, ge=1, description="most phones of a clip that trains the GPT; null: ten per second of max_sec"
    )
    strict: bool = Field(default=False, description="stop if any clip is left out of the training")
    repeat_below: int = Field(
        default=0, ge=0, description="repeat a dataset of fewer clips, up to about so many (officially 100)"
    )
    validation_split: float = Field(
        default=0.02, ge=0, lt=1, description="share of the clips held out for validation, at least 4 of 40"
    )
    max_eval_sample: int = Field(default=50, ge=0, description="most clips held out for validation; 0: none")


class TrainSettings(Section):
    """Training (`sovits train`): both stages, unless `sovits.train` says otherwise."""

    stage: Literal["all", "gpt", "sovits", "content"] = Field(default="all", description="which training runs")
    out: FilePath = Field(default=Path("runs"), description="folder that holds one folder per run")
    exp_name: str | None = Field(
        default=None, min_length=1, description="name of the run and the voice; null: from the dataset"
    )
    model: str | None = Field(
        default=None, min_length=1, description="base model that is fine-tuned; null: the one the dataset was made for"
    )
    from_scratch: bool = Field(
        default=False, description="train new networks with the recipe's dimensions instead of the base model's"
    )
    seed: int = Field(default=1234, ge=0, lt=2**32, description="seed of everything random")
    epochs: int = Field(default=20, ge=1, description="passes over the dataset, GPT stage")
    max_steps: int | None = Field(
        default=None,
        ge=1,
        description="train a stage for so many optimiser steps, whatever the epochs; null: by epochs",
    )
    batch_size: BatchSize = Field(default=8, description="clips in a batch, or auto: as many as fit the device")
    batch_seconds: float | None = Field(
        default=None, gt=0, description="seconds of audio in a batch, padding included, instead of batch_size"
    )
    activation_checkpointing: bool = Field(
        default=False, description="compute activations again instead of keeping them: slower, a fraction of the memory"
    )
    gradient_accumulation: int | None = Field(
        default=None, ge=1, description="batches per optimiser step, GPT stage; null: 4, fewer on a small dataset"
    )
    gradient_clip: float = Field(default=1.0, ge=0, description="largest gradient norm; 0: no clipping")
    precision: PrecisionName = Field(
        default=Precision.HALF, description="number format; on a CPU 16-mixed runs as bf16"
    )
    save_every_n_epoch: int = Field(default=1, ge=1, description="epochs between saves, GPT stage")
    save_every_n_steps: int | None = Field(
        default=None, ge=1, description="optimiser steps between saves; null: by epochs only"
    )
    save_every_min: float = Field(
        default=10.0, gt=0, description="most minutes between two saves of the resumable state"
    )
    if_save_latest: bool = Field(default=True, description="keep only the newest two resumable states")
    if_save_every_weights: bool = Field(default=True, description="export weights at each save, not only at the end")
    keep_weights: int | None = Field(default=None, ge=1, description="newest exported weights that are kept; null: all")
    log_every_n_steps: int = Field(default=10, ge=1, description="optimiser steps averaged into one logged reading")
    alignment_loss_weight: float | None = Field(
        default=None,
        ge=0,
        description="weight of the loss that aligns an attention head of the GPT with the text; "
        + _null(lambda row: row.training.alignment_loss_weight),
    )
    token_noise: float = Field(
        default=0.0, ge=0, lt=1, description="share of the tokens read by the GPT that are replaced at random"
    )
    loss_on_padding: bool = Field(
        default=False, description="count the end token of padded positions in the loss, as the official GPT trainer"
    )
    audio_samples: int = Field(
        default=2, ge=0, description="held-out sentences synthesised at each save, into samples/; 0: none"
    )
    if_dpo: bool = Field(
        default=False, description="preference training (DPO) of the GPT stage against corrupted token sequences"
    )


class OptimizerSettings(Section):
    """Optimiser of the GPT stage: its learning rate rises to `lr`, then falls to `lr_end` along a cosine."""

    name: Literal["scaled_adam", "adamw"] = Field(default="scaled_adam", description="the official one, or AdamW")
    lr: float | None = Field(
        default=None, gt=0, description="highest learning rate; null: 0.002 for scaled_adam, 0.0003 for adamw"
    )
    lr_init: float = Field(default=0.00001, ge=0, description="learning rate of the first step")
    lr_end: float = Field(default=0.0001, ge=0, description="learning rate after the decay")
    warmup_steps: int | None = Field(
        default=None, ge=0, description="steps from lr_init to lr; null: a twentieth of the run, at most 500"
    )
    decay_steps: int | None = Field(
        default=None, ge=1, description="step at which lr_end is reached; null: the last one"
    )


class GptModelSettings(Section):
    """Dimensions of a GPT trained from scratch (official keys; null: as the base model)."""

    vocab_size: int | None = Field(default=None, ge=2, description="semantic tokens, the end token included")
    phoneme_vocab_size: int | None = Field(default=None, ge=1, description="phones in the symbol table")
    embedding_dim: int | None = Field(default=None, ge=1, description="width of the embeddings")
    hidden_dim: int | None = Field(default=None, ge=1, description="width of the transformer")
    head: int | None = Field(default=None, ge=1, description="attention heads")
    n_layer: int | None = Field(default=None, ge=1, description="transformer layers")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout of the embeddings")
    position_dropout: float | None = Field(
        default=None, ge=0, lt=1, description="dropout after the positions are added"
    )
    block_dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout inside the transformer layers")
    attention_dropout: float | None = Field(
        default=None, ge=0, lt=1, description="dropout of attention weights; 0 is faster"
    )
    EOS: int | None = Field(default=None, ge=1, description="the end token; must be vocab_size - 1")
    bert_dim: int | None = Field(default=None, ge=0, description="width of the BERT features; 0: the model reads none")


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
        description=f"sample among the k likeliest tokens; 0: among all; {_null(lambda row: row.sampling.top_k)}",
    )
    top_p: float = Field(default=1.0, gt=0, le=1, description="sample among the tokens that make up this probability")
    temperature: float | None = Field(
        default=None,
        ge=0,
        description="randomness of sampling; 0: always the likeliest token; "
        + _null(lambda row: row.sampling.temperature),
    )
    repetition_penalty: float | None = Field(
        default=None,
        gt=0,
        description="how much repeated tokens are held back; 1: not at all; "
        + _null(lambda row: row.sampling.repetition_penalty),
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
        description=f"steps of the flow, {_FLOW_ONLY}; " + _null(lambda row: row.decoder.sampler_steps),
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


class SovitsTrainSettings(Section):
    """Training of the SoVITS stage (official keys of s2.json; null: as `train`)."""

    seed: int | None = Field(default=None, ge=0, lt=2**32, description="seed; null: as train.seed")
    epochs: int = Field(default=8, ge=1, description="passes over the dataset, SoVITS stage")
    max_steps: int | None = Field(default=None, ge=1, description="stop after so many steps; null: as train.max_steps")
    gradient_accumulation: int = Field(default=1, ge=1, description="batches per optimiser step, SoVITS stage")
    gradient_clip: float | None = Field(
        default=None, ge=0, description="largest gradient norm; null: as train.gradient_clip"
    )
    batch_size: BatchSize | None = Field(
        default=None, description="clips in a batch, or auto; null: as train.batch_size"
    )
    batch_seconds: float | None = Field(
        default=None, gt=0, description="seconds of audio in a batch; null: as train.batch_seconds"
    )
    precision: PrecisionName | None = Field(default=None, description="number format; null: as train.precision")
    save_every_epoch: int = Field(default=4, ge=1, description="epochs between saves, SoVITS stage")
    learning_rate: float = Field(default=0.0001, gt=0, description="learning rate of generator and discriminator")
    betas: Annotated[tuple[float, float], Field(strict=False)] = Field(
        default=(0.8, 0.99), description="betas of AdamW"
    )
    eps: float = Field(default=1e-9, gt=0, description="epsilon of AdamW")
    lr_decay: float = Field(default=0.999875, gt=0, le=1, description="learning rate factor per epoch")
    warmup_steps: int = Field(default=0, ge=0, description="steps from a hundredth of learning_rate up to it")
    lr_end: float | None = Field(
        default=None, ge=0, description="learning rate after the decay along a cosine; null: no such decay"
    )
    decay_steps: int | None = Field(
        default=None, ge=1, description="step at which lr_end is reached; null: the last one"
    )
    segment_size: int | None = Field(
        default=None, ge=1, description="samples of audio per clip that the losses see; null: as the base model"
    )
    c_mel: float = Field(default=45.0, ge=0, description="weight of the mel loss")
    c_kl: float = Field(default=1.0, ge=0, description="weight of the KL loss")
    c_stft: float | None = Field(
        default=None,
        ge=0,
        description=f"weight of the multi-resolution STFT loss; {_null(lambda row: row.training.stft_loss_weight)}",
    )
    posterior_encoder: bool | None = Field(
        default=None,
        description="train with the posterior encoder of VITS, on the spectrogram; false: from the tokens alone; "
        + _null(lambda row: row.training.posterior_encoder),
    )
    discriminator_width: DiscriminatorWidth | None = Field(
        default=None,
        ge=0,
        le=2,
        description="width of the discriminators, 1 being the official one; 0: train without; "
        + _null(lambda row: row.training.discriminator_width),
    )
    text_low_lr_rate: float = Field(default=0.4, ge=0, le=1, description="learning rate factor of the text encoder")
    lora_rank: LoraRank = Field(
        default=32, ge=0, le=1024, description="rank of the low-rank tuning of v3 and v4; 0: the whole flow is tuned"
    )


class SovitsDataSettings(Section):
    """Audio format of a SoVITS model trained from scratch (official keys; null: as the base model)."""

    sampling_rate: int | None = Field(default=None, ge=8000, le=192_000, description="sample rate, in Hz")
    filter_length: int | None = Field(default=None, ge=16, description="FFT size, in samples")
    hop_length: int | None = Field(default=None, ge=1, description="samples per spectrogram frame")
    win_length: int | None = Field(default=None, ge=16, description="window, in samples")
    n_mel_channels: int | None = Field(default=None, ge=1, description="mel bins of the loss")
    mel_fmin: float | None = Field(default=None, ge=0, description="lowest frequency of the mel loss, in Hz")
    mel_fmax: float | None = Field(
        default=None, gt=0, description="highest frequency of the mel loss, in Hz; null: half the rate"
    )


class SovitsModelSettings(Section):
    """Dimensions of a SoVITS model trained from scratch (official keys, then ours; null: as the base model)."""

    inter_channels: int | None = Field(default=None, ge=1, description="width of the latent")
    hidden_channels: int | None = Field(default=None, ge=1, description="width of the encoders")
    filter_channels: int | None = Field(default=None, ge=1, description="width inside the feed-forward layers")
    n_heads: int | None = Field(default=None, ge=1, description="attention heads")
    n_layers: int | None = Field(default=None, ge=1, description="layers of the text encoder")
    kernel_size: int | None = Field(default=None, ge=1, description="kernel of the feed-forward layers")
    p_dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout")
    resblock: Literal["1", "2"] | None = Field(default=None, description="kind of the decoder's residual blocks")
    resblock_kernel_sizes: Numbers | None = Field(default=None, description="kernels of the residual blocks")
    resblock_dilation_sizes: Annotated[tuple[Numbers, ...], Field(strict=False)] | None = Field(
        default=None, description="dilations of the residual blocks"
    )
    upsample_rates: Numbers | None = Field(default=None, description="upsampling factors of the decoder")
    upsample_initial_channel: int | None = Field(default=None, ge=1, description="width of the decoder's first layer")
    upsample_kernel_sizes: Numbers | None = Field(default=None, description="kernels of the upsampling layers")
    use_spectral_norm: bool | None = Field(
        default=None, description="spectral instead of weight norm in the discriminators"
    )
    gin_channels: int | None = Field(default=None, ge=1, description="width of the style vector")
    semantic_frame_rate: Literal["25hz", "50hz"] | None = Field(default=None, description="semantic tokens per second")
    freeze_quantizer: bool | None = Field(default=None, description="keep the codebook as it is")
    version: str | None = Field(default=None, min_length=1, description="model version that the checkpoint names")
    content_channels: int | None = Field(default=None, ge=1, description="width of the content features")
    codebook_size: int | None = Field(default=None, ge=1, description="semantic tokens")
    mrte_channels: int | None = Field(default=None, ge=1, description="width of the text-to-content attention")
    style_channels: int | None = Field(default=None, ge=1, description="width inside the style encoder")
    style_bins: int | None = Field(default=None, ge=1, description="spectrogram bins that the style encoder reads")
    mrte_heads: int | None = Field(default=None, ge=1, description="heads of the text-to-content attention")
    phones: int | None = Field(default=None, ge=1, description="phones in the symbol table")
    flow_couplings: int | None = Field(default=None, ge=1, description="couplings of the flow")
    flow_layers: int | None = Field(default=None, ge=1, description="convolutions in each coupling")
    posterior_layers: int | None = Field(default=None, ge=1, description="convolutions of the posterior encoder")
    decoder: Literal["hifigan", "istft"] | None = Field(default=None, description="how the waveform is made")
    istft_width: int | None = Field(default=None, ge=1, description="width of the istft decoder")
    istft_layers: int | None = Field(default=None, ge=1, description="layers of the istft decoder")
    istft_upsample: int | None = Field(default=None, ge=1, description="istft frames per spectrogram frame")
    istft_n_fft: int | None = Field(default=None, ge=16, description="size of the istft")


class SovitsSettings(Section):
    """The SoVITS stage: the three sections of an official s2.json."""

    train: SovitsTrainSettings = SovitsTrainSettings()
    data: SovitsDataSettings = SovitsDataSettings()
    model: SovitsModelSettings = SovitsModelSettings()


class ContentSettings(Section):
    """The content stage: encoder of a small family, from recordings with timed phones; wins over what `train` says."""

    family: str = Field(default="mini", min_length=1, description="model version that the encoder is for")
    seed: int | None = Field(default=None, ge=0, lt=2**32, description="seed; null: as train.seed")
    steps: int | None = Field(
        default=None, ge=1, description="updates of the encoder; null: as train.max_steps, or by epochs, else 1200"
    )
    epochs: int | None = Field(
        default=None, ge=1, description="passes over the recordings; null: as train.epochs, or by steps"
    )
    batch_size: BatchSize | None = Field(
        default=None, description="crops of three seconds in a batch, or auto; null: as train.batch_size, else 16"
    )
    batch_seconds: float | None = Field(
        default=None, gt=0, description="seconds of crops in a batch; null: as train.batch_seconds"
    )
    precision: PrecisionName | None = Field(default=None, description="number format; null: as train.precision")
    gradient_accumulation: int | None = Field(
        default=None, ge=1, description="batches per optimiser step; null: as train.gradient_accumulation, else 1"
    )
    gradient_clip: float | None = Field(
        default=None, ge=0, description="largest gradient norm; null: as train.gradient_clip"
    )
    save_every_epoch: int | None = Field(
        default=None, ge=1, description="epochs between saves; null: as train.save_every_n_epoch"
    )
    learning_rate: float = Field(
        default=0.002, gt=0, description="highest learning rate: reached after a tenth of the run, then along a cosine"
    )
    width: int = Field(default=192, ge=1, description="width of the encoder")
    layers: int = Field(default=6, ge=1, description="layers of the encoder")
    codebook_size: int = Field(default=128, ge=2, description="semantic tokens: entries of the codebook")


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
