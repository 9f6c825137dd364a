"""The library as it is typed: a voice is loaded, hears a reference and speaks. The voices are toys that speak noise."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.errors import AudioError, ModelError, ResourceError, TextError, UsageError
from sovits_cli.events import Skipped, Warned
from sovits_cli.inference import checks
from sovits_cli.inference import voice as voices
from sovits_cli.inference.voice import Voice
from sovits_cli.text import utterances
from tests.inference import toys

TEXT = "Hello there, my old friend. How are you on this fine day?\n\nI am well, thank you very much."


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a recording, and an installed toy."""
    folder = tmp_path_factory.mktemp("voice")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOVITS_HOME", str(folder / "home"))
        toys.install(tokens=45)
        yield toys.voice_recording(folder / "r.wav", 4.0).parent


@pytest.fixture(scope="module")
def toy(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOVITS_HOME", str(home / "home"))
        return Voice.load("toy", device="cpu", precision="auto")


@pytest.fixture(scope="module")
def reference(toy, home):
    return toy.reference(home / "r.wav")


@pytest.fixture(autouse=True)
def _accepted(monkeypatch):
    toys.accept_any_alignment(monkeypatch)


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(one.samples, other.samples) for one, other in zip(first, second, strict=True)
    )


def test_utterances_come_one_by_one_and_together_make_the_audio(toy, reference):
    parts = list(toy.stream(TEXT, reference, lang="en", seed=1))
    assert " ".join(part.text for part in parts) == " ".join(TEXT.split())
    assert all(part.rate == toy.rate == 16_000 and part.samples.dtype == np.float32 for part in parts)
    assert all(part.verdict.passed for part in parts)
    audio = toy.speak(TEXT, reference, lang="en", seed=1)
    assert same(audio.parts, parts)
    pauses_s = sum(part.pause_s for part in parts)
    assert len(audio.samples) == pytest.approx(sum(len(part.samples) for part in parts) + pauses_s * 16_000, abs=9)
    assert audio.rate == 16_000


def test_the_seed_decides_and_the_batch_size_does_not(toy, reference):
    def spoken(**said):
        return toy.speak(TEXT, reference, settings=InferenceSettings(**{"seed": 3, **said})).parts

    assert same(spoken(batch_size=1), spoken(batch_size=8))
    assert not same(spoken(), spoken(seed=4))


def test_split_utterances_are_the_same_whatever_the_batch_size(toy, reference, monkeypatch):
    monkeypatch.setattr(checks, "MAX_PHONES_PER_S", 13.0)
    text = " ".join(f"This is sentence number {index}, {'and it is longer ' * (index % 3)}." for index in range(5))
    first, other = (
        toy.speak(text, reference, settings=InferenceSettings(seed=3, batch_size=size)).parts for size in (1, 8)
    )
    assert any(part.utterance.part for part in first), "the toy should need some splits"
    assert [(part.utterance.position, part.tries) for part in other] == [
        (part.utterance.position, part.tries) for part in first
    ]
    assert same(first, other)


def test_threads_share_a_voice(toy, reference):
    """Each streams with a seed of its own, and gets what it would get alone."""
    texts = {seed: " ".join([TEXT] * (1 + seed % 2)) for seed in range(4)}
    alone = {seed: list(toy.stream(text, reference, seed=seed)) for seed, text in texts.items()}
    with ThreadPoolExecutor(4) as pool:
        together = {seed: pool.submit(lambda s=seed: list(toy.stream(texts[s], reference, seed=s))) for seed in texts}
        for seed, future in together.items():
            assert same(future.result(), alone[seed])


def test_a_reference_is_a_file_samples_or_pickled(toy, reference, home):
    samples, rate = soundfile.read(home / "r.wav", dtype="int16")
    spoken = toy.speak("Hello.", reference, seed=1).parts
    assert same(toy.speak("Hello.", toy.reference((samples, rate)), seed=1).parts, spoken)
    assert same(toy.speak("Hello.", pickle.loads(pickle.dumps(reference)), seed=1).parts, spoken)
    other = toy.reference(toys.voice_recording(home / "s.wav", 5.0, seed=1))
    assert not same(toy.speak("Hello.", other, seed=1).parts, spoken)


def test_a_request_is_checked_once_and_spoken_as_often_as_wanted(toy, reference, heard):
    request = toy.request("Hello Привет, my friend.", lang="en", seed=2)
    assert len(request.notes) == 1
    assert same(list(toy.stream(request, reference, reporter=heard)), list(toy.stream(request, reference)))
    assert [event.text for event in heard.of(Warned)] == list(request.notes)
    with pytest.raises(UsageError, match="a request holds language, seed and settings already"):
        toy.stream(request, reference, seed=1)


def test_the_process_stays_as_it_was(home, monkeypatch):
    """Within, a small voice computes in one thread; environment and thread counts are the caller's."""
    within, pool = [], ThreadPoolExecutor(1)
    pool.submit(torch.set_num_threads, 2).result()
    whole = voices.Synthesizer.candidates

    def candidates(self, utterances, attempt):
        within.append((torch.get_num_threads(), pool.submit(torch.get_num_threads).result()))
        return whole(self, utterances, attempt)

    monkeypatch.setattr(voices.Synthesizer, "candidates", candidates)
    before, environment = torch.get_num_threads(), dict(os.environ)
    monkeypatch.setenv("SOVITS_HOME", str(home / "home"))
    environment["SOVITS_HOME"] = str(home / "home")
    torch.set_num_threads(2)
    try:
        for limit in (voices.SMALL_PARAMETERS, 0):
            monkeypatch.setattr(voices, "SMALL_PARAMETERS", limit)
            toy = Voice.load("toy", device="cpu")
            for _ in toy.stream("One small sentence.", toy.reference(home / "r.wav")):
                assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        pool.shutdown()
    assert {threads for threads, _ in within} == {1, 2}
    assert {others for _, others in within} == {2}, "the other threads of the process keep theirs"
    assert dict(os.environ) == environment


def prompted(bundle):
    """The toy, as if its version took prompts."""
    return replace(bundle, version=replace(bundle.version, uses_prompt=True))


def test_a_prompt_is_continued_where_all_of_the_recording_fits_one(home, monkeypatch):
    bundle = prompted(toys.install(tokens=45))
    toy = Voice(bundle, "cpu")
    plain, continued = toy.reference(home / "r.wav"), toy.reference(home / "r.wav", transcript=" Words ")
    assert plain.description == "4.0 s: timbre; a transcript would make it a prompt too"
    assert continued.description == "4.0 s: timbre and prompt"
    assert (plain.prompt, len(continued.prompt.tokens)) == (None, 114)
    spoken = (toy.speak("Hello there, my friend.", one, seed=1).parts for one in (plain, continued))
    assert not same(*spoken)
    long = toy.reference(toys.voice_recording(home / "long.wav", 14.0), transcript="Words.")
    assert long.prompt is None
    assert long.description.endswith("timbre; its transcript is of all 14 s, a prompt holds 10 s")
    deaf = Voice(replace(bundle, content=None), "cpu")
    with pytest.raises(ModelError, match="toy has no phonetic content encoder"):
        deaf.reference(home / "r.wav", transcript="Words.")
    deaf.reference(home / "r.wav")


def test_a_voice_without_prompts_takes_none(toy, home):
    found = toy.reference(home / "r.wav", transcript="Words.")
    assert (found.prompt, found.description) == (None, "4.0 s: timbre, which is all that toy takes")


def test_what_cannot_be_read_is_left_out(toy, reference, heard, monkeypatch):
    whole = utterances.read_for_speech

    def read_for_speech(text, *how, **more):
        if "How" in text or "none" in text:
            raise TextError("nothing to read")
        return whole(text, *how, **more)

    monkeypatch.setattr(utterances, "read_for_speech", read_for_speech)
    assert [part.index for part in toy.stream(TEXT, reference, reporter=heard)][-1] == 1
    assert [event.reason for event in heard.of(Skipped)] == ["nothing to read"]
    with pytest.raises(TextError, match="nothing to read"):
        list(toy.stream("There is none.", reference))


def test_errors_are_typed_and_come_at_the_call(toy, reference, home):
    for kind, said, call in (
        (UsageError, "precision is '16-mixed'", lambda: Voice.load("toy", precision="16-mixed")),
        (ModelError, "no model is called nobody", lambda: Voice.load("nobody")),
        (ModelError, "gone.ckpt", lambda: Voice.load(gpt="gone.ckpt")),
        (ResourceError, "device cuda:7 is not available", lambda: Voice.load("mini", device="cuda:7")),
        (AudioError, "gone.wav does not exist", lambda: toy.reference(home / "gone.wav")),
        (AudioError, "the recording is 1.0 s long", lambda: toy.reference((np.ones(16_000), 16_000))),
        (TextError, "unknown language 'xx'", lambda: toy.stream("Hello.", reference, lang="xx")),
        (TextError, "nothing to read", lambda: toy.stream("...", reference)),
        (ModelError, "heard by other", lambda: toy.stream("Hello.", replace(reference, voice="other"))),
    ):
        with pytest.raises(kind, match=said):
            call()


@pytest.mark.gpu
def test_a_gpu_speaks_and_its_references_are_at_home_everywhere(home, monkeypatch):
    monkeypatch.setenv("SOVITS_HOME", str(home / "home"))
    bundle = prompted(find_model("toy"))
    fast, slow = Voice(bundle, "cuda:0"), Voice(bundle, "cpu")
    heard = fast.reference(home / "r.wav", transcript="Words.")
    assert {heard.style.vector.device.type, heard.prompt.tokens.device.type} == {"cpu"}
    for voice in (fast, slow):
        assert np.isfinite(voice.speak("Hello there, my friend.", heard, seed=1).samples).all()
