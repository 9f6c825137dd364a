"""`sovits infer`: an request and a model in, one audio file out, however long; subtitles beside it if asked for.

Sentences are written as they are finished, to `out.partial.wav`, which becomes `out.wav` at the end; memory does not
grow with the text.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController

from sovits_cli.audio.crossfade import ClipJoiner
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.errors import ResourceError, UnforeseenError
from sovits_cli.events import Chose, Doubtful, Progress, Reporter, Warned
from sovits_cli.files import partial
from sovits_cli.inference.acoustic import FlowSettings
from sovits_cli.inference.request import SynthesisRequest
from sovits_cli.inference.script import utterances
from sovits_cli.inference.subtitles import SrtWriter
from sovits_cli.inference.synthesizer import SpokenUtterance, SynthesisOptions, Synthesizer
from sovits_cli.inference.voice import NO_PROMPT, Voice
from sovits_cli.locks import held_output
from sovits_cli.models.t2s.decode import Sampling
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.split import PAUSES_S, Boundary
from sovits_cli.versions import ModelVersion

SEEDS = 2**32

SMALL_PARAMETERS = 20_000_000
"""Of both networks. `mini` has about 6 million, the official ones above 100."""


@dataclass(frozen=True)
class DoubtfulSentence:
    """A sentence, or a part of one, that still failed a check the last time.

    Args:
        sentence: its number, from 1.
        text: as it stands in the source.
        start_s, end_s: where it is in the audio.
        reason: what is wrong with it.
    """

    sentence: int
    text: str
    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True)
class InferReport:
    """What was spoken.

    Args:
        out: the audio file.
        srt: the subtitles, if asked for.
        model: that spoke.
        rate: sample rate of the speech.
        seconds: of audio.
        elapsed_s: time it took, loading the model included.
        real_time_factor: elapsed seconds per second of audio.
        sentences: how many were spoken.
        retries: how often one was spoken again because a check failed.
        doubtful: what may be wrong; empty if nothing is.
        seed: gives the same audio again.
    """

    out: Path
    srt: Path | None
    model: str
    rate: int
    seconds: float
    elapsed_s: float
    real_time_factor: float
    sentences: int
    retries: int
    doubtful: tuple[DoubtfulSentence, ...]
    seed: int


def infer(
    request: SynthesisRequest,
    settings: InferenceSettings,
    bundle: Bundle,
    *,
    device: str,
    reporter: Reporter,
    began_s: float | None = None,
) -> InferReport:
    """Speak an request.

    Args:
        request: checked before.
        settings: how to speak.
        bundle: the model.
        device: where to compute.
        reporter: hears everything.
        began_s: `time.perf_counter()` when the work began, if that was before this call.

    Raises:
        SovitsError: the model cannot speak, or a file cannot be written. What was spoken until then is kept, as it is
            after Ctrl-C, and named as a warning. Where only the subtitles fail, the speech is whole.
    """
    began_s = time.perf_counter() if began_s is None else began_s
    seed = secrets.randbelow(SEEDS) if settings.seed is None else settings.seed
    reporter.emit(Chose("seed", str(seed), "drawn; --seed gives the same again" if settings.seed is None else "given"))
    is_prompt, use = _prompt_use(request, bundle)
    reporter.emit(Chose("reference", str(request.reference.path), f"{request.reference.described}: {use}"))
    flow = _flow_settings(settings, bundle, reporter)
    voice = Voice(bundle, device, flow=flow, compat=settings.text_compat, words=request.words)
    prompt = voice.prompt(request.reference, str(request.transcript), request.prompt_lang) if is_prompt else NO_PROMPT
    options = synthesis_options(settings, seed, bundle.version)
    synthesizer = Synthesizer(voice, voice.style(request.reference, prompt), prompt, options)
    script = utterances(request.sentences, request.lang, voice.spoken, reporter)
    subtitles = None if request.srt is None else SrtWriter(request.srt)
    writer = AudioWriter(request.out, rate=voice.rate, channels=1, grows=True)
    track = _Track(writer, subtitles, voice.rate, settings.pause, len(request.sentences), reporter)
    with (
        held_output(request.out),
        _few_threads(voice),
        _kept(track, request, reporter),
        subtitles or nullcontext(),
        writer,
    ):
        for spoken in synthesizer.speak(script):
            track.add(spoken)
        if track.failure is not None and not track.is_heard:
            raise track.failure
    if subtitles is not None and subtitles.failure is not None:
        raise _without_subtitles(request, subtitles.failure)
    seconds, elapsed_s = track.seconds, time.perf_counter() - began_s
    return InferReport(
        out=request.out,
        srt=request.srt,
        model=bundle.name,
        rate=voice.rate,
        seconds=seconds,
        elapsed_s=elapsed_s,
        real_time_factor=elapsed_s / max(seconds, 1e-3),
        sentences=track.count,
        retries=track.retries,
        doubtful=tuple(track.doubtful),
        seed=seed,
    )


class _Track:
    """The file being written: sentences and pauses in request, subtitles, and what is counted."""

    def __init__(
        self,
        writer: AudioWriter,
        subtitles: SrtWriter | None,
        rate: int,
        pause_s: float,
        total: int,
        reporter: Reporter,
    ) -> None:
        self._writer = writer
        self._subtitles = subtitles
        self._joiner = ClipJoiner(rate)
        self._pause_factor = pause_s / PAUSES_S[Boundary.SENTENCE]
        self._total = total
        self._reporter = reporter
        self.count = self.retries = 0
        self.doubtful: list[DoubtfulSentence] = []
        self.is_heard = False
        self.failure: UnforeseenError | None = None

    @property
    def seconds(self) -> float:
        """Audio so far."""
        return self._joiner.position_s

    def add(self, spoken: SpokenUtterance) -> None:
        """Write one sentence, or a part of one, and the pause after it."""
        start_s = self.seconds
        for block in self._joiner.clip(spoken.wave):
            self._writer.write(block)
        if spoken.problem:
            self._warn(spoken, start_s)
        if len(spoken.wave):
            self.is_heard = True
            self._close(spoken, start_s)
        elif spoken.cause is not None:
            self.failure = self.failure or UnforeseenError(spoken.cause)
        self._writer.update_header()
        self.count = spoken.utterance.index + 1
        self.retries += spoken.tries - 1
        total = max(self._total, self.count)
        self._reporter.emit(
            Progress("speaking", self.count, total, "sentences", detail=f"{self.seconds:.0f} s of audio")
        )

    def _close(self, spoken: SpokenUtterance, start_s: float) -> None:
        """Write what comes with a sentence that is heard: its subtitle, and the pause after it."""
        if self._subtitles is not None:
            self._subtitles.cue(start_s, self.seconds, spoken.utterance.text)
        factor = 1.0 if spoken.utterance.is_exact else self._pause_factor
        for block in self._joiner.pause(spoken.utterance.pause_s * factor):
            self._writer.write(block)

    def _warn(self, spoken: SpokenUtterance, start_s: float) -> None:
        """Name a sentence that may be wrong; what to do about it is spoken once."""
        hint = None if self.doubtful else "listen to it; another --seed, or shorter sentences, may help"
        number = spoken.utterance.index + 1
        self.doubtful.append(DoubtfulSentence(number, spoken.utterance.text, start_s, self.seconds, spoken.problem))
        item = f"sentence {number} at {start_s:.1f} s, {excerpt(spoken.utterance.text)},"
        self._reporter.emit(Doubtful(item, f"{spoken.problem} (after {spoken.tries} tries)", hint, spoken.cause))


def _flow_settings(settings: InferenceSettings, bundle: Bundle, reporter: Reporter) -> FlowSettings:
    """How to follow a flow; asking for it where there is none is told."""
    asked = FlowSettings(settings.steps, settings.guidance, settings.parallel)
    if bundle.version.decoder.sampler_steps is None and asked != FlowSettings():
        reporter.emit(Warned(f"{bundle.name} has no flow: steps, guidance and parallel change nothing", hint=""))
    return asked


def _prompt_use(request: SynthesisRequest, bundle: Bundle) -> tuple[bool, str]:
    """Whether the reference is a prompt, and what to tell the user.

    A transcript found beside the recording that is of no use is no reason to fail; one that was typed is, where only
    the content encoder is missing (`Voice.prompt` raises).
    """
    if not bundle.version.uses_prompt:
        return False, f"timbre, which is all that {bundle.name} takes"
    heard = "timbre and sound" if bundle.version.needs_transcript else "timbre"
    if request.transcript is None:
        return False, f"{heard}; {request.no_transcript}"
    if bundle.content is None and not request.transcript_typed:
        return False, "timbre; no prompt, for no content encoder is installed"
    return True, "timbre and prompt"


@contextmanager
def _kept(track: _Track, request: SynthesisRequest, reporter: Reporter) -> Iterator[None]:
    """Where the speech ends early, say where it is as far as it came."""
    try:
        yield
    except BaseException:
        if track.is_heard:
            kept = f"{track.seconds:.0f} s of speech are kept in {partial(request.out)}"
            kept += "" if request.srt is None else f", their subtitles in {partial(request.srt)}"
            reporter.emit(
                Warned(kept, hint="the next run into the same file begins anew: rename what you want to keep")
            )
        raise


def _without_subtitles(request: SynthesisRequest, failure: ResourceError) -> ResourceError:
    return ResourceError(f"{failure.message}; the speech is whole: {request.out}", hint=failure.hint)


@contextmanager
def _few_threads(voice: Voice) -> Iterator[None]:
    """One thread for a small model on a CPU: handing out its work costs more than it saves, above all on a busy one.

    OpenMP keeps the number for each thread: work in other threads of the process goes on with its own. Torch is asked
    first, so that it has set this thread up before, and does not write its number over ours later.
    """
    torch.get_num_threads()
    is_small = voice.device.type == "cpu" and voice.parameters < SMALL_PARAMETERS
    with ThreadpoolController().select(user_api="openmp").limit(limits=1) if is_small else nullcontext():
        yield


def synthesis_options(settings: InferenceSettings, seed: int, version: ModelVersion) -> SynthesisOptions:
    """How to say lines, by the settings, and by the version of the model where they say nothing."""
    usual = version.sampling
    penalty = settings.repetition_penalty
    sampling = Sampling(
        top_k=(usual.top_k if settings.top_k is None else settings.top_k) or None,
        top_p=settings.top_p,
        temperature=usual.temperature if settings.temperature is None else settings.temperature,
        repetition_penalty=usual.repetition_penalty if penalty is None else penalty,
    )
    return SynthesisOptions(sampling, seed, speed=settings.speed, batch_size=settings.batch_size)
