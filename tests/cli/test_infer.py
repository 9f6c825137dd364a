"""`sovits infer` as it is typed: good calls, and each with its bad twin. The speaker is a toy that speaks noise."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sovits_cli import files, paths
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.cli.app import app
from sovits_cli.events import Progress
from sovits_cli.inference.checks import PASSED
from sovits_cli.models.t2s.inference_transformer import InferenceTransformer
from sovits_cli.report.console import Console
from tests import kills
from tests.checkpoints import synthetic
from tests.differences import every_case
from tests.inference import toys
from tests.inference.toys import voice_recording

LITERAL = ["--ref", "r.wav", "-t", "text.txt", "-o", "out.wav"]
"""The line that is fixed by our user."""


@pytest.fixture
def place(empty_folder, monkeypatch):
    """An empty folder with a recording and a text, and an installed toy that is believed."""
    toys.install(tokens=45)
    toys.accept_any_alignment(monkeypatch)
    voice_recording(empty_folder / "r.wav", 4.0)
    (empty_folder / "text.txt").write_text("Hello there, my old friend.\n\nHow are you on this day?\n")
    return empty_folder


def infer(*args, **extra):
    result = CliRunner().invoke(app, ["infer", *map(str, args)], **extra)
    assert "Traceback" not in result.output
    return result


def one_line(result, code, text):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert text in errors[0]


def left(place):
    return sorted(path.name for path in place.iterdir())


def test_the_line(place):
    result = infer(*LITERAL)
    assert result.exit_code == 0, result.output
    told = result.stderr.splitlines()
    assert told[0] == "model: toy (the newest installed model)"
    assert told[1].startswith("device: cpu")
    assert told[2].endswith("(drawn; --seed gives the same again)")
    assert told[3] == "reference: r.wav (4.0 s: timbre, which is all that toy takes)"
    assert re.match(r"out\.wav: 0:[0-5]\d of speech, 2 sentences", result.stdout)
    assert "of speech, 2 sentences (real-time factor " in result.stdout
    assert "RSS" in result.stdout
    assert soundfile.info("out.wav").duration > 1
    assert left(place) == ["out.wav", "r.wav", "text.txt"]


def test_the_newest_trained_voice_speaks_first(place):
    folder = place / "runs" / "amy"
    folder.mkdir(parents=True)
    (folder / "voice.json").write_text(json.dumps({"name": "amy", "version": "mini", "base": "toy"}))
    assert infer(*LITERAL).stderr.splitlines()[0] == "model: amy (the newest voice trained in runs)"
    assert infer(*LITERAL, "--model", "toy").stderr.splitlines()[0] == "model: toy (named toy)"


def test_json(place):
    result = infer(*LITERAL, "--json", "--seed", 3, "--srt", "out.srt")
    report = json.loads(result.stdout)
    assert (report["out"], report["srt"], report["model"], report["seed"]) == ("out.wav", "out.srt", "toy", 3)
    assert (report["sentences"], report["rate"]) == (2, 16_000)
    assert {"seconds", "elapsed_s", "real_time_factor", "retries", "doubtful", "memory"} <= set(report)
    assert report["peak_memory_bytes"] > 1e6
    assert (place / "out.srt").read_text().count("-->") == 2


def test_typed_words_standard_input_and_built_in_material(place):
    seed = ["--seed", 1, "--ref", "builtin:awb"]
    assert infer(*seed, "--say", "Hello there, my friend.", "-o", "a.wav").exit_code == 0
    assert infer(*seed, "-t", "-", "-o", "b.wav", input="Hello there, my friend.").exit_code == 0
    assert (place / "a.wav").read_bytes() == (place / "b.wav").read_bytes()


def test_the_same_whatever_the_batch_size(place):
    sizes = {}
    for size in (1, 8):
        assert infer(*LITERAL, "--seed", 9, "--batch-size", size, "-q").exit_code == 0
        sizes[size] = (place / "out.wav").read_bytes()
    assert sizes[1] == sizes[8]


def test_unreadable_sentences_are_exit_code_7(place, monkeypatch):
    from sovits_cli.errors import TextError
    from sovits_cli.text import utterances

    whole = utterances.read_for_speech

    def read_for_speech(text, *how, **more):
        if "Hello" in text:
            raise TextError("nothing to read")
        return whole(text, *how, **more)

    monkeypatch.setattr(utterances, "read_for_speech", read_for_speech)
    result = infer(*LITERAL)
    assert result.exit_code == 7
    assert "left out: 'Hello there, my old friend.': nothing to read" in result.stderr
    assert (place / "out.wav").exists()


def test_doubtful_sentences_are_exit_code_7_named_and_counted(place, monkeypatch):
    monkeypatch.setattr("sovits_cli.text.utterances.MAX_HALVINGS", 0)
    monkeypatch.setattr("sovits_cli.inference.checks.MAX_ALIGNMENT_ERROR", -1.0)
    result = infer(*LITERAL, "--seed", 1)
    assert result.exit_code == 7
    assert "warning: sentence 2 at " in result.stderr
    assert " 'How are you on this day?', may be wrong: words may be missing or said twice" in result.stderr
    assert "2 sentences may be wrong" in result.stdout
    told = infer(*LITERAL, "--seed", 1, "--json", "-q")
    assert told.exit_code == 7
    report = json.loads(told.stdout)
    assert [(one["sentence"], one["text"]) for one in report["doubtful"]] == [
        (1, "Hello there, my old friend."),
        (2, "How are you on this day?"),
    ]
    assert report["doubtful"][0]["start_s"] == 0
    assert report["doubtful"][1]["end_s"] == pytest.approx(report["seconds"])
    assert "words may be missing" in report["doubtful"][1]["reason"]


def test_logits_that_are_nan_are_the_models_fault(place, monkeypatch):
    """Weights that are numbers can give them all the same; those that are none are refused when they are loaded."""
    whole = InferenceTransformer.logits
    monkeypatch.setattr(InferenceTransformer, "logits", lambda self, hidden: whole(self, hidden) * float("nan"))
    gpt = paths.models_dir() / "toy" / "gpt.safetensors"
    one_line(infer(*LITERAL, "-q"), 4, f"{gpt} gives logits that are NaN or infinite")
    assert left(place) == ["r.wav", "text.txt"]


def test_official_files_without_an_installed_model(empty_folder, monkeypatch):
    """Their content encoder is needed for a prompt only."""
    synthetic.write_gpt(empty_folder / "x.ckpt", synthetic.TINY_GPT)
    synthetic.write_sovits(empty_folder / "y.pth", synthetic.TINY_SOVITS)
    monkeypatch.setattr("sovits_cli.inference.synthesizer.BREATH_S", 0.0)
    weights = ["--gpt", "x.ckpt", "--sovits", "y.pth", "--ref", "builtin:slt", "--say", "Hello you."]
    result = infer(*weights)
    assert result.exit_code in (0, 7), "random weights end by chance"
    assert "model: y (without a content encoder: none is installed)" in result.stderr
    assert "no prompt, for no content encoder is installed" in result.stderr
    assert soundfile.info("out.wav").samplerate == 32_000
    one_line(infer(*weights, "--prompt-text", "Words.", "-o", "b.wav", "-q"), 4, "y has no hubert content encoder")


def test_official_files_with_an_installed_model(empty_folder, monkeypatch):
    folder = synthetic.install()
    monkeypatch.setattr("sovits_cli.inference.synthesizer.BREATH_S", 0.0)
    weights = ["--gpt", folder / "gpt.ckpt", "--sovits", folder / "sovits.pth"]
    result = infer(*weights, "--ref", "builtin:slt", "--say", "Hello you.", "-o", "a.wav")
    assert result.exit_code in (0, 7), "random weights end by chance"
    assert "model: sovits (with the encoders of v2)" in result.stderr
    assert "5.0 s: timbre and prompt)" in result.stderr
    assert soundfile.info("a.wav").samplerate == 32_000


@every_case(
    ("args", "code", "text"),
    [
        (["-t", "text.txt"], 2, "no voice: --ref was not given"),
        (["--ref", "r.wav"], 2, "neither -t nor --say was given"),
        (["--ref", "r.wav", "-t", "text.txt", "--say", "x"], 2, "both -t and --say were given"),
        ([*LITERAL[:4], "-o", "out.aac"], 2, "the name must end in one of"),
        ([*LITERAL[:4], "-o", "r.wav"], 2, "is the file of --ref too"),
        ([*LITERAL, "--batch-size", "0"], 2, "batch_size"),
        ([*LITERAL, "--speed", "9"], 2, "speed"),
        ([*LITERAL, "--top-p", "0"], 2, "top_p"),
        ([*LITERAL, "--loud"], 2, "unknown option --loud"),
        (["--ref", "builtin:x", "--say", "Hi."], 2, "no example is called builtin:x"),
        (["--ref", "gone.wav", "--say", "Hello."], 3, "gone.wav does not exist"),
        (["--ref", "text.txt", "--say", "Hello."], 3, "cannot read text.txt as audio"),
        (["--ref", "short.wav", "--say", "Hello."], 3, "short.wav is 1.0 s long: a reference needs 3 to 10 s"),
        (["--ref", "r.wav", "-t", "gone.txt"], 3, "gone.txt does not exist"),
        (["--ref", "r.wav", "-t", "empty.txt"], 3, "empty.txt is empty"),
        (["--ref", "r.wav", "-t", "odd.txt"], 3, "odd.txt is not UTF-8 (byte 1), and its encoding cannot be told"),
        (["--ref", "r.wav", "-t", "r.wav"], 3, "r.wav is no text"),
        (["--ref", "r.wav", "--say", "...!?"], 3, "nothing to read"),
        (["--ref", "r.wav", "--say", "😀😀"], 3, "nothing to read"),
        ([*LITERAL, "--lang", "klingon"], 3, "unknown language 'klingon'"),
        ([*LITERAL, "--model", "nobody"], 4, "no model is called nobody"),
        ([*LITERAL, "--gpt", "text.txt"], 4, "text.txt"),
        ([*LITERAL, "--sovits", "gone.pth"], 4, "gone.pth"),
        ([*LITERAL, "--gpt", "y.pth"], 4, "y.pth"),
        ([*LITERAL[:4], "-o", "text.txt/out.wav"], 5, "cannot write text.txt/out.wav"),
        ([*LITERAL, "--device", "cuda:7"], 5, "device cuda:7 is not available"),
    ],
)
def test_bad_calls(place, args, code, text):
    voice_recording(place / "short.wav", 1.0)
    (place / "empty.txt").write_text("\n")
    (place / "odd.txt").write_bytes(b"\x81\xff\xfe\x80")
    (place / "y.pth").write_text("no weights")
    before = left(place)
    one_line(infer(*args), code, text)
    assert left(place) == before


def test_a_reference_at_an_absurd_rate(place):
    for rate in (1, 800_000):
        soundfile.write(place / "odd.wav", np.zeros(4 * rate, np.float32) + 0.1, rate)
        one_line(infer("--ref", "odd.wav", "--say", "Hello."), 3, f"odd.wav has a sample rate of {rate} Hz")


def test_no_output_takes_the_place_of_what_is_read(place):
    (place / "words.lex").write_text("en|Zorbifax|Z AO1 R\n")
    (place / "sovits.yaml").write_text("lexicon: words.lex\n")
    synthetic.write_gpt(place / "x.ckpt", synthetic.TINY_GPT)
    for name, what in (("words.lex", "the lexicon"), ("sovits.yaml", "the settings"), ("x.ckpt", "the model x")):
        one_line(infer(*LITERAL, "--srt", name, "--gpt", "x.ckpt"), 2, f"--srt {name} is the file of {what}")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(place):
    (place / "kept").mkdir(mode=0o500)
    for flags in (["-o", "kept/out.wav"], ["--srt", "kept/out.srt"]):
        one_line(infer(*LITERAL[:4], *flags), 5, f"cannot write {flags[1]}: Permission denied")


def test_the_folder_is_made(place):
    assert infer(*LITERAL[:4], "-o", "deep/er/out.ogg").exit_code == 0
    assert soundfile.info("deep/er/out.ogg").format == "OGG"


def test_a_wrong_checkpoint_is_explained(place):
    synthetic.write_sovits(place / "y.pth", synthetic.TINY_SOVITS)
    one_line(infer(*LITERAL, "--gpt", "y.pth", "-q"), 4, "SoVITS")


def test_a_hundred_thousand_characters_without_a_full_stop(place, monkeypatch):
    """The text is cut and every word reaches the speaker; the networks are left out."""
    from sovits_cli.inference.synthesizer import SpokenUtterance, Synthesizer

    words = []

    def speak(self, utterances):
        for utterance in utterances:
            words.append(utterance.text)
            yield SpokenUtterance(utterance, np.zeros(160, np.float32), 16_000, 0.3, PASSED)

    monkeypatch.setattr(Synthesizer, "speak", speak)
    (place / "text.txt").write_text("lorem ipsum dolor sit amet " * 3704)
    assert infer(*LITERAL, "-q").exit_code == 0
    assert " ".join(words).split() == ("lorem ipsum dolor sit amet " * 3704).split()


def test_ctrl_c(place, monkeypatch):
    def write(self, block):
        raise KeyboardInterrupt

    monkeypatch.setattr(AudioWriter, "write", write)
    one_line(infer(*LITERAL, "--srt", "out.srt", "-q"), 130, "interrupted")
    assert left(place) == ["r.wav", "text.txt"]


def test_ctrl_c_after_a_sentence_keeps_it(place, monkeypatch):
    def emit(self, event):
        if isinstance(event, Progress):
            raise KeyboardInterrupt
        told(self, event)

    told = Console.emit
    monkeypatch.setattr(Console, "emit", emit)
    result = infer(*LITERAL, "-q")
    one_line(result, 130, "interrupted")
    assert " s of speech are kept in out.partial.wav\n" in result.stderr
    assert left(place) == ["out.partial.wav", "r.wav", "text.txt"]
    assert soundfile.info("out.partial.wav").duration > 0.5


KILLED = """
import math
import sys
from tests.kills import report_event, serve
from sovits_cli.inference import checks, voice, writer
from sovits_cli.cli import app
checks.MAX_ALIGNMENT_ERROR = math.inf
whole = writer._Track.add
writer._Track.add = lambda self, said: (whole(self, said), report_event())
sys.argv = ["sovits", "infer", *sys.argv[1:]]
def work():
    sys.stdout = sys.stderr = open("told.txt", "w")
    try:
        app.main()
    except SystemExit as end:
        print("exit", end.code, flush=True)
serve(work)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("times", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_at_any_sentence_what_was_spoken_can_be_played(place, number, times, monkeypatch):
    (place / "text.txt").write_text(" ".join(f"This is sentence number {index}." for index in range(12)))
    monkeypatch.setenv("PYTHONPATH", str(kills.ROOT))
    kept = []

    def look():
        if not (place / "out.wav").exists():
            kept.append(soundfile.read("out.partial.wav")[0])
            cues = (place / "out.partial.srt").read_text().count("-->")
            assert len(kept[-1]) > cues * 16_000 * 0.3
            if number == signal.SIGTERM:
                assert (
                    "are kept in out.partial.wav, their subtitles in out.partial.srt"
                    in (place / "told.txt").read_text()
                )
                assert (place / "told.txt").read_text().endswith("exit 130\n")
        (place / "out.wav").unlink(missing_ok=True)

    typed = [*LITERAL, "--srt", "out.srt", "--seed", "1", "--batch-size", "1"]
    running = kills.run_and_kill(KILLED, typed, kills.Kills(times, 10, seed=2, signal=number), after=look, folder=place)
    assert running > times / 2
    assert len(kept) > times / 2
    assert all(np.abs(wave).max() > 0.01 for wave in kept)
    assert infer(*typed, "-q").exit_code in (0, 7)
    assert left(place) == ["out.srt", "out.wav", "r.wav", "text.txt", "told.txt"]


def test_a_full_disk(place, monkeypatch):
    def write(self, block):
        raise files.write_error(self._path, OSError(28, "No space left on device"))

    monkeypatch.setattr(AudioWriter, "write", write)
    one_line(infer(*LITERAL, "-q"), 5, "cannot write out.wav: the disk is full")
    assert left(place) == ["r.wav", "text.txt"]


LEAN = {"librosa", "scipy", "sklearn", "numba", "transformers", "tokenizers", "matplotlib", "pandas"} | {
    "lightning_fabric",
    "tensorboard",
    "rich",
}
"""What speaking English must not wait for."""


def test_nothing_is_loaded_that_is_not_needed(place):
    code = (
        "import json, sys; from sovits_cli.cli.app import main\n"
        f"sys.argv = ['sovits', 'infer', *{LITERAL!r}, '-q']\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code in (0, 7), end.code\n"
        "print(); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    loaded = {module.partition(".")[0] for module in json.loads(done.stdout.splitlines()[-1])}
    assert "torch" in loaded
    assert not loaded & LEAN


def test_a_dry_run_shows_the_reading_and_speaks_nothing(place):
    (place / "words.lex").write_text("en|Zorbifax|Z AO1 R\n")
    result = infer("--dry-run", "--say", "Zorbifax met 2 quorblins. [pause 1s] Good.", "--lexicon", "words.lex")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("model: toy (symbol table v2; ")
    assert result.stdout.splitlines() == [
        "Zorbifax met 2 quorblins.  (pause 1 s)",
        "  en  Zorbifax met two quorblins.",
        "      Z AO1 R M EH1 T T UW1 K W AO1 R B L IH0 N Z .",
        "      guessed: quorblins",
        "Good.",
        "  en  Good.",
        "      G UH1 D .",
    ]
    assert left(place) == ["r.wav", "text.txt", "words.lex"]
    report = json.loads(infer("--dry-run", "-t", "text.txt", "--json").stdout)
    assert (report["symbols"], report["lang"], len(report["sentences"])) == ("v2", "auto", 2)
    assert report["sentences"][0]["segments"][0]["guessed"] == []


def test_the_lexicon_of_the_project_is_spoken_and_pauses_are_kept(place):
    (place / "words.lex").write_text("en|Zorbifax|Z AO1 R\n")
    (place / "sovits.yaml").write_text("lexicon: words.lex\n")
    assert infer("--dry-run", "--say", "Zorbifax, hello.").stdout.splitlines()[2].startswith("      Z AO1 R , HH")
    same = ["--ref", "r.wav", "--seed", 1, "-o", "a.wav", "--json", "--say"]
    short, long = (json.loads(infer(*same, f"Hello there. [pause {length}s] Good bye.").stdout) for length in (1, 3))
    assert long["seconds"] - short["seconds"] == pytest.approx(2.0, abs=0.01)


@every_case(
    ("data", "norms", "told"),
    [
        (b"One line here now.\r\n\r\nTwo lines here now.\rThree lines.", ["One line here now.", "Two lines"], ""),
        ("\ufeffHello there.\ufeff And again.".encode(), ["Hello there. And again."], ""),
        ("\ufeff今天天气很好。".encode("utf-16-be"), ["今天天气很好."], ""),
        ("今天天气很好。".encode("gbk"), ["今天天气很好."], "not UTF-8: read as gb18030"),
        ("名前はまだ無い。".encode("shift_jis"), ["名前はまだ無い。"], "not UTF-8: read as shift_jis"),
        (b"Hel\x07lo \x1b[31mthere\x1b[0m.", ["Hello there."], "characters cannot be read"),
        ("Hello שלום world.".encode(), ["Hello world."], "4 characters cannot be read"),
        (b"seven " * 3000, ["seven seven"], ""),
    ],
)
def test_odd_files_are_read_and_told(place, data, norms, told):
    (place / "odd.txt").write_bytes(data)
    result = infer("--dry-run", "-t", "odd.txt", "--json")
    assert result.exit_code == 0, result.output
    found = [part["norm"] for sentence in json.loads(result.stdout)["sentences"] for part in sentence["segments"]]
    assert all(got.startswith(norm) for got, norm in zip(found, norms, strict=False))
    warned = [line for line in result.stderr.splitlines() if line.startswith("warning") and "nonsense" not in line]
    assert len(warned) == bool(told)
    assert told in "".join(warned)
    assert not {character for character in infer("--dry-run", "-t", "odd.txt").stdout if character in "\x07\x1b\ufeff"}


@every_case(
    ("data", "text"),
    [
        (b"", "odd.txt is empty"),
        (b"\xff\xfe", "odd.txt is empty"),
        (b"Hello\x00there", "it holds zero bytes"),
        ("今天天气".encode()[:-1], "its UTF-8 ends within a character"),
        (b"Hello \xed\xa0\x80 there.", "not UTF-8 (byte 7), and its encoding cannot be told"),
        ("שלום עולם".encode(), "nothing to read"),
    ],
)
def test_files_that_cannot_be_read_are_one_line(place, data, text):
    (place / "odd.txt").write_bytes(data)
    one_line(infer("--dry-run", "-t", "odd.txt"), 3, text)


def test_a_language_that_the_model_does_not_speak(place):
    one_line(infer("--ref", "r.wav", "--model", "mini", "--say", "你好世界。"), 3, "mini does not speak Chinese")
    result = infer("--ref", "r.wav", "--model", "mini", "--say", "Hello, 你好, my friend.", "-o", "out.wav")
    assert result.exit_code == 7
    assert "warning: left out: '你好': mini does not speak Chinese" in result.stderr
    assert (place / "out.wav").is_file()
    shown = infer("--dry-run", "--model", "mini", "--say", "你好世界。")
    assert "warning: mini knows English: '你好世界' in Chinese is nonsense to it" in shown.stderr
    assert "  zh  你好世界." in shown.stdout
    assert "warning" not in infer("--dry-run", "--model", "mini", "--say", "Hello 42.").stderr


@every_case(
    ("args", "code", "text"),
    [
        (["--dry-run"], 2, "neither -t nor --say was given"),
        (["--dry-run", "--say", "[pause 2h] Hi."], 3, "[pause 2h]"),
        (["--dry-run", "--say", "[Xio|Z IY0 BB] is here."], 3, "'BB' is no phone of English"),
        (["--dry-run", "--say", "Hi.", "--lexicon", "gone.lex"], 3, "cannot read the lexicon gone.lex"),
        (["--dry-run", "--say", "Hi.", "--lexicon", "bad.lex"], 3, "bad.lex line 1 is no entry: 'hello'"),
    ],
)
def test_bad_pronunciations(place, args, code, text):
    (place / "bad.lex").write_text("hello\n")
    one_line(infer(*args), code, text)
