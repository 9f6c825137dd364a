"""Losses and metrics of Text2Semantic training, on logits alone; knows no network.

Legend: B batch, S semantic tokens, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PREFERENCE_BETA = 0.2
"""Strength of the preference term in AR/models/utils.py, `dpo_loss`."""


@dataclass(frozen=True)
class T2SLoss:
    """Result of a training forward.

    Args:
        loss: summed cross-entropy, a scalar.
        row_logps: (B,) log-probability of each row of tokens, EOS included.
        top3_accuracy: share of targets other than EOS among the three most likely, a scalar without gradient.
        alignment: the alignment loss per token, a scalar, None unless `align`.
    """

    loss: Tensor
    row_logps: Tensor
    top3_accuracy: Tensor
    alignment: Tensor | None = None


def pad_with_eos(tokens: Tensor, token_lens: Tensor, eos: int) -> Tensor:
    """Targets (B, S+1): `tokens` (B, S) up to each length in `token_lens` (B,), EOS from there on.

    The official `pad_y_eos` (AR/models/t2s_model.py); the network reads the same without the last column.
    """
    # tokens   a b c . .        targets   a b c E E E        read   _ a b c E E      _ the last phone
    padded = F.pad(tokens, (0, 1), value=eos)
    is_past = torch.arange(padded.shape[1], device=tokens.device) >= token_lens[:, None]
    return padded.masked_fill(is_past, eos)


def target_logps(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each target: logits (..., V), targets (...) int64 -> (...) float32."""
    flat = F.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), reduction="none")
    return -flat.view(targets.shape)


def in_top3(logits: Tensor, targets: Tensor) -> Tensor:
    """Whether a target is among the three largest logits: (..., V), (...) -> (...) bool."""
    best = logits.detach().topk(min(3, logits.shape[-1]), dim=-1).indices
    return (best == targets[..., None]).any(-1)


def share_of_tokens(hits: Tensor, targets: Tensor, eos: int) -> Tensor:
    """Share of `hits` (...) bool among the `targets` (...) that are not EOS, a scalar."""
    counted = targets != eos
    return (hits & counted).sum() / counted.sum().clamp_min(1)


def preference_loss(chosen_logps: Tensor, rejected_logps: Tensor, *, beta: float = PREFERENCE_BETA) -> Tensor:
    """How little the model prefers the chosen tokens to the rejected ones: both (B,) log-probabilities -> scalar.

    Direct preference optimisation (Rafailov et al. 2023) without a reference model: AR/models/utils.py, `dpo_loss`
    with `reference_free`. The mean over rows.
    """
    # - log sigmoid( beta [ log pi(y+) / ref(y+)  -  log pi(y-) / ref(y-) ] ), where ref likes both alike and cancels
    return -F.logsigmoid(beta * (chosen_logps - rejected_logps)).mean()


def make_rejected_tokens(
    tokens: Tensor, token_lens: Tensor, *, pad: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Worse versions of `tokens` (B, S): in each row one stretch comes twice or is lost, by a fair coin.

    Unlike the official one (AR/models/utils.py, `make_reject_y`), which cuts the padded row, only the real tokens of
    a row take part.

    Args:
        tokens: (B, S) int64.
        token_lens: (B,) real tokens of each row.
        pad: fills shorter rows.
        generator: where stretches and coins are drawn.

    Returns:
        (B, S') tokens right-padded with `pad`, and their lengths (B,).
    """
    rows = []
    for row, length in zip(tokens, token_lens.tolist(), strict=True):
        start, end = sorted(torch.randint(0, max(length, 1), (2,), generator=generator).tolist())
        # tokens   a b c d e f        twice   a b c d c d e f        lost   a b e f          stretch: c d
        twice = bool(torch.randint(0, 2, (), generator=generator))
        real = row[:length]
        rows.append(torch.cat((real[: end if twice else start], real[start if twice else end :])))
    lengths = torch.tensor([len(row) for row in rows], device=token_lens.device)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad), lengths
