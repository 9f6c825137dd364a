"""A voice ready to speak: the two networks, and what a reference gives them (style, and tokens of the prompt).

Legend: T samples, F frames, P phones, S semantic tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sovits_cli.audio import files
from sovits_cli.audio.mel import magnitude
from sovits_cli.audio.resample import sinc_resample
from sovits_cli.checkpoints.bundle import Bundle, gpt_model, sovits_model
from sovits_cli.features import content
from sovits_cli.features.semantic import SemanticTokenizer
from sovits_cli.inference.reference import Reference
from sovits_cli.models.sovits.synthesizer import Synthesizer
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import SSL_RATE_HZ
from sovits_cli.text import lexicon, reading, symbols
from sovits_cli.text.lexicon import Lexicon

if TYPE_CHECKING:
    from sovits_cli.features.bert import BertFeatures

PROMPT_TAIL_SAMPLES = 9600
"""Silence that the official program puts after a prompt: 0.3 s counted at 32 kHz, heard at 16 kHz."""

MOST_PEAK_DIVISOR = 2.0
"""A reference over full scale is scaled down, by no more than this (official)."""

CLOSING_MARKS = "，。？！,.?!~:：—…"
"""A transcript that ends in none of these gets a full stop (official)."""


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
class Spoken:
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

    def __init__(self, bundle: Bundle, device: str, *, compat: bool = False, words: Lexicon = lexicon.EMPTY) -> None:
        self.bundle = bundle
        self._compat = compat
        self._words = words
        self.device = torch.device(device)
        self.gpt: Text2Semantic = gpt_model(bundle).to(self.device)
        self.gpt.prepare_for_inference()
        self.sovits: Synthesizer = sovits_model(bundle).to(self.device)
        self.sovits.prepare_for_inference()
        self._bert: BertFeatures | None = None

    @property
    def rate(self) -> int:
        """Sample rate of the speech."""
        return self.sovits.config.sampling_rate

    @property
    def parameters(self) -> int:
        """Numbers in both networks."""
        return sum(value.numel() for network in (self.gpt, self.sovits) for value in network.parameters())

    def style(self, reference: Reference) -> Tensor:
        """The style vector (1, G, 1) of a reference: the mean over its stretches."""
        spec = self.sovits.config.spec
        refers = []
        for stretch in files.stretches(reference.path, reference.timbre):
            wave = sinc_resample(torch.from_numpy(stretch), reference.rate, spec.sample_rate)
            peak = float(wave.abs().max())
            wave = wave / min(MOST_PEAK_DIVISOR, peak) if peak > 1 else wave
            refers.append(magnitude(wave[None], spec).to(self.device))
        return self.sovits.style(refers)

    def prompt(self, reference: Reference, transcript: str, lang: str) -> Prompt:
        """What the GPT continues: the window of the reference with its transcript."""
        closed = transcript if transcript[-1] in CLOSING_MARKS else f"{transcript}."
        spoken = self.spoken(closed, lang)
        wave, _ = files.read(reference.path, rate=SSL_RATE_HZ, mono=True, span=reference.window)
        padded = torch.from_numpy(np.concatenate([wave, np.zeros(PROMPT_TAIL_SAMPLES, np.float32)]))
        features = content.load(self.bundle, self.device).encode(padded)
        tokens = SemanticTokenizer(self.bundle, self.device).tokens(features)
        return Prompt(spoken.phones, spoken.bert, tokens)

    def spoken(self, text: str, lang: str) -> Spoken:
        """Read a sentence. Raises TextError if there is nothing to read in it."""
        table = self.bundle.version.symbols
        said = reading.speakable(text, lang, table, compat=self._compat, words=self._words)
        bert = None
        if self.bundle.bert is not None and self.gpt.config.bert_dim and any(piece.has_bert for piece in said.pieces):
            bert = self._bert_features().of_pieces(said.pieces)
        sounds = sum(phone not in symbols.PUNCTUATION for phone in said.phones)
        return Spoken(torch.tensor(symbols.ids(said.phones, table)), bert, sounds)

    def wave(self, codes: Tensor, phones: Tensor, style: Tensor, *, speed: float, seed: int) -> np.ndarray:
        """Codes (S,) of a sentence with its phones (P,) to samples (T,) float32."""
        with torch.inference_mode():
            made = self.sovits.decode(
                codes.to(self.device)[None, None],
                phones.to(self.device)[None],
                style,
                noise_scale=self.bundle.version.noise_scale,
                speed=speed,
                generator=torch.Generator().manual_seed(seed),
            )
        samples: np.ndarray = made[0, 0].float().cpu().numpy()
        return samples

    def _bert_features(self) -> BertFeatures:
        if self._bert is None:
            from sovits_cli.features.bert import BertFeatures  # brings the tokenizers library

            assert self.bundle.bert is not None
            self._bert = BertFeatures.load(self.bundle.bert, self.device)
        return self._bert
