"""Whole syntheses of the flow-matching models against the recorded ones: chunk after chunk, and side by side."""

import numpy as np
import pytest
import torch

from sovits_cli.audio.crossfade import overlap_add
from sovits_cli.audio.mel import log_mel, scale_log_mel
from sovits_cli.inference.flow import FlowSampling, cut_prompt, parallel_chunks, sequential, vocoded
from sovits_cli.models.vocoders import VOCODERS
from tests.parity import flow, golden
from tests.parity.acoustic import fill, tensors

AUDIO_TOLERANCE = 2e-4
STEPS = 4


@pytest.fixture(scope="module", params=golden.files("flow"))
def case(request):
    recorded = golden.load(request.param)
    if "pipe/audio" not in recorded:
        pytest.skip("the file has no whole synthesis")
    return Case(recorded)


class Case:
    """A recorded synthesis: its models, the prompt, and the condition of each sentence."""

    def __init__(self, recorded):
        self.recorded = recorded
        self.model = flow.synthesizer(recorded)
        traits = self.model.flow_config.traits
        vocoder = VOCODERS[traits.vocoder](recorded["vocoder_json"])
        self.vocoder = fill(vocoder, int(recorded["seed"])).eval().requires_grad_(False).for_inference()
        said = recorded["pipe/vocoder_config_json"]
        self.hop = said["upsample_rate"]
        assert self.hop == self.model.flow_config.hop
        assert said["sr"] == traits.output_rate
        raw, codes, phones, refer = tensors(
            recorded, "pipe/raw_audio", "pipe/prompt_codes", "pipe/prompt_phones", "pipe/refer"
        )
        self.ge = self.model.encode_style([refer])
        condition = self.model.condition(codes[None, None], phones[None], self.ge)
        frames = scale_log_mel(log_mel(raw, self.model.flow_config.mel))
        self.prompt = cut_prompt(condition, frames, said["T_ref"])
        self.sampling = FlowSampling(said["T_chunk"], STEPS, overlap=said["overlapped_len"])

    def condition(self, suffix=""):
        codes, phones = tensors(self.recorded, f"pipe/semantic{suffix}", f"pipe/phones{suffix}")
        return self.model.condition(codes[None, None], phones[None], self.ge)

    def noise(self, name):
        drawn = iter(torch.from_numpy(self.recorded[key]) for key in sorted(self.recorded) if key.startswith(name))

        def give(shape):
            noise = next(drawn)
            assert tuple(noise.shape) == shape
            return noise

        return give


def off_by(got, wanted):
    assert got.shape == wanted.shape
    return np.abs(got - wanted).max()


def test_chunk_after_chunk(case, measured):
    frames = sequential(case.model.cfm, case.condition(), case.prompt, case.sampling, case.noise("pipe/noise"))
    measured(off_by(vocoded(case.vocoder, frames), case.recorded["pipe/audio"]), AUDIO_TOLERANCE, "pipe/audio")


def test_side_by_side(case, measured):
    """The recorded way puts the sentences of a batch behind each other and cuts the sound afterwards."""
    if "pipe/batched_audio0" not in case.recorded:
        pytest.skip("the file has no chunks side by side")
    conditions = [case.condition(), case.condition("_b")]
    whole = parallel_chunks(
        case.vocoder,
        case.model.cfm,
        torch.cat(conditions, dim=-1),
        case.prompt,
        case.sampling,
        case.noise("pipe/batched_noise"),
    )
    border = conditions[0].shape[-1] * case.hop
    for got, name in ((whole[:border], "pipe/batched_audio0"), (whole[border:], "pipe/batched_audio1")):
        measured(off_by(got, case.recorded[name]), AUDIO_TOLERANCE, name)


@pytest.mark.parametrize("path", golden.files("sola"))
def test_joining(path, measured):
    recorded = golden.load(path)
    pieces = [recorded[key] for key in sorted(recorded) if key.startswith("fragment")]
    got = overlap_add(pieces, int(recorded["overlap_len"]), search=int(recorded["search_len"]))
    measured(off_by(got, recorded["joined"]), AUDIO_TOLERANCE, "joined")
