"""A guess at how an unknown English word is said, by a small network over its letters, in numpy.

The network is our own, trained by `tests/tools/train_letters.py` on the CMU dictionary. Each letter makes a label: no
phone, one, or two or three. Letters x_1 … x_L are read in both directions, then labelled from left to right, each with
a look at the label before it. `_paths` looks for the likeliest labels by a beam of 4; the first of them with exactly
one main stress is taken. The GRU: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014,
https://arxiv.org/abs/1406.1078; labels in place of a decoder: Jiampojamarn et al., "Applying Many-to-Many Alignments
and Hidden Markov Models to Letter-to-Phoneme Conversion", 2007, https://aclanthology.org/N07-1047. Loaded on first use.

Legend: L letters, D width of a state, K paths of the beam.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sovits_cli.text.resources import TABLES, once

# The network, and what it makes of a word:
#
#   r_i = [GRU_f(E_x x_1 … x_i) ; GRU_b(E_x x_L … x_i)]                 letters read, (L, 2 D)
#   s_i = GRU_w([r_i ; E_y y_(i-1)], s_(i-1))                           state of the writer, (D,)
#   p(y_i | y_<i, x) = softmax(W s_i + b + m(x_i))                      m bars labels that the letter never has
#
#       k n i g h t   ->   -  N  AY1  -  -  T        ("-" is the label of no phone)

Array = NDArray[np.float32]

MAX_LETTERS = 24
"""Letters the network takes at once, as in training; longer words are guessed in parts."""

_BEAM = 4


@dataclass(frozen=True)
class _Gru:
    """Weights of one direction, PyTorch's order of gates (reset, update, new)."""

    of_input: Array
    of_state: Array
    input_bias: Array
    state_bias: Array

    def inputs(self, values: Array) -> Array:
        """The part of the gates that comes from the input: (..., in) -> (..., 3 D)."""
        return values @ self.of_input.T + self.input_bias

    def step(self, inputs: Array, state: Array) -> Array:
        """One step: gate inputs (..., 3 D) and state (..., D) -> new state h' (..., D).

        r, z = sigmoid(W x + U h),  n = tanh(W x + r * (U h)),  h' = (1 - z) * n + z * h
        """
        width = state.shape[-1]
        recurrent = state @ self.of_state.T + self.state_bias
        reset = _sigmoid(inputs[..., :width] + recurrent[..., :width])
        update = _sigmoid(inputs[..., width : 2 * width] + recurrent[..., width : 2 * width])
        new = np.tanh(inputs[..., 2 * width :] + reset * recurrent[..., 2 * width :])
        result: Array = (1 - update) * new + update * state
        return result


@dataclass(frozen=True)
class _Network:
    letters: Array
    labels: Array
    forward: _Gru
    backward: _Gru
    writer: _Gru
    out: Array
    out_bias: Array
    barred: Array
    phones: list[list[str]]


class _Path(NamedTuple):
    score: float
    state: Array
    labels: tuple[int, ...]


@lru_cache(maxsize=4096)
def guess_word(word: str) -> list[str]:
    """Phones of a word of the letters a to z, with one main stress in each part of at most `MAX_LETTERS` letters."""
    parts = [word[start : start + MAX_LETTERS] for start in range(0, len(word), MAX_LETTERS)]
    return [phone for part in parts for phone in _guess(part)]


def _guess(word: str) -> list[str]:
    """The likeliest reading with exactly one main stress; the likeliest of all where none has one."""
    network = _network()
    paths = _paths(network, [ord(letter) - ord("a") for letter in word])
    readings = [[phone for label in path.labels for phone in network.phones[label]] for path in paths]
    stressed = (reading for reading in readings if sum(phone.endswith("1") for phone in reading) == 1)
    return next(stressed, readings[0])


def _paths(network: _Network, letters: list[int]) -> list[_Path]:
    """The best labellings, best first: of all labels of all K paths, the `_BEAM` of the highest totals go on."""
    read = _read(network, letters)
    paths = [_Path(0.0, np.zeros(len(network.writer.state_bias) // 3, np.float32), ())]
    for position, letter in enumerate(letters):
        previous = [path.labels[-1] if path.labels else len(network.phones) for path in paths]
        known = np.tile(read[position], (len(paths), 1))
        inputs = network.writer.inputs(np.concatenate([known, network.labels[previous]], -1))
        states = network.writer.step(inputs, np.stack([path.state for path in paths]))
        scores = _log_softmax(states @ network.out.T + network.out_bias + network.barred[letter])
        totals = scores + np.array([[path.score] for path in paths])
        best = np.argsort(-totals, axis=None, kind="stable")[:_BEAM]
        rows, labels = np.unravel_index(best, totals.shape)
        paths = [
            _Path(float(totals[row, label]), states[row], (*paths[row].labels, int(label)))
            for row, label in zip(rows, labels, strict=True)
        ]
    return paths


def _read(network: _Network, letters: list[int]) -> Array:
    """Both directions over the letters: (letters, 2 D)."""
    values = network.letters[letters]
    halves: list[Array] = []
    for gru, order in ((network.forward, 1), (network.backward, -1)):
        state: Array = np.zeros(len(gru.state_bias) // 3, np.float32)
        states: list[Array] = []
        for inputs in gru.inputs(values[::order]):
            state = gru.step(inputs, state)
            states.append(state)
        halves.append(np.stack(states[::order]))
    return np.concatenate(halves, -1)


@once
def _network() -> _Network:
    with np.load(TABLES / "letters.npz") as file:
        arrays = dict(file)
    weight = {name: _floats(arrays, name) for name in arrays if not name.endswith((".scale", "phones", "allowed"))}
    labels = len(arrays["phones"])
    allowed = np.unpackbits(arrays["allowed"], axis=1)[:, :labels].astype(bool)
    return _Network(
        letters=weight["letters.weight"],
        labels=weight["labels.weight"],
        forward=_gru(weight, "reader", "l0"),
        backward=_gru(weight, "reader", "l0_reverse"),
        writer=_gru(weight, "writer", "l0"),
        out=weight["out.weight"],
        out_bias=weight["out.bias"],
        barred=(~allowed).astype(np.float32) * np.float32(-1e4),
        phones=[str(entry).split() for entry in arrays["phones"]],
    )


def _gru(weight: dict[str, Array], name: str, layer: str) -> _Gru:
    parts = (f"{name}.{part}_{layer}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return _Gru(*(weight[part] for part in parts))


def _floats(arrays: dict[str, NDArray[np.generic]], name: str) -> Array:
    """A stored array as float32: rows of int8 times their scales."""
    values = arrays[name].astype(np.float32)
    return values * arrays[f"{name}.scale"].astype(np.float32) if f"{name}.scale" in arrays else values


def _sigmoid(values: Array) -> Array:
    one = np.float32(1)
    result: Array = one / (one + np.exp(-values))
    return result


def _log_softmax(values: Array) -> Array:
    shifted = values - values.max(-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result
