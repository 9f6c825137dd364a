"""The GPT stage: Text2Semantic learns the semantic tokens of a clip from its phones.

The loss is the mean cross-entropy per token, the end token included, so that its gradient does not depend on how a step
is cut into batches. The official trainer (AR/models/t2s_model.py, `Text2SemanticDecoder.forward` and `forward_old`)
sums it instead, and counts the end token at every padded position as well (`loss_on_padding`). Further terms:

    L = CE / targets + weight · alignment / tokens + preference / (targets · clips)

    alignment    pulls the attention of each token to the phone it belongs to (`models/t2s/loss.py`)
    preference   DPO without a reference model, as in the official program (AR/models/utils.py, `dpo_loss` and
                 `make_reject_y`): tokens with a stretch repeated or lost should be less likely than the true ones

Legend: B batch, S semantic tokens, P phones, D width of BERT features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sovits_cli.data.batching import GptBatch
from sovits_cli.models.t2s.loss import T2SLoss, make_rejected_tokens, preference_loss
from sovits_cli.models.t2s.model import T2SInputs, Text2Semantic
from sovits_cli.terms import Stage
from sovits_cli.training.optim import GPT_OPTIMIZERS, LearningRateSchedule
from sovits_cli.training.stages.base import WHOLE_UPDATE, ExportTag, Losses, OptimizedModule, Shares


@dataclass(frozen=True)
class GptStageOptions:
    """How the GPT is trained.

    Args:
        optimizer: a name of `GPT_OPTIMIZERS`.
        alignment_loss_weight: of the alignment loss; 0 leaves it away.
        token_noise: share of the tokens that the network reads which are replaced by others.
        preference_loss: add the preference loss against damaged token rows (`train.if_dpo`).
        loss_on_padding: count the end token of padded positions, as the official loss does.
    """

    optimizer: str = "scaled_adam"
    alignment_loss_weight: float = 0.0
    token_noise: float = 0.0
    preference_loss: bool = False
    loss_on_padding: bool = False


class GptStage:
    """Text2Semantic with one optimiser.

    Args:
        model: on the device already.
        options: how it is trained.
        schedule: its learning rate.
        export: writes the weights.
    """

    stage = Stage.GPT
    denominator_names: Sequence[str] = ("targets", "tokens", "clips")

    def __init__(
        self,
        model: Text2Semantic,
        options: GptStageOptions,
        *,
        schedule: LearningRateSchedule,
        export: Callable[[Text2Semantic, Path, ExportTag], Path],
    ) -> None:
        self._model, self._options, self._export = model, options, export
        optimizer = GPT_OPTIMIZERS[options.optimizer](model)
        self.optimized_modules: Sequence[OptimizedModule] = (OptimizedModule("gpt", model, optimizer, schedule),)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"gpt": self._model}

    def denominators(self, batch: GptBatch) -> Mapping[str, float]:
        """Targets are the tokens of each clip and its end token, whose attention is aligned to nothing."""
        tokens = float(batch.token_lens.sum())
        return {"targets": tokens + len(batch), "tokens": tokens, "clips": float(len(batch))}

    def sample_noise(self, batch: GptBatch) -> GptBatch:
        """Replace some of the tokens that the network reads, not those that it predicts."""
        share = self._options.token_noise
        if not share:
            return batch
        return replace(batch, input_tokens=with_token_noise(batch.tokens, share, self._model.config.eos))

    def train(self) -> None:
        """Turn dropout on."""
        self._model.train()

    def losses(self, batch: GptBatch, shares: Shares = WHOLE_UPDATE) -> Losses:
        """Mean cross-entropy per token, and the share of tokens among the three likeliest."""
        weight = self._options.alignment_loss_weight
        chosen = self._forward(batch, batch.tokens, batch.token_lens, align=weight > 0)
        targets, share = self.denominators(batch)["targets"], shares.get("targets", 1.0)
        metrics = {"loss": chosen.loss / targets, "top3": chosen.top3_accuracy}
        loss = metrics["loss"] * share
        if chosen.alignment is not None:
            metrics["alignment"] = chosen.alignment
            loss = loss + weight * chosen.alignment * shares.get("tokens", 1.0)
        if self._options.preference_loss:
            metrics["preference"] = self._preference_loss(batch, chosen)
            loss = loss + metrics["preference"] * shares.get("clips", 1.0) * share / targets
        return Losses({"gpt": loss}, metrics)

    def evaluate(self, batch: GptBatch) -> Mapping[str, Tensor]:
        """The same numbers without dropout."""
        self._model.eval()
        found = self._forward(replace(batch, input_tokens=None), batch.tokens, batch.token_lens)
        return {"loss": found.loss / self.denominators(batch)["targets"], "top3": found.top3_accuracy}

    def export(self, folder: Path, tag: ExportTag) -> Path:
        """Write the weights into `folder`."""
        return self._export(self._model, folder, tag)

    def _forward(self, batch: GptBatch, tokens: Tensor, token_lens: Tensor, *, align: bool = False) -> T2SLoss:
        """Losses of tokens (B, S) with lengths (B,) after the phones of the batch."""
        clips = T2SInputs(batch.phones, batch.phone_mask, batch.bert, tokens, token_lens, batch.input_tokens)
        found: T2SLoss = self._model(clips, ignore_padding=not self._options.loss_on_padding, align=align)
        return found

    def _preference_loss(self, batch: GptBatch, chosen: T2SLoss) -> Tensor:
        """How little the model prefers the real tokens to a version with a stretch repeated or lost: ()."""
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        tokens, token_lens = make_rejected_tokens(
            batch.tokens.cpu(), batch.token_lens.cpu(), pad=self._model.config.eos, generator=generator
        )
        device = batch.tokens.device
        rejected = self._forward(replace(batch, input_tokens=None), tokens.to(device), token_lens.to(device))
        return preference_loss(chosen.row_logps, rejected.row_logps)


def with_token_noise(tokens: Tensor, share: float, vocabulary: int) -> Tensor:
    """A copy of `tokens` (B, S) with this share of them replaced by any of the first `vocabulary` tokens.

    A network that trains on its own kind of mistakes learns to look at the text again after one.
    """
    others = torch.randint_like(tokens, vocabulary)
    return torch.where(torch.rand(tokens.shape, device=tokens.device) < share, others, tokens)
