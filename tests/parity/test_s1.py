"""Text2Semantic inference against the recorded official model: one utterance, a batch, the end of speech."""

import re
from itertools import product

import numpy as np
import pytest
import torch

from sovits_cli.models.t2s.decode import Sampling, T2SRequest, decode
from sovits_cli.models.t2s.layers import PackedRow
from tests.parity import golden, s1

ONE = golden.files("s1")
BATCH = golden.files("s1_batch")
EOS = golden.files("s1_eos")
PENALTIES = {"greedy": 1.0, "greedy_rp135": 1.35}


def _networks(path, *, quick=False):
    """Plain and with packed kernels, with what to call it; a quick test has only the latter at full size."""
    both = (("plain", s1.model(path)), ("packed", s1.model(path, packed=True)))
    return both[1:] if quick and "full" in path.stem else both


def _compare(measured, data, name, decoded, *, kind, row=None):
    """Compare with `name/tokens` and with `name/logits` (all steps or 0, 1, last) or `name/logits_step<k>`."""
    (tokens, logits), wanted = decoded, data.get(f"{name}/tokens")
    found = tokens.numpy() if row is None else tokens[row].numpy()
    assert found.shape == wanted.shape, name
    measured((found != wanted).sum(), 0, f"{name}/tokens, {kind}")
    count = tokens.shape[1]
    steps = {int(m[1]): data[key] for key in data if (m := re.fullmatch(rf"{name}/logits_step(\d+)", key))}
    if not steps:
        recorded = data[f"{name}/logits"]
        time_axis = recorded.shape[-2]
        chosen = range(count) if time_axis == count else (0, 1, count - 1)
        steps = {step: recorded[..., index, :] for index, step in enumerate(chosen)}
    for step, expected in steps.items():
        actual = logits[:, step] if row is None else logits[row, step]
        measured(s1.off_by(actual, expected), s1.LOGITS_TOLERANCE, f"{name}/logits, step {step}, {kind}")


@pytest.mark.parametrize("path", ONE)
def test_greedy(measured, path):
    data = s1.load(path)
    for kind, network in _networks(path, quick=True):
        for name, penalty in PENALTIES.items():
            decoded = s1.greedy(network, [s1.single(data)], data[f"{name}/tokens"].shape[-1], penalty=penalty)
            _compare(measured, data, name, decoded, kind=kind, row=0)


@pytest.mark.parametrize("path", ONE)
def test_forced(measured, path):
    data = s1.load(path)
    forced = torch.from_numpy(data["forced/tokens"])[None]
    for kind, network in _networks(path):
        decoded = s1.greedy(network, [s1.single(data)], forced.shape[1], forced=forced)
        _compare(measured, data, "forced", decoded, kind=kind, row=0)


@pytest.mark.parametrize("path", ONE)
def test_batch_inside_the_file(measured, path):
    data = s1.load(path)
    if "batch/tokens" not in data:
        pytest.skip("this file holds no batch")
    for kind, network in _networks(path, quick=True):
        decoded = s1.greedy(network, s1.batch(data, "batch/"), data["batch/tokens"].shape[-1], penalty=1.35)
        _compare(measured, data, "batch", decoded, kind=kind)


@pytest.mark.parametrize("path", ONE)
def test_prefill(measured, path):
    data = s1.load(path)
    if "prefill_hidden" not in data:
        pytest.skip("this file holds no prefill")
    for kind, network in _networks(path):
        for name, got in _prefilled(network, s1.single(data)).items():
            measured(s1.off_by(got, data[name]), s1.LOGITS_TOLERANCE, f"{name}, {kind}")


def _prefilled(network, request):
    """What is computed before the first step, by the names of the golden file."""
    with torch.inference_mode():
        text = network.embed_text(request.phones[None], request.bert[None])
        audio = network.embed_audio(request.prompt[None])
        phones, tokens = text.shape[1], audio.shape[1]
        hidden = network.h(torch.cat((text, audio), 1)[0], [PackedRow(0, phones, tokens, (0, phones), tokens)])
        last = network.ar_predict_layer(hidden[-1])
    _, logits = s1.greedy(network, [request], 1)
    return {
        "text_embedding_out": text[0],
        "audio_embedding_out": audio[0],
        "prefill_hidden": hidden,
        "prefill_logits": logits[0, 0],
        "prefill_logits_1025": last,
    }


@pytest.mark.parametrize("path", ONE)
def test_no_prompt(measured, path):
    data = s1.load(path)
    if "noprompt/tokens" not in data:
        pytest.skip("this file holds no decoding without a prompt")
    request = T2SRequest(torch.from_numpy(data["phones"]), torch.from_numpy(data["bert"]), s1.NO_TOKENS, seed=0)
    for kind, network in _networks(path):
        decoded = s1.greedy(network, [request], data["noprompt/tokens"].shape[-1], penalty=1.35)
        _compare(measured, data, "noprompt", decoded, kind=kind, row=0)


@pytest.mark.parametrize("path", BATCH)
def test_batch(measured, path):
    data = s1.load(path)
    requests = s1.batch(data)
    for (kind, network), (name, penalty) in product(_networks(path), PENALTIES.items()):
        count = data[f"{name}/tokens"].shape[-1]
        decoded = s1.greedy(network, requests, count, penalty=penalty)
        _compare(measured, data, name, decoded, kind=kind)
        for row, request in enumerate(requests):
            alone, _ = s1.greedy(network, [request], count, penalty=penalty)
            wrong = (alone[0].numpy() != data[f"{name}/single{row}_tokens"]).sum()
            measured(wrong, 0, f"{name}/single{row}_tokens, {kind}")


@pytest.mark.parametrize("path", BATCH)
def test_batch_forced(measured, path):
    data = s1.load(path)
    forced = torch.from_numpy(data["forced/tokens"])
    for kind, network in _networks(path):
        decoded = s1.greedy(network, s1.batch(data), forced.shape[1], forced=forced)
        _compare(measured, data, "forced", decoded, kind=kind)


@pytest.mark.parametrize("path", BATCH)
def test_batch_stopped_at_the_limit(path):
    """The official batch drops its last token at the limit; ours keeps it (quirk Q4)."""
    data, network = s1.load(path), s1.model(path)
    requests = s1.batch(data)
    limit = data["greedy_rp135/tokens"].shape[-1]
    results = decode(network, requests, Sampling(top_k=1, min_tokens=limit), max_tokens=limit)
    for row, result in enumerate(results):
        assert not result.ended
        assert np.array_equal(result.tokens, data["greedy_rp135/tokens"][row])
        kept_there = int(data["greedy_rp135/returned_lengths"][row]) - len(requests[row].prompt)
        assert kept_there == limit - 1


@pytest.mark.parametrize("path", EOS)
def test_end_of_speech(path):
    data = s1.load(path)
    network = s1.build(data)
    with torch.no_grad():
        network.ar_predict_layer.weight[network.config.eos] *= float(data["eos_row_gain"])
    _ends_as_recorded(data, network)
    network.prepare_for_inference()
    _ends_as_recorded(data, network)


def _ends_as_recorded(data, network):
    requests = s1.batch(data)
    together = decode(network, requests, Sampling(top_k=1))
    for row, (request, result) in enumerate(zip(requests, together, strict=True)):
        (alone,) = decode(network, [request], Sampling(top_k=1))
        assert result.ended
        assert alone.ended
        assert np.array_equal(torch.cat((request.prompt, result.tokens)), data[f"batch_y{row}"])
        assert np.array_equal(torch.cat((request.prompt, alone.tokens)), data[f"naive_y{row}"])
        assert len(result.tokens) == int(data["batch_idx"][row])
