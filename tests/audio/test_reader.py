"""Files in: every format, spans, broken files in one clear line."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sovits_cli.audio.reader import AudioReader, probe_audio, read_audio, read_blocks, read_spans
from sovits_cli.errors import AudioError
from sovits_cli.terms import Span
from tests.audio import signals
from tests.differences import every_case

SUBTYPES = {
    "PCM_U8": "int16",
    "PCM_16": "int16",
    "PCM_24": "int32",
    "PCM_32": "int32",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}


@every_case("suffix", ["wav", "flac", "mp3", "ogg", "opus"], isolated=True)
def test_probe_and_read(tmp_path, suffix):
    rate = 48_000
    path = signals.write(tmp_path / f"a.{suffix}", signals.noise(1.0, rate, 2), rate, **_encoding(suffix))
    info = probe_audio(path)
    assert (info.rate, info.channels, info.duration_s) == (rate, 2, pytest.approx(1.0, abs=0.05))
    wave, got_rate = read_audio(path)
    assert (wave.shape, wave.dtype, got_rate) == ((info.frames, 2), np.float32, rate)
    mono, _ = read_audio(path, mono=True)
    np.testing.assert_allclose(mono, wave.mean(axis=1), atol=1e-6)
    low, low_rate = read_audio(path, rate=16_000, mono=True)
    assert (low.shape, low_rate) == ((round(info.frames / 3),), 16_000)


def _encoding(suffix):
    return {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}


@every_case(("subtype", "dtype"), SUBTYPES.items(), isolated=True)
def test_native_blocks_are_exact(tmp_path, subtype, dtype):
    rng = np.random.default_rng(0)
    stored = rng.uniform(-1, 1, (1000, 2))
    path = signals.write(tmp_path / "a.wav", stored, subtype=subtype)
    with AudioReader(path) as source:
        wave = np.concatenate(list(source.blocks(block_frames=300)))
    assert wave.dtype == dtype
    again = signals.write(tmp_path / "b.wav", wave, subtype=subtype)
    assert again.read_bytes() == path.read_bytes()


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 999), length=st.integers(1, 1000), block=st.integers(1, 1100))
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_span_is_a_part_of_the_whole(tmp_path_factory, suffix, start, length, block):
    path = tmp_path_factory.getbasetemp() / f"span.{suffix}"
    if not path.exists():
        signals.write(path, signals.noise(2000 / 16_000))
    span = Span(start, start + length)
    whole, _ = read_audio(path)
    np.testing.assert_array_equal(read_audio(path, span=span)[0], whole[span.start : span.end])
    np.testing.assert_array_equal(
        np.concatenate(list(read_blocks(path, block_frames=block, span=span))), whole[slice(*span)]
    )


def test_span_beyond_the_end(tmp_path):
    path = signals.write(tmp_path / "a.wav", signals.noise(0.1))
    with pytest.raises(AudioError, match=r"cut short: 0\.50 s were expected, 0\.10 s"):
        read_audio(path, span=Span(0, 8000))


def test_flac_of_unknown_length(tmp_path):
    wave = signals.noise(5.0)
    path = signals.flac_of_unknown_length(signals.write(tmp_path / "a.flac", wave))
    assert probe_audio(path).frames == len(wave)
    np.testing.assert_array_equal(read_audio(path)[0] * 32768, wave)


@every_case("suffix", ["mp3", "ogg", "opus"], isolated=True)
def test_blocks_equal_the_whole(tmp_path, suffix):
    path = signals.write(tmp_path / f"a.{suffix}", signals.noise(3, 48_000, 2), 48_000, **_encoding(suffix))
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    for block_frames in (999, 1152, 50_000):
        np.testing.assert_array_equal(np.concatenate(list(read_blocks(path, block_frames=block_frames))), whole)


def test_wav_of_unknown_length(tmp_path):
    path = signals.patch(signals.write(tmp_path / "a.wav", signals.noise(0.5)), signals.DATA_SIZE, 0xFFFFFFFF)
    assert probe_audio(path).frames == 8000


def _broken_text(path):
    path.write_text("this is no sound " * 50)


def _broken_nan(path):
    signals.write(path, np.full(1000, np.nan, np.float32), subtype="FLOAT")


def _broken_header(field, value, kind="<I"):
    def write(path):
        signals.patch(signals.write(path, signals.noise(0.5)), field, value, kind)

    return write


def _broken_cut(path):
    signals.cut_short(signals.write(path, signals.noise(2.0)))


def _broken_middle(path):
    signals.write(path, signals.noise(3.0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)


BROKEN = {
    "empty.wav": (lambda path: path.touch(), "is empty"),
    "text.wav": (_broken_text, "cannot read"),
    "text.mp3": (_broken_text, "cannot read .* as audio: wav, flac"),
    "missing.wav": (lambda path: None, "does not exist"),
    "folder.wav": (lambda path: path.mkdir(), "is a folder"),
    "no_samples.wav": (lambda path: signals.write(path, np.zeros(0, np.int16)), "holds no samples"),
    "cut.wav": (_broken_cut, r"promises 2\.00 s, 1\.00 s are there"),
    "cut.aiff": (_broken_cut, "promises"),
    "cut.flac": (_broken_cut, "cut short"),
    "cut.mp3": (_broken_cut, "cut short"),
    "cut_to_header.wav": (
        lambda path: signals.cut_short(signals.write(path, signals.noise(1.0)), 0.001),
        "cannot read",
    ),
    "damaged.flac": (_broken_middle, "damaged"),
    "nan.wav": (_broken_nan, "NaN"),
    "huge.wav": (_broken_header(signals.DATA_SIZE, 0x7FFFFFF0), "promises 67108"),
    "no_rate.wav": (_broken_header(signals.RATE, 0), "cannot read"),
    "no_channels.wav": (_broken_header(signals.CHANNELS, 0, "<H"), "cannot read"),
    "headless.raw": (lambda path: path.write_bytes(bytes(1000)), "raw audio"),
    "pipe.wav": (lambda path: __import__("os").mkfifo(path), "not a regular file"),
}


@every_case("name", BROKEN, isolated=True)
def test_broken_file_is_one_clear_line(tmp_path, name, capfd):
    make, message = BROKEN[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert capfd.readouterr().err == ""


def test_unreadable_file(tmp_path, monkeypatch):
    path = signals.write(tmp_path / "a.wav", signals.noise(0.1))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sovits_cli.audio.reader._check_readable", refuse)
    with pytest.raises(AudioError, match="Permission denied"):
        probe_audio(path)


def test_foreign_format_names_the_ffmpeg_command(tmp_path):
    path = tmp_path / "my talk.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    with pytest.raises(AudioError) as caught:
        probe_audio(path)
    assert f"ffmpeg -i '{path}' '{tmp_path / 'my talk.wav'}'" in caught.value.hint


@every_case("suffix", ["wav", "flac", "mp3"], isolated=True)
def test_stretches_may_overlap(tmp_path, suffix):
    """A reference is heard all over, and once more where its best window is."""
    path = signals.write(tmp_path / f"a.{suffix}", signals.noise(1.0, 48_000, 2), 48_000, **_encoding(suffix))
    whole, _ = read_audio(path, mono=True)
    spans = [Span(0, 9000), Span(4000, 21_000), Span(5000, 6000), Span(5000, 25_000), Span(30_000, 31_000)]
    for span, got in zip(spans, read_spans(path, spans), strict=True):
        assert np.array_equal(got, whole[span.start : span.end])
