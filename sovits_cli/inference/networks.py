"""The networks of a voice on a device, prepared for speaking: text features, tokens, sound, and what a recording says.

Nothing in them changes once they are made, so several threads may use them. Knows no order of utterances and no checks.

Legend: T samples, P phones, S semantic tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sovits_cli.audio.resampling import soxr_resample
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import load_gpt
from sovits_cli.errors import ModelError
from sovits_cli.features import content
from sovits_cli.features.semantic_tokens import SemanticTokenizer
from sovits_cli.inference.acoustic import ACOUSTICS, Acoustic, SpeakerStyle
from sovits_cli.inference.reference import Prompt, Recording
from sovits_cli.inference.request import SynthesisOptions
from sovits_cli.models.t2s.decode import Sampling, T2SRequest, T2SResult, decode_each
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import SSL_RATE_HZ
from sovits_cli.text import symbols
from sovits_cli.text.utterances import Utterance

if TYPE_CHECKING:
    from sovits_cli.features.bert import BertFeatures

PROMPT_TAIL_SAMPLES = 9600
"""Silence after a prompt: 0.3 s counted at 32 kHz, heard at 16 kHz (TTS_infer_pack/TTS.py,
`_set_prompt_semantic`)."""

UNKNOWN_WORDS = "."
"""The phone that stands for what is said in a reference without a transcript, where a model has to be told."""


class VoiceNetworks:
    """The networks of a bundle, in float32, in evaluation mode.

    Raises:
        ModelError: a file of the bundle cannot be used.
    """

    def __init__(self, bundle: Bundle, device: str) -> None:
        self.bundle = bundle
        self.device = torch.device(device)
        self._gpt: Text2Semantic = load_gpt(bundle).to(self.device)
        self._gpt.prepare_for_inference()
        self._acoustic: Acoustic = ACOUSTICS[bundle.version.decoder.kind](bundle, self.device)
        self._bert: BertFeatures | None = None
        self._bert_lock = threading.Lock()

    @property
    def rate(self) -> int:
        """Sample rate of the speech, in Hz."""
        return self._acoustic.rate

    @property
    def tracks_alignment(self) -> bool:
        """Whether a head of the GPT was taught at which phone the speech is."""
        return self.bundle.version.training.alignment_loss_weight > 0

    @property
    def parameters(self) -> int:
        """Numbers in all networks."""
        networks = (self._gpt, self._acoustic.network)
        return sum(value.numel() for network in networks for value in network.parameters())

    def style(self, recording: Recording, prompt: Prompt | None) -> SpeakerStyle:
        """How the speaker of a recording sounds; `prompt` tells what is said in it, where that is known."""
        if prompt is None and self._acoustic.needs_prompt:
            unknown = torch.tensor(symbols.ids([UNKNOWN_WORDS], self.bundle.version.symbols))
            prompt = Prompt(unknown, None, self.semantic_tokens(recording))
        return self._acoustic.style(recording, prompt)

    def semantic_tokens(self, recording: Recording) -> Tensor:
        """The semantic tokens (S,) of a recording's window.

        The encoder of content is loaded for this and let go: it is as large as the rest, and few references are heard.

        Raises:
            ModelError: the bundle has no content encoder.
        """
        wave = soxr_resample(recording.waves[recording.window], recording.rate, SSL_RATE_HZ)
        # 9600 zeros are what the official program adds: it counts 0.3 s at 32 kHz, where its encoder hears 16 kHz. The
        # models were trained to go on from prompts that end in this silence.
        padded = torch.from_numpy(np.concatenate([wave, np.zeros(PROMPT_TAIL_SAMPLES, np.float32)]))
        features = content.load_content_encoder(self.bundle, self.device).encode(padded)
        return SemanticTokenizer(self.bundle, self.device).tokens(features).cpu()

    def prompt(self, recording: Recording, words: Utterance) -> Prompt:
        """What the GPT continues: the words of a recording's window and its tokens. Errors: see `semantic_tokens`."""
        return Prompt(self.phone_ids(words), self._bert_features(words), self.semantic_tokens(recording))

    def request(self, utterance: Utterance, prompt: Prompt | None, seed: int) -> T2SRequest:
        """What the GPT is asked: the words of the prompt and those of the utterance, and the prompt's tokens."""
        phones, bert = self.phone_ids(utterance), self._bert_features(utterance)
        if prompt is None:
            return T2SRequest(phones, bert, torch.zeros(0, dtype=torch.long), seed)
        both = joined_features((prompt.bert, bert), (len(prompt.phones), len(phones)))
        return T2SRequest(torch.cat([prompt.phones, phones]), both, prompt.tokens, seed)

    def phone_ids(self, utterance: Utterance) -> Tensor:
        """The phones of an utterance, (P,) ids."""
        return torch.tensor(symbols.ids(utterance.phones, self.bundle.version.symbols))

    def decoded(
        self, requests: Sequence[T2SRequest], options: SynthesisOptions, *, max_tokens: int, monotonic: bool
    ) -> Iterator[tuple[int, T2SResult]]:
        """The tokens of requests, each with its index, as they end. See `decode_each`.

        Args:
            requests: decoded side by side, as many as the options say.
            options: how tokens are drawn.
            max_tokens: where a request ends that does not end by itself.
            monotonic: keep each at its place in the text; for networks that track it, and requests without a prompt.

        Raises:
            ModelError: the network gives logits that are NaN or infinite.
        """
        sampling = Sampling(
            top_k=options.top_k,
            top_p=options.top_p,
            temperature=options.temperature,
            repetition_penalty=options.repetition_penalty,
        )
        rows = options.batch_size
        try:
            yield from decode_each(
                self._gpt, requests, sampling, max_tokens=max_tokens, max_rows=rows, monotonic=monotonic
            )
        except FloatingPointError as error:
            raise _not_finite(self.bundle.gpt, "logits") from error

    def alignment_error(self, request: T2SRequest, tokens: Tensor) -> float:
        """How far tokens (S,) leave their text (`Text2Semantic.text_deviation`); 0 where the model cannot tell."""
        if not self.tracks_alignment:
            return 0.0
        bert = None if request.bert is None else request.bert.to(self.device)
        whole = torch.cat([request.prompt.to(tokens), tokens])
        return self._gpt.text_deviation(request.phones.to(self.device), bert, whole.to(self.device))

    def wave(
        self, tokens: Tensor, utterance: Utterance, style: SpeakerStyle, options: SynthesisOptions, *, seed: int
    ) -> np.ndarray:
        """The sound of tokens, (T,) float32.

        Args:
            tokens: (S,) of an utterance.
            utterance: what they say.
            style: how the speaker sounds.
            options: speed, and how a flow is followed.
            seed: decides all noise.

        Raises:
            ModelError: the network gives samples that are NaN or infinite.
        """
        wave = self._acoustic.wave(tokens, self.phone_ids(utterance), style, options, seed=seed)
        if not np.isfinite(wave).all():
            raise _not_finite(self.bundle.sovits, "samples")
        return wave

    def _bert_features(self, utterance: Utterance) -> Tensor | None:
        """The text feature of an utterance, (bert_dim, P); None where it has none, or the GPT takes none."""
        if self.bundle.bert is None or not self._gpt.config.bert_dim:
            return None
        if not any(piece.has_bert for piece in utterance.pieces):
            return None
        with self._bert_lock:
            if self._bert is None:
                from sovits_cli.features.bert import BertFeatures  # brings the tokenizers library

                self._bert = BertFeatures.load(self.bundle.bert, self.device, width=self._gpt.config.bert_dim)
        return self._bert.of_pieces(utterance.pieces).cpu()


def joined_features(given: Sequence[Tensor | None], lengths: Sequence[int]) -> Tensor | None:
    """Text features (bert_dim, P) one after the other; zeros for those that have none, None if none has any.

    Args:
        given: of each text.
        lengths: phones of each text.
    """
    width = next((len(bert) for bert in given if bert is not None), None)
    if width is None:
        return None
    parts = [torch.zeros(width, length) if bert is None else bert for bert, length in zip(given, lengths, strict=True)]
    return torch.cat(parts, dim=1)


def _not_finite(file: Path, what: str) -> ModelError:
    return ModelError(
        f"{file} gives {what} that are NaN or infinite", code="inference.not_finite", fields={"file": file}
    )
