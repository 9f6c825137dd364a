"""The alignment loss: one attention head learns to point at the phone that each token says, in reading order.

Without timed phones: every monotonic way through the phones counts (forward sum, as in "One TTS Alignment To Rule
Them All", Badlani et al. 2021), and ways near the diagonal are likelier beforehand. Ours; the official trainer has no
such loss. A model that knows its place in the text learns from hours of speech, not from hundreds.

Legend: B batch, S semantic tokens, P phones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLANK = -1.0
"""Logit of "no phone", against which each phone has to win (Badlani et al.)."""

NEVER = -1e4
"""Logit of padding: finite, or the gradient of the loss is no number."""

DIAGONAL_WIDTH = 0.15
"""Spread of the prior around the diagonal, as a share of the text."""

HEAD = 0
"""The head that is taught."""


def taught_layer(layers: int) -> int:
    """The block whose head is taught: the middle one, so that later ones can use what it found."""
    return layers // 2


def alignment_loss(scores: Tensor, phone_lens: Tensor, code_lens: Tensor) -> Tensor:
    """Minus the log-probability of all monotonic alignments, per token.

    Args:
        scores: (B, S, P) attention scores of tokens on phones, before the softmax; phones padded on the right.
        phone_lens, code_lens: (B,) real phones and tokens. Rows with fewer tokens than phones do not count.

    Returns:
        A scalar, in float32.
    """
    tokens, phones = scores.shape[1:]
    logits = scores.float() + diagonal_prior(phone_lens, code_lens, tokens, phones)
    padding = torch.arange(phones, device=scores.device) >= phone_lens[:, None]
    logits = logits.masked_fill(padding[:, None], NEVER)
    log_probs = F.pad(logits, (1, 0), value=BLANK).log_softmax(-1)
    order = torch.arange(1, phones + 1, device=scores.device).expand(len(scores), -1)
    losses = F.ctc_loss(
        log_probs.transpose(0, 1), order, code_lens, phone_lens, blank=0, reduction="none", zero_infinity=True
    )
    return losses.sum() / code_lens.sum()


def diagonal_prior(phone_lens: Tensor, code_lens: Tensor, tokens: int, phones: int) -> Tensor:
    """Log of how likely a token is to say a phone by their places alone, up to a constant: (B, S, P)."""
    heard = (torch.arange(tokens, device=code_lens.device) + 0.5) / code_lens[:, None]
    read = (torch.arange(phones, device=phone_lens.device) + 0.5) / phone_lens[:, None]
    return -0.5 * ((heard[:, :, None] - read[:, None]) / DIAGONAL_WIDTH).square()
