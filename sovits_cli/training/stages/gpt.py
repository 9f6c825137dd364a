"""The GPT stage: Text2Semantic learns the semantic tokens of a clip from its phones.

The loss is the mean cross-entropy per token, so that its gradient does not depend on how a step is cut into batches;
the official trainer sums it, and counts the end token of every padded place as well (`count_padding`).

Legend: B batch, S semantic tokens, P phones, D width of BERT features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sovits_cli.data.batching import GptBatch
from sovits_cli.models.t2s.loss import T2SLoss, make_rejected_tokens, preference_loss
from sovits_cli.models.t2s.model import T2SInputs, Text2Semantic
from sovits_cli.terms import Stage
from sovits_cli.training.optim import ScaledAdam
from sovits_cli.training.schedule import Schedule
from sovits_cli.training.stages.base import ALONE, ExportTag, Losses, OptimizedModule, Shares

ADAMW_BETAS = (0.9, 0.95)

OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "scaled_adam": lambda model: ScaledAdam(model.parameters(), lr=0.0),
    "adamw": lambda model: AdamW(model.parameters(), lr=0.0, betas=ADAMW_BETAS, fused=on_cpu(model) or None),
}
"""By the name in `optimizer.name`; the rate is set before each step."""

DEFAULT_RATES = {"scaled_adam": 0.002, "adamw": 3e-4}
"""The rate that the official trainer really uses, and a usual one."""


class GptStage:
    """Text2Semantic with one optimiser.

    Args:
        model: on the device already.
        optimizer: a name of `OPTIMIZERS`.
        schedule: its learning rate.
        export: writes the weights.
        alignment: weight of the alignment loss; 0 leaves it away.
        token_noise: share of the tokens that the network reads which are replaced by others.
        preference: add the preference loss against with_token_noise token rows (`train.if_dpo`).
        count_padding: count the end token of padded places, as the official loss does.
    """

    stage = Stage.GPT
    denominator_names: Sequence[str] = ("tokens", "codes", "clips")

    def __init__(
        self,
        model: Text2Semantic,
        *,
        optimizer: str,
        schedule: Schedule,
        export: Callable[[Text2Semantic, Path, ExportTag], Path],
        alignment: float = 0.0,
        token_noise: float = 0.0,
        preference: bool = False,
        count_padding: bool = False,
    ) -> None:
        self._model = model
        self._export = export
        self._alignment = alignment
        self._token_noise = token_noise
        self._preference = preference
        self._count_padding = count_padding
        self.optimized_modules: Sequence[OptimizedModule] = (
            OptimizedModule("gpt", model, OPTIMIZERS[optimizer](model), schedule),
        )

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"gpt": self._model}

    def denominators(self, batch: GptBatch) -> Mapping[str, float]:
        """Tokens to predict, the end included; tokens; clips."""
        codes = float(batch.token_lens.sum())
        return {"tokens": codes + len(batch), "codes": codes, "clips": float(len(batch))}

    def sample_noise(self, batch: GptBatch) -> GptBatch:
        """Draw the tokens that are heard wrong."""
        if not self._token_noise:
            return batch
        return replace(batch, input_tokens=with_token_noise(batch.tokens, self._token_noise, self._model.config.eos))

    def train(self) -> None:
        """Dropout on."""
        self._model.train()

    def losses(self, batch: GptBatch, shares: Shares = ALONE) -> Losses:
        """Mean cross-entropy per token, and the share of tokens among the three likeliest."""
        chosen = self._forward(
            batch, batch.tokens, batch.token_lens, heard=batch.input_tokens, align=self._alignment > 0
        )
        tokens = self.denominators(batch)["tokens"]
        share = shares.get("tokens", 1.0)
        metrics = {"loss": chosen.loss / tokens, "top3": chosen.top3_accuracy}
        loss = metrics["loss"] * share
        if chosen.alignment is not None:
            metrics["alignment"] = chosen.alignment
            loss = loss + self._alignment * chosen.alignment * shares.get("codes", 1.0)
        if self._preference:
            preference = self._preference_loss(batch, chosen)
            metrics["preference"] = preference
            loss = loss + preference * shares.get("clips", 1.0) * share / tokens
        return Losses({"gpt": loss}, metrics)

    def evaluate(self, batch: GptBatch) -> Mapping[str, Tensor]:
        """The same numbers without dropout."""
        self._model.eval()
        found = self._forward(batch, batch.tokens, batch.token_lens)
        return {"loss": found.loss / self.denominators(batch)["tokens"], "top3": found.top3_accuracy}

    def export(self, folder: Path, mark: ExportTag) -> Path:
        """Write the weights into `folder`."""
        return self._export(self._model, folder, mark)

    def _forward(
        self,
        batch: GptBatch,
        codes: Tensor,
        token_lens: Tensor,
        *,
        heard: Tensor | None = None,
        align: bool = False,
    ) -> T2SLoss:
        clips = T2SInputs(batch.phones, batch.phone_mask, batch.bert, codes, token_lens, heard)
        found: T2SLoss = self._model(clips, ignore_padding=not self._count_padding, align=align)
        return found

    def _preference_loss(self, batch: GptBatch, chosen: T2SLoss) -> Tensor:
        """How little the model prefers the real tokens to a version with a stretch said twice or lost."""
        draw = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        codes, token_lens = make_rejected_tokens(
            batch.tokens.cpu(), batch.token_lens.cpu(), pad=self._model.config.eos, generator=draw
        )
        rejected = self._forward(batch, codes.to(batch.tokens.device), token_lens.to(batch.tokens.device))
        return preference_loss(chosen.row_logps, rejected.row_logps)


def with_token_noise(codes: Tensor, share: float, vocabulary: int) -> Tensor:
    """A copy of `codes` with this share of them replaced by any of the first `vocabulary` tokens.

    A network that trains on its own kind of mistakes learns to look at the text again after one.
    """
    others = torch.randint_like(codes, vocabulary)
    return torch.where(torch.rand(codes.shape, device=codes.device) < share, others, codes)


def on_cpu(model: nn.Module) -> bool:
    """Whether a module lives on the CPU, where the fused AdamW is the fast one."""
    return next(model.parameters()).device.type == "cpu"
