"""Settings of training: the sections `data`, `train`, `optimizer`, `model`, `sovits` and `content`.

Official GPT-SoVITS keys keep their names. A field is written once, here: type, default, range and help text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sovits_cli.config.values import (
    BatchSize,
    DiscriminatorWidth,
    FilePath,
    LoraRank,
    Numbers,
    PrecisionName,
    Section,
    null_text,
)
from sovits_cli.terms import Precision


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
    # AR/data/dataset.py, `Text2SemanticDataset.init_batch`, has these limits as arguments that nobody passes: 3 to 25
    # phones a second, and as many phones as max_sec * 25 tokens / 2.5
    min_phones_per_sec: float = Field(default=3.0, ge=0, description="a clip of slower speech does not train the GPT")
    max_phones_per_sec: float = Field(default=25.0, gt=0, description="a clip of faster speech does not train the GPT")
    max_phones: int | None = Field(
        default=None, ge=1, description="most phones of a clip that trains the GPT; null: ten per second of max_sec"
    )
    strict: bool = Field(default=False, description="stop if any clip is left out of the training")
    # there a set of fewer than 100 clips is repeated max(2, 100 // clips) times, which makes an epoch several
    repeat_below: int = Field(
        default=0, ge=0, description="repeat a dataset of fewer clips, up to about so many (officially 100)"
    )
    validation_split: float = Field(
        default=0.02, ge=0, lt=1, description="share of the clips held out for validation, at least 4 of 40"
    )
    # an official key, which the official trainer never reads: it validates nothing
    max_eval_sample: int = Field(default=50, ge=0, description="most clips held out for validation; 0: none")


class TrainSettings(Section):
    """Training (`sovits train`): both stages, unless `sovits.train` sets another value."""

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
    # fixed to 4 in the official GPT trainer (AR/models/t2s_lightning_module.py, `training_step`), which reads neither
    # this key nor the next one
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
        + null_text(lambda row: row.training.alignment_loss_weight),
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
    # s1longer-v2.yaml sets lr, lr_init, lr_end, warmup_steps and decay_steps; its trainer runs at 0.002 from the second
    # step on, whatever they are. Here they count (configs/official.yaml has the official course)
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
    # s2_train.py, `ExponentialLR`: once an epoch, and once before the first
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
        description=f"weight of the multi-resolution STFT loss; {null_text(lambda row: row.training.stft_loss_weight)}",
    )
    posterior_encoder: bool | None = Field(
        default=None,
        description="train with the posterior encoder of VITS, on the spectrogram; false: from the tokens alone; "
        + null_text(lambda row: row.training.posterior_encoder),
    )
    discriminator_width: DiscriminatorWidth | None = Field(
        default=None,
        ge=0,
        le=2,
        description="width of the discriminators, 1 being the official one; 0: train without; "
        + null_text(lambda row: row.training.discriminator_width),
    )
    # of enc_p.text_embedding, enc_p.encoder_text and enc_p.mrte (s2_train.py, the parameter groups of `optim_g`)
    text_low_lr_rate: float = Field(default=0.4, ge=0, le=1, description="learning rate factor of the text encoder")
    # the web interface writes a text: "32"
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
    # as in HiFi-GAN (Kong et al. 2020): 1 has two convolutions a dilation, 2 has one
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
    # ours from here on: an official s2.json has no such keys, as its models all have the same
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
    """The content stage: encoder of a small family, from recordings with timed phones; goes before `train`."""

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
