"""Speech through a flow: chunks and their prompts, and whole voices of the flow-matching versions."""

import numpy as np
import pytest
import torch

from sovits_cli.config.schema import InferenceSettings
from sovits_cli.inference.flow import FlowPrompt, FlowSampling, cut_prompt, parallel_chunks, sequential
from sovits_cli.inference.voice import Voice
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic_flow
from tests.differences import every_case
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


@every_case("frames", [1, 9, 10, 11, 26, 40])
def test_parallel_chunks_cover_every_frame(frames):
    flow = CountingFlow()
    sampling = FlowSampling(chunk_frames=14, steps=3, overlap=2)
    got = parallel_chunks(HoldingVocoder(), flow, condition(frames), prompt(4), sampling, noise)
    (asked,) = flow.asked
    assert asked[0].shape[-1] == 14
    assert abs(len(got) - frames * HOP) <= 320, "joining may move each piece a little"
    assert len(got) > 0


def test_a_prompt_is_cut_to_what_both_sides_have():
    long = FlowPrompt(torch.arange(30.0).view(1, 1, 30), torch.arange(20.0).view(1, 1, 20))
    cut = cut_prompt(long.condition, long.frames, 12)
    assert cut.condition[0, 0].tolist() == cut.frames[0, 0].tolist() == list(range(8, 20))
    assert cut_prompt(long.condition, long.frames, 50).frames.shape[-1] == 20


TEXT = "Hello there my friend. How are you today? I am quite well."


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """Gives the voice of a version, made once."""
    made = {}
    folder = tmp_path_factory.mktemp("flow")

    def load(name):
        if name not in made:
            synthetic_flow.install(name)
            made[name] = Voice.load(name, device="cpu")
        return made[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOVITS_HOME", str(folder))
        yield load


def speak(voice, folder, text=TEXT, transcript="Some words.", seconds=4.0, **said):
    toys.voice_recording(folder / "r.wav", seconds, rate=22_050)
    reference = voice.reference(folder / "r.wav", transcript=transcript)
    settings = InferenceSettings(**{"lang": "en", "seed": 3, "steps": 2, **said})
    return reference, voice.speak(text, reference, settings=settings)


@EACH
def test_a_voice_speaks_at_the_rate_of_its_vocoder(voice, tmp_path, name):
    reference, audio = speak(voice(name), tmp_path)
    assert audio.rate == voice(name).rate == VERSIONS[name].rate
    assert [part.index for part in audio.parts][-1] == 2
    assert np.isfinite(audio.samples).all()
    assert reference.description == "4.0 s: timbre and prompt"


def test_the_batch_size_changes_nothing_and_the_options_of_the_flow_do(voice, tmp_path):
    options = ({"batch_size": 1}, {"steps": 3}, {"guidance": 1.5}, {"parallel": True}, {"speed": 1.3})
    plain, one, *others = (speak(voice("v4"), tmp_path, **said)[1].samples for said in ({}, *options))
    assert np.array_equal(plain, one)
    assert all(plain.shape != other.shape or not np.array_equal(plain, other) for other in others)
    assert len(others[-1]) < len(plain)


def test_no_transcript_is_needed(voice, tmp_path):
    """The flow goes on from the sound; only the GPT goes on from the words."""
    for seconds in (4.0, 25.0):
        reference, audio = speak(voice("v3"), tmp_path, transcript=None, seconds=seconds)
        assert len(audio.samples) > 0.5 * audio.rate
        assert "timbre and sound" in reference.description


@pytest.mark.slow
@EACH
def test_official_size(tmp_path, name):
    """A few GB of memory, and some seconds of computing for each second of speech."""
    synthetic_flow.install(name, full=True)
    _, audio = speak(Voice.load(name, device="cpu"), tmp_path, "Hello there my friend.", steps=1)
    assert len(audio.samples) > 0
