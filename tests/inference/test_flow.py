"""Speech through a flow: chunks and their prompts, and whole voices of the flow-matching versions."""

import numpy as np
import pytest
import torch

from sovits_cli.audio.reader import read_audio
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.events import Chose, Warned
from sovits_cli.inference.flow import FlowPrompt, FlowSampling, cut_prompt, parallel_chunks, sequential
from sovits_cli.inference.request import InferInputs, check
from sovits_cli.inference.writer import infer
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic_flow
from tests.inference import toys

BANDS, WIDTH, HOP = 3, 5, 4
EACH = pytest.mark.parametrize("name", synthetic_flow.FLOWS)


class CountingFlow:
    """Frames are their condition's first bands; it keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def sample(self, condition, prompt, noise, **how):
        self.asked.append((condition.clone(), prompt.clone(), how))
        frames = condition[:, :BANDS].clone()
        frames[..., : prompt.shape[-1]] = 0
        return frames


class HoldingVocoder(torch.nn.Module):
    """Each frame's first band, held for a hop."""

    def forward(self, mel):
        return mel[:, :1].repeat_interleave(HOP, dim=-1)


def noise(shape):
    return torch.zeros(shape)


def condition(frames):
    return torch.arange(frames, dtype=torch.float32).repeat(1, WIDTH, 1)


def prompt(frames):
    return FlowPrompt(torch.full((1, WIDTH, frames), -1.0), torch.full((1, BANDS, frames), -2.0))


def test_each_chunk_goes_on_from_the_one_before():
    flow = CountingFlow()
    made = sequential(flow, condition(25), prompt(4), FlowSampling(chunk_frames=14, steps=3, guidance=0.5), noise)
    assert torch.equal(made, condition(25)[:, :BANDS])
    assert [asked[0].shape[-1] for asked in flow.asked] == [14, 14, 9]
    first, second, third = (asked[1][0, 0].tolist() for asked in flow.asked)
    assert first == [-2.0] * 4
    assert second == [6, 7, 8, 9]
    assert third == [16, 17, 18, 19]
    assert flow.asked[1][0][0, 0, :4].tolist() == second, "the condition of the prompt goes with its frames"
    assert flow.asked[0][2] == {"steps": 3, "temperature": 1.0, "guidance": 0.5}


@pytest.mark.parametrize("frames", [1, 9, 10, 11, 26, 40])
def test_side_by_side_covers_every_frame(frames):
    flow = CountingFlow()
    manner = FlowSampling(chunk_frames=14, steps=3)
    got = parallel_chunks(HoldingVocoder(), flow, condition(frames), prompt(4), manner, noise, hop=HOP, overlap=2)
    (asked,) = flow.asked
    assert asked[0].shape[-1] == 14
    assert abs(len(got) - frames * HOP) <= 320, "joining may move each piece a little"
    assert len(got) > 0


def test_a_prompt_is_cut_to_what_both_sides_have():
    long = FlowPrompt(torch.arange(30.0).view(1, 1, 30), torch.arange(20.0).view(1, 1, 20))
    cut = cut_prompt(long.condition, long.frames, 12)
    assert cut.condition[0, 0].tolist() == cut.frames[0, 0].tolist() == list(range(8, 20))
    assert cut_prompt(long.condition, long.frames, 50).frames.shape[-1] == 20


@pytest.fixture
def order(empty_folder):
    """Speak three sentences in the voice of a recording."""
    toys.voice_recording(empty_folder / "r.wav", 4.0, rate=22_050)

    def make(transcript="Some words.", seconds=4.0, text="Hello there my friend. How are you today? I am quite well."):
        toys.voice_recording(empty_folder / "r.wav", seconds, rate=22_050)
        return check(InferInputs("r.wav", None, text, transcript, empty_folder / "out.wav", None), "en")

    return make


def speak(order, name, heard, **said):
    settings = InferenceSettings(seed=3, **{"steps": 2, **said})
    return infer(order, settings, find_model(name), device="cpu", reporter=heard)


@EACH
def test_a_voice_speaks_at_the_rate_of_its_vocoder(order, heard, name):
    synthetic_flow.install(name)
    report = speak(order(), name, heard)
    assert report.rate == VERSIONS[name].rate
    assert report.sentences == 3
    wave, rate = read_audio(report.out)
    assert rate == VERSIONS[name].rate
    assert np.isfinite(wave).all()
    assert any(event.why.endswith("timbre and prompt") for event in heard.of(Chose) if event.what == "reference")


def test_the_batch_size_changes_nothing_and_the_steps_do(order, heard):
    synthetic_flow.install("v4")
    one, other, more = (
        read_audio(speak(order(), "v4", heard, **said).out)[0]
        for said in ({"batch_size": 1}, {"batch_size": 8}, {"steps": 3})
    )
    assert np.array_equal(one, other)
    assert one.shape != more.shape or not np.array_equal(one, more)


@pytest.mark.parametrize("said", [{"guidance": 1.5}, {"parallel": True}, {"speed": 1.3}], ids=str)
def test_options_change_the_sound(order, heard, said):
    synthetic_flow.install("v4")
    plain, other = (read_audio(speak(order(), "v4", heard, **more).out)[0] for more in ({}, said))
    assert plain.shape != other.shape or not np.array_equal(plain, other)
    if "speed" in said:
        assert len(other) < len(plain)


@pytest.mark.parametrize("seconds", [4.0, 25.0])
def test_no_transcript_is_needed(order, heard, seconds):
    """The flow goes on from the sound; only the GPT goes on from the words."""
    synthetic_flow.install("v3")
    report = speak(order(transcript=None, seconds=seconds), "v3", heard)
    assert report.seconds > 0.5
    (reference,) = (event for event in heard.of(Chose) if event.what == "reference")
    assert "timbre and sound" in reference.why


def test_steps_without_a_flow_are_told(order, heard):
    toys.install()
    speak(order(), "toy", heard)
    assert any("no flow" in event.text for event in heard.of(Warned))


@pytest.mark.slow
@EACH
def test_official_size(order, heard, name):
    """A few GB of memory, and some seconds of computing for each second of speech."""
    synthetic_flow.install(name, full=True)
    report = speak(order(text="Hello there my friend."), name, heard, steps=1)
    assert report.seconds > 0
