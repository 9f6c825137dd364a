"""The library: a voice is loaded, hears a reference, and speaks texts of any length, utterance by utterance.

    voice = Voice.load("mini")
    reference = voice.reference("r.wav", transcript="What is said in it.")
    for part in voice.stream("A long text. Sentence by sentence.", reference, seed=1):
        play(part.samples, part.rate)

`sovits infer` is a thin caller of this. Knows no terminal, no flags and no output files, and changes nothing that
belongs to the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from sovits_cli import paths
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.catalogue import bundle_from_files, find_model
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.devices import find_device
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.events import Reporter, Silent, Warned
from sovits_cli.inference.networks import VoiceNetworks
from sovits_cli.inference.reference import MAX_S, Recording, Reference, read_recording, recording_of
from sovits_cli.inference.request import SynthesisRequest, synthesis_request
from sovits_cli.inference.synthesizer import SpokenUtterance, Synthesizer
from sovits_cli.inference.writer import Audio, joined
from sovits_cli.text import lexicon as lexicons
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.text.reading import ReadingOptions
from sovits_cli.text.utterances import read_whole

SMALL_PARAMETERS = 20_000_000
"""Of both networks. `mini` has about 6 million, the official ones above 100."""

CLOSING_MARKS = "，。？！,.?!~:：—…"
"""A transcript that ends in none of these gets a full stop (TTS_infer_pack/TTS.py, `run`)."""

PRECISIONS = ("auto", "32-true")
"""Number formats of speaking: float32 is all there is."""


class Voice:
    """The networks of a model, ready to hear recordings and to speak. Several threads may use one at the same time.

    Args:
        bundle: the files of the model.
        device: where to compute, as torch names it.

    Raises:
        ModelError: a file of the model is missing, broken, or of another kind.
    """

    def __init__(self, bundle: Bundle, device: str) -> None:
        self._networks = VoiceNetworks(bundle, device)
        is_small = self._networks.device.type == "cpu" and self._networks.parameters < SMALL_PARAMETERS
        self._pools = ThreadpoolController().select(user_api="openmp") if is_small else None

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        gpt: str | Path | None = None,
        sovits: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> Voice:
        """Load a voice.

        Args:
            model: name of a trained, installed or bundled model, or its folder; None: the newest there is.
            gpt: GPT weights, official or ours, in place of those of the model.
            sovits: SoVITS weights, likewise; what goes with them is found.
            device: auto, cpu, cuda, cuda:N or mps.
            precision: number format of the networks: auto or 32-true, which are the same for now.

        Raises:
            UsageError: an unknown precision.
            ModelError: there is no such model, its files cannot be used, or they do not belong together.
            ResourceError: the device is not there.
        """
        if precision not in PRECISIONS:
            raise UsageError(f"precision is {precision!r}: voices speak in {' or '.join(PRECISIONS)}")
        name = None if model is None else str(model)
        if gpt is None and sovits is None:
            bundle = find_model(name, trained=True)
        else:
            files = [None if one is None else Path(one) for one in (gpt, sovits)]
            bundle = bundle_from_files(*files, name=name)
        return cls(bundle, find_device(device).name)

    @property
    def name(self) -> str:
        """The model's, as the user calls it."""
        return self._networks.bundle.name

    @property
    def rate(self) -> int:
        """Sample rate of the speech, in Hz."""
        return self._networks.rate

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that its version speaks."""
        return self._networks.bundle.version.languages

    @property
    def continues_prompts(self) -> bool:
        """Whether its version goes on from the words of a reference, where they are known."""
        return self._networks.bundle.version.uses_prompt

    @property
    def hears_prompts(self) -> bool:
        """Whether it has the content encoder that this takes."""
        return self._networks.bundle.content is not None

    def reference(
        self,
        recording: str | Path | tuple[np.ndarray, int] | Recording,
        *,
        transcript: str | None = None,
        lang: str = "auto",
        lexicon: Lexicon = lexicons.EMPTY_LEXICON,
        text_compat: bool = False,
    ) -> Reference:
        """Hear a recording of the speaker, once for all texts that follow.

        Args:
            recording: 3 s or longer: a file, `builtin:NAME`, samples (T,) or (T, channels) with their rate, or what
                `read_recording` gave. Of a long one the best 3 to 10 s are continued, and the style is averaged over
                all of it.
            transcript: what is said in it. Where the model continues prompts and all of the recording fits one, the
                speech goes on in its manner; else it is of no use, and `Reference.description` says so.
            lang: the transcript's language, or a mode of several; auto: told by its characters.
            lexicon: how some words are read.
            text_compat: read the transcript as the official program does, defects included.

        Raises:
            AudioError: the recording cannot be used.
            TextError: the transcript cannot be read.
            ModelError: the model continues prompts, but has no content encoder to hear one with.
        """
        found = _recording(recording)
        version = self._networks.bundle.version
        words = (transcript or "").strip()
        prompt = None
        if not self.continues_prompts:
            use = f"timbre, which is all that {self.name} takes"
        elif words and found.is_whole:
            use = "timbre and prompt"
            options = ReadingOptions(version.symbols, text_compat, lexicon)
            closed = words if words[-1] in CLOSING_MARKS else f"{words}."
            prompt = self._networks.prompt(found, read_whole(closed, lang, options))
        else:
            sound = "timbre and sound" if version.needs_transcript else "timbre"
            length = f"its transcript is of all {found.seconds:.0f} s, a prompt holds {MAX_S:.0f} s"
            use = f"{sound}; {length if words else 'a transcript would make it a prompt too'}"
        style = self._networks.style(found, prompt)
        return Reference(self.name, f"{found.description}: {use}", style, prompt)

    def request(
        self,
        text: str,
        *,
        lang: str | None = None,
        seed: int | None = None,
        settings: InferenceSettings | None = None,
        lexicon: Lexicon = lexicons.EMPTY_LEXICON,
    ) -> SynthesisRequest:
        """Check a text without speaking it; `stream` and `speak` take what comes back, as often as wanted.

        Args:
            text: of any length; [word|phones] and [pause 1.5s] in it are obeyed.
            lang: its language, or a mode of several; None: as in the settings.
            seed: gives the same speech again; None: as in the settings, which may draw one.
            settings: how to speak; None: the defaults.
            lexicon: how some words are read.

        Raises:
            TextError: an unknown language, one that the model does not speak, or nothing to read in the text.
        """
        # validated anew, for ranges; what is not said here is as in the settings
        change = {name: value for name, value in (("lang", lang), ("seed", seed)) if value is not None}
        whole = (settings or InferenceSettings()).changed(**change)
        return synthesis_request(text, self._networks.bundle, whole, words=lexicon)

    def stream(
        self,
        text: str | SynthesisRequest,
        reference: Reference,
        *,
        lang: str | None = None,
        seed: int | None = None,
        settings: InferenceSettings | None = None,
        reporter: Reporter = Silent(),  # noqa: B008 - has no state
    ) -> Iterator[SpokenUtterance]:
        """Speak a text, utterance by utterance, each as soon as it and those before it are done.

        Args:
            text: what to speak, or what `request` made of it; that holds language, seed and settings already.
            reference: the speaker; of this voice.
            lang, seed, settings: see `request`.
            reporter: hears what is left out of the text and what to know about it.

        Raises:
            TextError: see `request`; or nothing of the text can be read, which shows at the first utterance.
            ModelError: the reference is of another voice, or the networks give NaN.
        """
        if reference.voice != self.name:
            raise ModelError(f"the reference was heard by {reference.voice}: {self.name} has to hear it itself")
        if isinstance(text, str):
            request = self.request(text, lang=lang, seed=seed, settings=settings)
        elif lang is None and seed is None and settings is None:
            request = text
        else:
            raise UsageError("a request holds language, seed and settings already: make another one")
        for event in (*map(Warned, request.notes), *request.left_out):
            reporter.emit(event)
        return self._spoken(request, reference, reporter)

    def speak(
        self,
        text: str | SynthesisRequest,
        reference: Reference,
        *,
        lang: str | None = None,
        seed: int | None = None,
        settings: InferenceSettings | None = None,
        reporter: Reporter = Silent(),  # noqa: B008 - has no state
    ) -> Audio:
        """Speak a text and join its utterances with pauses; a long text is better streamed.

        Args:
            text, reference, lang, seed, settings, reporter: as in `stream`.

        Raises:
            UnforeseenError: nothing is heard, for a failure of ours; and what `stream` raises.
        """
        parts = self.stream(text, reference, lang=lang, seed=seed, settings=settings, reporter=reporter)
        return joined(list(parts), self.rate)

    def _spoken(self, request: SynthesisRequest, reference: Reference, reporter: Reporter) -> Iterator[SpokenUtterance]:
        spoken = Synthesizer(self._networks, reference, request.options).speak(request.utterances(reporter))
        while True:
            # one thread for a small model on a CPU: handing out its work costs more than it saves. OpenMP keeps the
            # number for each thread, and it is put back before the caller goes on with its own work. Torch is asked
            # first, so that it has set this thread up before, and does not write its number over ours later.
            torch.get_num_threads()
            with nullcontext() if self._pools is None else self._pools.limit(limits=1):
                part = next(spoken, None)
            if part is None:
                return
            yield part


def _recording(given: str | Path | tuple[np.ndarray, int] | Recording) -> Recording:
    if isinstance(given, Recording):
        return given
    if isinstance(given, tuple):
        return recording_of(*given)
    return read_recording(paths.resolve_example(str(given), paths.VOICE_SUFFIX))
