"""Losses and metrics of Text2Semantic training, on logits alone; knows no network.

Legend: B batch, S semantic tokens, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PREFERENCE_BETA = 0.2
"""Official strength of the preference term (DPO without a reference model)."""


@dataclass(frozen=True)
class T2SLoss:
    """What a training forward gives.

    Args:
        loss: summed cross-entropy, a scalar.
        row_logps: (B,) log-probability of each row of tokens.
        top3_accuracy: share of targets other than EOS among the three most likely, a scalar without gradient.
        alignment: the alignment loss per token, a scalar, where it was asked for.
    """

    loss: Tensor
    row_logps: Tensor
    top3_accuracy: Tensor
    alignment: Tensor | None = None


def eos_padded(codes: Tensor, code_lens: Tensor, eos: int) -> Tensor:
    """Targets (B, S+1): `codes` (B, S) up to each length in `code_lens` (B,), EOS from there on."""
    padded = F.pad(codes, (0, 1), value=eos)
    past = torch.arange(padded.shape[1], device=codes.device) >= code_lens[:, None]
    return padded.masked_fill(past, eos)


def target_logps(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability in float32 of each target: logits (..., V), targets (...) -> (...)."""
    flat = F.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), reduction="none")
    return -flat.view(targets.shape)


def in_top3(logits: Tensor, targets: Tensor) -> Tensor:
    """Whether a target is among the three largest logits: (..., V), (...) -> (...) bool."""
    best = logits.detach().topk(min(3, logits.shape[-1]), dim=-1).indices
    return (best == targets[..., None]).any(-1)


def share_of_tokens(hits: Tensor, targets: Tensor, eos: int) -> Tensor:
    """Share of `hits` among the targets that are not EOS, a scalar."""
    counted = targets != eos
    return (hits & counted).sum() / counted.sum().clamp_min(1)


def preference_loss(chosen_logps: Tensor, rejected_logps: Tensor, *, beta: float = PREFERENCE_BETA) -> Tensor:
    """Mean over rows (B,) of -log sigmoid(beta (chosen - rejected)): DPO without a reference model."""
    return -F.logsigmoid(beta * (chosen_logps - rejected_logps)).mean()


def dpo_rejected(codes: Tensor, code_lens: Tensor, *, pad: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Worse versions of `codes` (B, S): in each row one stretch is said twice or lost, by a fair coin.

    Unlike the official trainer, which cuts the padded row, only the real codes of a row take part.

    Returns:
        (B, S') codes right-padded with `pad`, and their lengths (B,).
    """
    rows = []
    for row, length in zip(codes, code_lens.tolist(), strict=True):
        start, end = sorted(torch.randint(0, max(length, 1), (2,), generator=generator).tolist())
        twice = bool(torch.randint(0, 2, (), generator=generator))
        real = row[:length]
        rows.append(torch.cat((real[: end if twice else start], real[start if twice else end :])))
    lengths = torch.tensor([len(row) for row in rows], device=code_lens.device)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad), lengths
