"""Synthetic sounds and broken files for the audio tests."""

import struct

import numpy as np
import soundfile


def noise(seconds, rate=16_000, channels=1, level=0.2, seed=0):
    """White noise as int16, (frames, channels)."""
    rng = np.random.default_rng(seed)
    wave = rng.standard_normal((round(seconds * rate), channels)) * level * 32768
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


def speech(pattern, rate=16_000, channels=1, seed=0):
    """Bursts of noise and digital silence: positive numbers are seconds of noise, negative ones of silence."""
    parts = [
        noise(part, rate, channels, seed=seed + index)
        if part > 0
        else np.zeros((round(-part * rate), channels), np.int16)
        for index, part in enumerate(pattern)
    ]
    return np.concatenate(parts)


def write(path, wave, rate=16_000, **kwargs):
    if path.suffix == ".mp3":
        wave = wave / 32768  # libsndfile 1.2.2 makes noise of stereo int16 in mp3
    soundfile.write(path, wave, rate, **kwargs)
    return path


def cut_short(path, share=0.5):
    """Drop the end of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def patch(path, offset, value, kind="<I"):
    """Overwrite a header field."""
    data = bytearray(path.read_bytes())
    struct.pack_into(kind, data, offset, value)
    path.write_bytes(bytes(data))
    return path


def flac_of_unknown_length(path):
    """Clear the 36 bits that tell the number of samples, as an encoder leaves them that writes into a pipe."""
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    return path


DATA_SIZE, CHANNELS, RATE = 40, 22, 24
"""Offsets of the fields of a plain wav header."""
