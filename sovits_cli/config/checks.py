"""Relations between settings, all in one place; each message carries both names. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sovits_cli.config.schema import Settings
from sovits_cli.errors import SettingsError


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
    cut = settings.slice
    if cut.min_length < cut.min_interval:
        yield f"slice.min_length ({cut.min_length}) must not be under slice.min_interval ({cut.min_interval})"
    if cut.min_interval < cut.hop_size:
        yield f"slice.min_interval ({cut.min_interval}) must not be under slice.hop_size ({cut.hop_size})"
    if cut.target_sec is not None and cut.target_sec > cut.max_sec:
        yield f"slice.target_sec ({cut.target_sec}) must not be over slice.max_sec ({cut.max_sec})"
    if cut.max_sil_kept < cut.hop_size:
        yield f"slice.max_sil_kept ({cut.max_sil_kept}) must not be under slice.hop_size ({cut.hop_size})"


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
