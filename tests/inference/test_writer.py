import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from sovits_cli.audio.writer import AudioWriter
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.errors import ModelError, ResourceError, UnforeseenError
from sovits_cli.events import Chose, Doubtful, Progress, Skipped, Warned
from sovits_cli.inference import synthesizer, writer
from sovits_cli.inference.acoustic import SpeakerStyle
from sovits_cli.inference.request import InferInputs, check
from sovits_cli.inference.writer import DoubtfulSentence, infer
from sovits_cli.locks import held_output
from sovits_cli.models.t2s.decode import T2SResult
from sovits_cli.versions import SamplingDefaults
from tests.inference import toys
from tests.inference.test_synthesizer import FakeVoice
from tests.inference.toys import voice_recording

SEEDED = InferenceSettings(seed=5)
TEXT = "Hello there, my old friend. How are you on this fine day?\n\nI am well, thank you very much."


@pytest.fixture
def order(empty_folder):
    """Makes an order for a text."""
    voice_recording(empty_folder / "r.wav", 4.0)

    def make(text=TEXT, **change):
        asked = InferInputs("r.wav", None, text, None, empty_folder / "out.wav", None)
        return check(replace(asked, **change), "en")

    return make


@pytest.fixture
def fake(monkeypatch):
    """A voice without networks, whose lines last a second and a half."""
    asked = []

    def decode_each(model, requests, sampling, **rest):
        for index, request in enumerate(requests):
            asked.append((request, sampling, rest))
            yield index, T2SResult(torch.ones(38, dtype=torch.long), ended=True)

    class Voice(FakeVoice):
        device = torch.device("cpu")
        parameters = 1

        def __init__(self, bundle, device, **options):
            super().__init__()

        def style(self, reference, prompt):
            return SpeakerStyle(torch.zeros(1))

        def spoken(self, text, lang):
            return longform_spoken(text)

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    monkeypatch.setattr(writer, "Voice", Voice)
    return asked


def longform_spoken(text):
    from sovits_cli.inference.voice import EncodedText

    return EncodedText(torch.arange(max(6, len(text) // 2)), None, 5)


class Named:
    name = "fake"
    version = toys.ROW


def speak(order, heard, settings=SEEDED, bundle=Named):
    return infer(order, settings, bundle, device="cpu", reporter=heard)


def test_the_real_thing_with_a_toy(order, heard, monkeypatch):
    toys.accept_any_alignment(monkeypatch)
    bundle = toys.install(tokens=45)
    report = speak(order(srt=order().out.with_suffix(".srt")), heard, bundle=bundle)
    info = soundfile.info(report.out)
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    assert info.duration == pytest.approx(report.seconds, abs=1e-3)
    assert (report.model, report.rate, report.sentences, report.seed) == ("toy", 16_000, 3, 5)
    assert report.real_time_factor == pytest.approx(report.elapsed_s / report.seconds)
    assert report.srt.read_text().count(" --> ") == 3
    assert heard.of(Chose)[0] == Chose("seed", "5", "given")
    again = speak(order(out=report.out.with_name("b.wav")), heard, replace_settings(batch_size=1), bundle)
    assert again.out.read_bytes() == report.out.read_bytes()
    other = speak(order(out=report.out.with_name("c.wav")), heard, replace_settings(seed=6), bundle)
    assert other.out.read_bytes() != report.out.read_bytes()


def replace_settings(**change):
    return SEEDED.model_copy(update=change)


def prompted(bundle):
    """The toy, as if its version took prompts."""
    return replace(bundle, version=replace(bundle.version, uses_prompt=True))


def reference_told(heard):
    return [(chosen.value, chosen.why) for chosen in heard.of(Chose) if chosen.what == "reference"]


def test_a_prompt_changes_what_is_said(order, heard):
    bundle = prompted(toys.install(tokens=45))
    plain = speak(order("Hello there, my friend."), heard, bundle=bundle).out.read_bytes()
    with_prompt = speak(order("Hello there, my friend.", prompt_text="Words"), heard, bundle=bundle).out.read_bytes()
    assert with_prompt != plain
    assert reference_told(heard) == [
        ("r.wav", "4.0 s: timbre; a transcript would make it a prompt too"),
        ("r.wav", "4.0 s: timbre and prompt"),
    ]


def test_a_model_without_prompts_takes_none(order, heard):
    bundle = replace(toys.install(tokens=45), content=None)
    speak(order("Hello there, my friend.", prompt_text="Words"), heard, bundle=bundle)
    assert reference_told(heard) == [("r.wav", "4.0 s: timbre, which is all that toy takes")]


def test_without_a_content_encoder_there_is_no_prompt(order, heard, empty_folder):
    bundle = replace(prompted(toys.install(tokens=45)), content=None)
    (empty_folder / "r.txt").write_text("Words in a file.")
    speak(order("Hello there, my friend."), heard, bundle=bundle)
    assert reference_told(heard) == [("r.wav", "4.0 s: timbre; no prompt, for no content encoder is installed")]
    with pytest.raises(ModelError, match="toy has no phonetic content encoder"):
        speak(order("Hello there.", prompt_text="Words as typed."), heard, bundle=bundle)


def test_a_seed_is_drawn_and_told(order, heard, fake):
    reports = [speak(order(), heard, InferenceSettings()) for _ in range(2)]
    told = [(chosen.value, chosen.why) for chosen in heard.of(Chose) if chosen.what == "seed"]
    assert told == [(str(report.seed), "drawn; --seed gives the same again") for report in reports]
    assert reports[0].seed != reports[1].seed


@pytest.mark.parametrize("pause", [0.0, 0.3, 2.0])
def test_pauses(order, heard, fake, pause):
    report = speak(order(srt=order().out.with_suffix(".srt")), heard, replace_settings(pause=pause))
    times = [line for line in report.srt.read_text().splitlines() if "-->" in line]
    ends = [moment(line.split(" --> ")[1]) for line in times]
    starts = [moment(line.split(" --> ")[0]) for line in times]
    gaps = [start - end for start, end in zip(starts[1:], ends, strict=False)]
    assert gaps == pytest.approx([pause, 2 * pause], abs=0.002)
    assert report.seconds == pytest.approx(ends[-1], abs=0.002), "no pause after the last"


def moment(text):
    hours, minutes, seconds = text.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_settings_reach_the_decoder(order, heard, fake):
    settings = replace_settings(top_k=0, top_p=0.5, temperature=0.7, repetition_penalty=2.0, batch_size=3, speed=2.0)
    speak(order(), heard, settings)
    _, sampling, rest = fake[0]
    assert (sampling.top_k, sampling.top_p, sampling.temperature, sampling.repetition_penalty) == (None, 0.5, 0.7, 2.0)
    assert rest["max_rows"] == 3


def test_speed_makes_it_shorter(order, heard, fake):
    slow = speak(order(), heard, replace_settings(pause=0.0)).seconds
    assert speak(order(), heard, replace_settings(pause=0.0, speed=2.0)).seconds == pytest.approx(slow / 2, rel=0.05)


def test_progress(order, heard, fake):
    speak(order(), heard)
    assert [(event.done, event.total) for event in heard.of(Progress)] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("cut_fails", [True, False])
def test_a_doubtful_sentence_is_named(order, heard, fake, monkeypatch, cut_fails):
    """Unless it can be said when it is cut at its comma."""

    def decode_each(model, requests, sampling, **rest):
        for index, request in enumerate(requests):
            is_first = len(request.phones) == 13 or (cut_fails and len(request.phones) in {6, 7})
            yield index, T2SResult(torch.ones(60, dtype=torch.long), ended=not is_first)

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    report = speak(order(srt=order().out.with_suffix(".srt")), heard)
    assert report.sentences == 3
    if not cut_fails:
        assert (report.doubtful, report.retries, heard.of(Doubtful)) == ((), 3, [])
        assert [line for line in report.srt.read_text().splitlines() if line[:1].isalpha()] == [
            "Hello there,", "my old friend.", "How are you on this fine day?", "I am well, thank you very much.",
        ]  # fmt: skip
        return
    (doubtful,) = report.doubtful
    assert doubtful == DoubtfulSentence(
        1, "Hello there, my old friend.", 0.0, doubtful.end_s, "it did not end within 2 s"
    )
    assert doubtful.end_s == pytest.approx(2.4)
    (told,) = heard.of(Doubtful)
    assert told.item == "sentence 1 at 0.0 s, 'Hello there, my old friend.',"
    assert told.reason == "it did not end within 2 s (after 3 tries)"
    assert "--seed" in told.hint


def test_what_cannot_be_read_is_left_out(order, heard, fake, monkeypatch):
    from sovits_cli.errors import TextError

    def spoken(self, text, lang):
        if "How" in text:
            raise TextError("nothing to read")
        return longform_spoken(text)

    monkeypatch.setattr(writer.Voice, "spoken", spoken)
    assert speak(order(), heard).sentences == 2
    assert [skipped.reason for skipped in heard.of(Skipped)] == ["nothing to read"]


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "opus"])
def test_formats(order, heard, fake, suffix):
    report = speak(order(out=order().out.with_suffix(f".{suffix}")), heard)
    assert soundfile.info(report.out).duration == pytest.approx(report.seconds, abs=0.2)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (ResourceError("the disk is full"), ResourceError)],
)
def test_what_fails_in_the_middle_keeps_what_was_spoken(order, heard, fake, monkeypatch, empty_folder, failure, kind):
    whole = AudioWriter.write
    written = []

    def write(self, block):
        written.append(len(block))
        if len(written) > 3:
            raise failure
        whole(self, block)

    monkeypatch.setattr(AudioWriter, "write", write)
    with pytest.raises(kind):
        speak(order(srt=empty_folder / "out.srt"), heard)
    assert sorted(path.name for path in empty_folder.iterdir()) == ["out.partial.srt", "out.partial.wav", "r.wav"]
    (told,) = heard.of(Warned)
    places = [empty_folder / f"out.partial.{suffix}" for suffix in ("wav", "srt")]
    assert told.text == "4 s of speech are kept in {}, their subtitles in {}".format(*places)
    assert soundfile.info("out.partial.wav").duration == pytest.approx(3.3, abs=0.5)
    monkeypatch.setattr(AudioWriter, "write", whole)
    speak(order(srt=empty_folder / "out.srt"), heard)
    assert sorted(path.name for path in empty_folder.iterdir()) == ["out.srt", "out.wav", "r.wav"]


def test_before_anything_was_spoken_nothing_is_left(order, heard, fake, monkeypatch, empty_folder):
    def write(self, block):
        raise KeyboardInterrupt

    monkeypatch.setattr(AudioWriter, "write", write)
    with pytest.raises(KeyboardInterrupt):
        speak(order(srt=empty_folder / "out.srt"), heard)
    assert [path.name for path in empty_folder.iterdir()] == ["r.wav"]
    assert heard.of(Warned) == []


def test_subtitles_that_cannot_be_written_cost_no_speech(order, heard, fake, monkeypatch, empty_folder):
    def cue(self, start_s, end_s, text):
        self._fail(OSError(28, "No space left on device"))

    monkeypatch.setattr(writer.SrtWriter, "cue", cue)
    with pytest.raises(ResourceError, match=r"out.srt: the disk is full; the speech is whole: .*out.wav"):
        speak(order(srt=empty_folder / "out.srt"), heard)
    assert sorted(path.name for path in empty_folder.iterdir()) == ["out.wav", "r.wav"]


def test_a_sentence_that_raises_is_named_and_the_others_are_spoken(order, heard, fake, monkeypatch):
    waved = writer.Voice.wave

    def wave(self, tokens, phones, style, **rest):
        if len(phones) in broken:
            raise RuntimeError("odd shapes")
        return waved(self, tokens, phones, style, **rest)

    monkeypatch.setattr(writer.Voice, "wave", wave)
    broken = {13, 6, 7}
    report = speak(order(srt=order().out.with_suffix(".srt")), heard)
    assert (report.sentences, [one.text for one in report.doubtful]) == (3, ["Hello there, my old friend."])
    assert report.doubtful[0].reason == "it could not be spoken: internal error: RuntimeError: odd shapes"
    assert str(heard.of(Doubtful)[0].cause) == "odd shapes"
    assert report.srt.read_text().count("-->") == 2
    broken = range(100)
    with pytest.raises(UnforeseenError, match="odd shapes"):
        speak(order(out=order().out.with_name("none.wav")), heard)
    assert not list(report.out.parent.glob("none*"))


def test_two_at_once_do_not_write_one_file(order, heard, fake, empty_folder):
    with held_output(empty_folder / "out.wav"):
        with pytest.raises(ResourceError, match=r"out.wav: another sovits .* works here"):
            speak(order(), heard)
        speak(order(out=empty_folder / "b.wav"), heard)
    speak(order(), heard)
    assert sorted(path.name for path in empty_folder.iterdir()) == ["b.wav", "out.wav", "r.wav"]


def test_what_was_there_stays_when_it_fails(order, heard, fake, monkeypatch, empty_folder):
    (empty_folder / "out.wav").write_text("before")
    monkeypatch.setattr(writer.Voice, "spoken", lambda self, text, lang: 1 / 0)
    with pytest.raises(UnforeseenError, match="ZeroDivisionError"):
        speak(order(), heard)
    assert (empty_folder / "out.wav").read_text() == "before"


def test_a_long_text_takes_no_more_memory(order, heard, fake):
    speak(order(), heard)
    peaks = []
    for count in (50, 400):
        long_order = order(" ".join(f"This is sentence number {index}." for index in range(count)))
        tracemalloc.start()
        report = speak(long_order, heard)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.sentences == count
        heard.events.clear()
    assert peaks[1] < 1.2 * peaks[0] + 1e6
    assert np.isfinite(peaks).all()


def test_one_thread_for_small_models_only(order, heard, fake, monkeypatch):
    threads, others = [], []
    pool = ThreadPoolExecutor(1)
    pool.submit(torch.set_num_threads, 2).result()
    monkeypatch.setattr(
        writer.Voice,
        "spoken",
        lambda self, text, lang: note() or longform_spoken(text),
    )

    def note():
        threads.append(torch.get_num_threads())
        others.append(pool.submit(torch.get_num_threads).result())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        speak(order("One small sentence."), heard)
        monkeypatch.setattr(writer.Voice, "parameters", writer.SMALL_PARAMETERS)
        speak(order("One small sentence."), heard)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    pool.shutdown()
    assert threads == [1, 2]
    assert others == [2, 2], "the other threads of the process keep theirs"


def test_where_the_settings_say_nothing_the_version_does():
    version = replace(toys.ROW, sampling=SamplingDefaults(7, 0.5, 1.2))
    usual = writer.synthesis_options(SEEDED, 1, version).sampling
    assert (usual.top_k, usual.temperature, usual.repetition_penalty) == (7, 0.5, 1.2)
    said = writer.synthesis_options(
        replace_settings(top_k=0, temperature=0.9, repetition_penalty=2.0), 1, version
    ).sampling
    assert (said.top_k, said.temperature, said.repetition_penalty) == (None, 0.9, 2.0)
