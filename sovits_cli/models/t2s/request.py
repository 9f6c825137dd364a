"""What is to be spoken, as the network wants it, and the checks that it can be.

Legend: P phones, S semantic tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sovits_cli.errors import InputError, ModelError, TextError
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.terms import SEMANTIC_RATE_HZ

MAX_PROMPT_S = 54
"""The longest recording the official models saw in training."""


@dataclass(frozen=True)
class T2SRequest:
    """One utterance to decode.

    Args:
        phones: (P,) ids of the prompt's text, then of the text to speak.
        bert: (bert_dim, P) text feature; None counts as zeros.
        prompt: (S,) semantic tokens of the reference, possibly none.
        seed: decides every draw of this utterance, whatever is decoded beside it.
    """

    phones: Tensor
    bert: Tensor | None
    prompt: Tensor
    seed: int


def check(request: T2SRequest, config: T2SConfig) -> None:
    """Refuse what the network cannot read.

    Raises:
        TextError: no phones.
        InputError: a prompt that is too long.
        ModelError: ids or features made for another model.
    """
    if request.phones.ndim != 1 or not len(request.phones):
        raise TextError("nothing to speak: the text has no phones")
    longest = MAX_PROMPT_S * SEMANTIC_RATE_HZ
    if len(request.prompt) > longest:
        seconds = len(request.prompt) / SEMANTIC_RATE_HZ
        raise InputError(
            f"the reference is {seconds:.1f} s long, expected at most {MAX_PROMPT_S} s",
            hint="use a reference of 3 to 10 seconds",
        )
    _check_ids(request.phones, config.phones, "phone", "the text was made with another phone table")
    _check_ids(request.prompt, config.eos, "semantic token", "the reference was read by another SoVITS model")
    expected = (config.bert_dim, len(request.phones))
    if request.bert is not None and tuple(request.bert.shape) != expected:
        raise ModelError(f"text feature of shape {tuple(request.bert.shape)}, the GPT model expects {expected}")


def _check_ids(ids: Tensor, count: int, what: str, reason: str) -> None:
    if not ids.numel():
        return
    low, high = (int(end) for end in ids.aminmax())
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise ModelError(f"{what} id {wrong} is outside this GPT model's table of {count}: {reason}")
