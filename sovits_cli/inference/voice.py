"""A voice ready to speak: the two networks, and what a reference gives them (timbre, and tokens of the prompt).

Legend: T samples, F frames, P phones, S semantic tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sovits_cli.audio.reader import read_audio
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import load_gpt
from sovits_cli.features import content
from sovits_cli.features.semantic_tokens import SemanticTokenizer
from sovits_cli.inference.acoustic import ACOUSTICS, Acoustic, FlowSettings, PromptTokens, SpeakerStyle
from sovits_cli.inference.reference import Reference
from sovits_cli.models.t2s.decode import T2SRequest
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import SSL_RATE_HZ
from sovits_cli.text import lexicon, reading, symbols
from sovits_cli.text.lexicon import Lexicon

if TYPE_CHECKING:
    from sovits_cli.features.bert import BertFeatures

PROMPT_TAIL_SAMPLES = 9600
"""Silence that the official program puts after a prompt: 0.3 s counted at 32 kHz, heard at 16 kHz."""

CLOSING_MARKS = "，。？！,.?!~:：—…"
"""A transcript that ends in none of these gets a full stop (official)."""

UNKNOWN_WORDS = "."
"""The phone that stands for what is said in a reference without a transcript, where a model has to be told."""


@dataclass(frozen=True)
class Prompt:
    """What the GPT continues: nothing, or the reference's phones and tokens.

    Args:
        phones: (P,) ids of the transcript.
        bert: (bert_dim, P) text feature, or None for zeros.
        tokens: (S,) semantic tokens of the recording.
    """

    phones: Tensor
    bert: Tensor | None
    tokens: Tensor


NO_PROMPT = Prompt(torch.zeros(0, dtype=torch.long), None, torch.zeros(0, dtype=torch.long))


@dataclass(frozen=True)
class EncodedText:
    """A sentence as the networks want it.

    Args:
        phones: (P,) ids.
        bert: (bert_dim, P) text feature, or None for zeros.
        sounds: how many of the phones are heard, not marks.
    """

    phones: Tensor
    bert: Tensor | None
    sounds: int


class Voice:
    """The networks of a bundle on a device, prepared for speaking."""

    def __init__(
        self,
        bundle: Bundle,
        device: str,
        *,
        flow: FlowSettings = FlowSettings(),  # noqa: B008 - frozen
        compat: bool = False,
        words: Lexicon = lexicon.EMPTY_LEXICON,
    ) -> None:
        self.bundle = bundle
        self._compat = compat
        self._words = words
        self.device = torch.device(device)
        self.gpt: Text2Semantic = load_gpt(bundle).to(self.device)
        self.gpt.prepare_for_inference()
        self.acoustic: Acoustic = ACOUSTICS[bundle.version.decoder.kind](bundle, self.device, flow)
        self._bert: BertFeatures | None = None

    @property
    def rate(self) -> int:
        """Sample rate of the speech."""
        return self.acoustic.rate

    @property
    def tracks_alignment(self) -> bool:
        """Whether a head of the GPT was taught at which phone the speech is."""
        return self.bundle.version.training.alignment_loss_weight > 0

    @property
    def parameters(self) -> int:
        """Numbers in both networks."""
        networks = (self.gpt, self.acoustic.network)
        return sum(value.numel() for network in networks for value in network.parameters())

    def style(self, reference: Reference, prompt: Prompt = NO_PROMPT) -> SpeakerStyle:
        """How a reference sounds; `prompt` tells what is said in it, where that is known."""
        if not self.acoustic.needs_prompt:
            return self.acoustic.style(reference, None)
        if len(prompt.tokens):
            return self.acoustic.style(reference, PromptTokens(prompt.phones, prompt.tokens))
        unknown = torch.tensor(symbols.ids([UNKNOWN_WORDS], self.bundle.version.symbols))
        return self.acoustic.style(reference, PromptTokens(unknown, self._tokens(reference)))

    def prompt(self, reference: Reference, transcript: str, lang: str) -> Prompt:
        """What the GPT continues: the window of the reference with its transcript."""
        closed = transcript if transcript[-1] in CLOSING_MARKS else f"{transcript}."
        spoken = self.spoken(closed, lang)
        return Prompt(spoken.phones, spoken.bert, self._tokens(reference))

    def spoken(self, text: str, lang: str) -> EncodedText:
        """Read a sentence. Raises TextError if there is nothing to read in it."""
        table = self.bundle.version.symbols
        said = reading.read_for_speech(text, lang, table, compat=self._compat, words=self._words)
        bert = None
        if self.bundle.bert is not None and self.gpt.config.bert_dim and any(piece.has_bert for piece in said.pieces):
            bert = self._bert_features().of_pieces(said.pieces)
        sounds = sum(phone not in symbols.PUNCTUATION for phone in said.phones)
        return EncodedText(torch.tensor(symbols.ids(said.phones, table)), bert, sounds)

    def wave(self, tokens: Tensor, phones: Tensor, style: SpeakerStyle, *, speed: float, seed: int) -> np.ndarray:
        """Tokens (S,) of a sentence with its phones (P,) to samples (T,) float32."""
        return self.acoustic.wave(tokens, phones, style, speed=speed, seed=seed)

    def alignment_error(self, request: T2SRequest, tokens: Tensor) -> float:
        """How far tokens (S,) leave what they should say, see `Text2Semantic.adrift`; 0 where the model cannot tell."""
        if not self.tracks_alignment:
            return 0.0
        bert = None if request.bert is None else request.bert.to(self.device)
        heard = torch.cat([request.prompt.to(tokens), tokens])
        return self.gpt.text_deviation(request.phones.to(self.device), bert, heard.to(self.device))

    def _tokens(self, reference: Reference) -> Tensor:
        """The semantic tokens (S,) of the reference's window."""
        wave, _ = read_audio(reference.path, rate=SSL_RATE_HZ, mono=True, span=reference.window)
        padded = torch.from_numpy(np.concatenate([wave, np.zeros(PROMPT_TAIL_SAMPLES, np.float32)]))
        features = content.load(self.bundle, self.device).encode(padded)
        return SemanticTokenizer(self.bundle, self.device).tokens(features)

    def _bert_features(self) -> BertFeatures:
        if self._bert is None:
            from sovits_cli.features.bert import BertFeatures  # brings the tokenizers library

            assert self.bundle.bert is not None
            self._bert = BertFeatures.load(self.bundle.bert, self.device, width=self.gpt.config.bert_dim)
        return self._bert
