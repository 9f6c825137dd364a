"""One attention head that points at the phone being spoken: the loss that teaches it, and decoding that follows it.

A model that knows where in the text it is learns from hours of speech, not from hundreds. Ours; the official program
has neither the loss nor the window.

Legend: B batch, S semantic tokens, P phones, L positions attended to, H heads, E head width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

BLANK = -1.0
"""Logit of "no phone", against which each phone has to win (Badlani et al. 2021)."""

PADDING_LOGIT = -1e4
"""Finite, or the gradient of the loss is NaN."""

DIAGONAL_WIDTH = 0.15
"""Spread of the prior around the diagonal, as a share of the text."""

HEAD = 0
"""The head that is taught."""

REACH = 1
"""How many phones before and after its own a row sees."""


def taught_layer(layers: int) -> int:
    """The block whose head is taught: the middle one, so that later ones can use what it found."""
    return layers // 2


# phone   d   o   b  r  y            the taught head's attention, a token a row
# token 0 █   .   .  .  .
# token 1 █   .   .  .  .            monotonic: it stays or goes on by one phone,
# token 2 .   █   .  .  .            and all phones are passed
# token 3 .   █   .  .  .
# token 4 .   .   █  .  .
# token 5 .   .   .  █  .
# token 6 .   .   .  .  █
def alignment_loss(scores: Tensor, phone_lens: Tensor, token_lens: Tensor) -> Tensor:
    """Minus the log-probability of all monotonic alignments, per token.

    No timed phones are needed: the loss sums over every monotonic way through the phones ("One TTS Alignment To Rule
    Them All", Badlani et al. 2021), which is the CTC loss (Graves et al. 2006) of the labels 1, 2, .., P: every phone
    once, in order.

    Args:
        scores: (B, S, P) attention scores of tokens on phones, before the softmax; phones padded on the right.
        phone_lens: (B,) number of phones.
        token_lens: (B,) number of tokens. Rows with fewer tokens than phones do not count.

    Returns:
        A scalar, in float32.
    """
    tokens, phones = scores.shape[1:]
    logits = scores.float() + diagonal_prior(phone_lens, token_lens, tokens, phones)
    is_padding = torch.arange(phones, device=scores.device) >= phone_lens[:, None]
    logits = logits.masked_fill(is_padding[:, None], PADDING_LOGIT)
    log_probs = F.pad(logits, (1, 0), value=BLANK).log_softmax(-1)  # (B, S, 1 + P), column 0 is the blank
    # loss = - log  sum over monotonic ways w of  prod over tokens s of  p[s, w(s)]
    labels = torch.arange(1, phones + 1, device=scores.device).expand(len(scores), -1)
    losses = F.ctc_loss(
        log_probs.transpose(0, 1), labels, token_lens, phone_lens, blank=0, reduction="none", zero_infinity=True
    )
    return losses.sum() / token_lens.sum()


def diagonal_prior(phone_lens: Tensor, token_lens: Tensor, tokens: int, phones: int) -> Tensor:
    """Log of how likely a token is to belong to a phone by their positions alone, up to a constant.

    Args:
        phone_lens: (B,).
        token_lens: (B,).
        tokens: S, the most there are.
        phones: P, the most there are.

    Returns:
        (B, S, P).
    """
    # -(x - y)^2 / (2 width^2), x and y how far, from 0 to 1, the token is in the speech and the phone in the text
    in_speech = (torch.arange(tokens, device=token_lens.device) + 0.5) / token_lens[:, None]
    in_text = (torch.arange(phones, device=phone_lens.device) + 0.5) / phone_lens[:, None]
    return -0.5 * ((in_speech[:, :, None] - in_text[:, None]) / DIAGONAL_WIDTH).square()


class MonotonicAttentionWindow:
    """Keeps the rows of a decoding at their phones: what the taught head points at, its neighbours, and no other text.

    From the taught block on every head sees, of the text, only a window of 2 * `REACH` + 1 phones, which only moves
    forward (Ping et al. 2018, Deep Voice 3). Without it a row jumps back where the same phones come again ("sells
    fresh bread"), or leaves words out.

    It serves rows without a prompt: the text lies at a row's first positions, and the window begins at the first phone.
    """

    def __init__(self, layers: int, rows: int, positions: int, device: torch.device) -> None:
        self._layer = taught_layer(layers)
        self._positions = torch.arange(positions, device=device)
        self._phone_lens = torch.zeros(rows, dtype=torch.long, device=device)
        self._centres = torch.zeros(rows, dtype=torch.long, device=device)  # the phone that each row is at

    def reset(self, row: int, phones: int) -> None:
        """Put a row at the first of its phones."""
        self._phone_lens[row], self._centres[row] = phones, 0

    def reorder(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        index = torch.tensor(order, dtype=torch.long, device=self._centres.device)
        count = len(order)
        self._phone_lens[:count], self._centres[:count] = self._phone_lens[index], self._centres[index]

    def mask(self, layer: int, query: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """The attention bias of one block; in the taught one the windows move on first.

        Args:
            layer: index of the block; every block of a step is asked for, in order.
            query: (B, H, E) of the new position.
            keys: (B, H, L, E).
            bias: (B, 1, 1, L) what hides positions from every block, or what this gave for the block before.

        Returns:
            (B, 1, 1, L).
        """
        if layer != self._layer:
            return bias
        rows, extent = len(query), keys.shape[2]
        phone_lens, centres = self._phone_lens[:rows, None], self._centres[:rows, None]
        positions = self._positions[:extent]
        # positions   0  1  2  3  4  5 │ 6  7  8  9         6 phones, then 4 tokens
        # phone 3     -  -  █  █  █  - │ █  █  █  █         the window, and every token
        # phone 4     -  -  -  █  █  █ │ █  █  █  █         after the head pointed at phone 4
        is_text = positions < phone_lens
        is_near = is_text & (positions >= centres - REACH) & (positions <= centres + REACH)
        # a sum, not a matrix product: its order does not depend on the other rows
        scores = (keys[:, HEAD] * query[:, HEAD, None]).sum(-1) * query.shape[-1] ** -0.5
        best, phone = scores.masked_fill(~is_near, -torch.inf).max(-1)
        ahead = torch.maximum(phone, self._centres[:rows])
        self._centres[:rows] = torch.where(best > BLANK, ahead, self._centres[:rows])
        return bias.masked_fill((is_text & ~is_near)[:, None, None], -torch.inf)
