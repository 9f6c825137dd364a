from dataclasses import replace

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import AudioError, ResourceError, TextError, UsageError
from sovits_cli.inference.request import InferInputs, check
from tests.inference.toys import voice_recording

ASKED = InferInputs(ref="r.wav", text="text.txt", say=None, prompt_text=None, out=None, srt=None)


@pytest.fixture
def asked(empty_folder):
    voice_recording(empty_folder / "r.wav", 4.0)
    (empty_folder / "text.txt").write_text("Hello there, my friend. How are you today?\n")
    return replace(ASKED, out=empty_folder / "out.wav")


def test_an_order(asked, empty_folder):
    order = check(asked, "en")
    assert [sentence.text.strip() for sentence in order.sentences] == ["Hello there, my friend.", "How are you today?"]
    assert (order.lang, order.out, order.srt, order.transcript) == ("en", asked.out, None, None)
    assert order.no_transcript == "a transcript would make it a prompt too"


def test_words_as_typed(asked):
    order = check(replace(asked, text=None, say="Good morning to you."), "en")
    assert [sentence.text for sentence in order.sentences] == ["Good morning to you."]


def test_the_transcript_lies_beside_the_recording(asked, empty_folder):
    (empty_folder / "r.txt").write_text(" What is said.\n")
    order = check(asked, "en")
    assert (order.transcript, order.transcript_typed) == ("What is said.", False)
    typed = check(replace(asked, prompt_text="Something else."), "en")
    assert (typed.transcript, typed.transcript_typed) == ("Something else.", True)
    assert check(replace(asked, prompt_text=" "), "en").transcript is None


def test_the_text_to_speak_is_no_transcript(asked, empty_folder):
    (empty_folder / "r.txt").write_text("Speak this, please.")
    assert check(replace(asked, text="r.txt"), "en").transcript is None


def test_the_transcript_of_a_long_recording_fits_no_window(asked, empty_folder):
    voice_recording(empty_folder / "r.wav", 14.0)
    order = check(replace(asked, prompt_text="Some words."), "en")
    assert order.transcript is None
    assert order.no_transcript == "its transcript is of all 14 s, a prompt holds 10 s"


@pytest.mark.parametrize(
    ("lang", "prompt_lang", "transcript", "mode"),
    [
        ("en", "auto", "今天天气很好。", "auto"),
        ("zh", "auto", "What is said.", "auto"),
        ("zh", "auto", "大丈夫。ありがとう。", "auto_ja"),
        ("yue", "auto", "今天天气很好。", "auto_yue"),
        ("yue", "zh", "今天天气很好。", "zh"),
        ("en", "auto", "42", "en"),
        ("en", "ja", "What is said.", "ja"),
    ],
)
def test_a_transcript_is_read_in_its_own_language(asked, lang, prompt_lang, transcript, mode):
    said = {"zh": "你好世界。", "yue": "你好世界。"}.get(lang, "Hello there.")
    order = check(replace(asked, text=None, say=said, prompt_text=transcript, prompt_lang=prompt_lang), lang)
    assert (order.lang, order.prompt_lang) == (lang, mode)


def test_an_unknown_prompt_language(asked):
    with pytest.raises(TextError, match="unknown language 'english'") as error:
        check(replace(asked, prompt_lang="english"), "en")
    assert hint_for(error.value) == "--prompt-lang en"


def test_places_that_cannot_be_written_are_refused_first(asked, empty_folder):
    (empty_folder / "file").write_text("")
    (empty_folder / "folder.wav").mkdir()
    (empty_folder / "ref_is_not_read").write_text("")
    asked = replace(asked, ref="ref_is_not_read")
    for change, kind in (
        ({"out": "file/out.wav"}, ResourceError),
        ({"srt": "file/deep/out.srt"}, ResourceError),
        ({"out": "folder.wav"}, UsageError),
        ({"srt": "."}, UsageError),
        ({"out": f"{'x' * 250}.wav"}, ResourceError),
    ):
        with pytest.raises(kind, match="cannot write"):
            check(replace(asked, **{name: empty_folder / value for name, value in change.items()}), "en")
    with pytest.raises(AudioError):
        check(replace(asked, out=empty_folder / "deep" / "er" / "out.wav"), "en")
    assert not (empty_folder / "deep").exists()
    assert not list(empty_folder.glob(".*"))


def test_builtin(asked):
    order = check(replace(asked, ref="builtin:slt", text="builtin:story"), "en")
    assert order.transcript
    assert len(order.sentences) > 20


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"ref": None}, UsageError, "no voice: --ref was not given"),
        ({"text": None}, UsageError, "neither -t nor --say was given"),
        ({"say": "Hello."}, UsageError, "both -t and --say were given"),
        ({"say": " \n", "text": None}, TextError, "--say is empty"),
        ({"text": "empty.txt"}, TextError, "empty.txt is empty"),
        ({"text": "gone.txt"}, TextError, "gone.txt does not exist"),
        ({"say": "?!… --- .", "text": None}, TextError, "nothing to read"),
        ({"say": "😀 🎉", "text": None}, TextError, "nothing to read"),
        ({"ref": "gone.wav"}, AudioError, "gone.wav does not exist"),
        ({"ref": "text.txt"}, AudioError, "cannot read text.txt as audio"),
        ({"ref": "."}, AudioError, "is a folder"),
        ({"ref": "builtin:me"}, UsageError, "no example is called builtin:me"),
    ],
)
def test_bad_orders(asked, empty_folder, change, kind, said):
    (empty_folder / "empty.txt").write_text("\n\n")
    with pytest.raises(kind, match=said) as error:
        check(replace(asked, **change), "en")
    assert hint_for(error.value) or kind is AudioError


def test_what_is_typed_in_another_encoding_is_read_as_a_file_would_be(asked):
    typed = "你好，世界。".encode("gb18030").decode("utf-8", "surrogateescape")
    order = check(replace(asked, text=None, say=typed, prompt_text=typed), "zh")
    assert "".join(piece.text for piece in order.sentences) == order.transcript == "你好，世界。"
    assert order.notes == ("the text is not UTF-8: read as gb18030; if it is wrong, save it as UTF-8",)


@pytest.mark.parametrize("flag", ["say", "prompt_text"])
def test_half_a_character_is_refused_before_anything_is_spoken(asked, flag):
    typed = replace(asked, **{flag: "Hello \ud83d there.", **({"text": None} if flag == "say" else {})})
    with pytest.raises(TextError, match=f"^--{flag.replace('_', '-')} holds half a character, U\\+D83D, at 7$"):
        check(typed, "en")


def test_an_unknown_language(asked):
    with pytest.raises(TextError, match="unknown language 'klingon'"):
        check(asked, "klingon")


@pytest.mark.parametrize("out", ["out.aac", "out", "out.wav.bak"])
def test_a_bad_suffix_is_refused_before_the_recording_is_read(asked, empty_folder, out):
    with pytest.raises(UsageError, match=r"must end in one of \.wav, \.flac, \.mp3, \.ogg, \.opus"):
        check(replace(asked, ref="gone.wav", out=empty_folder / out), "en")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"out": "r.wav"}, "-o .*r.wav is the file of --ref too"),
        ({"srt": "text.txt"}, "--srt .*text.txt is the file of -t too"),
        ({"srt": "out.wav"}, "--srt .*out.wav is the file of -o too"),
        ({"srt": "r.txt"}, "--srt .*r.txt is the file of the transcript too"),
        ({"srt": "words.lex"}, "--srt .*words.lex is the file of the lexicon too"),
        ({"srt": "link.srt"}, "--srt .*link.srt is the file of the lexicon too"),
        ({"srt": "hard.srt"}, "--srt .*hard.srt is the file of the lexicon too"),
        ({"out": "x.wav"}, "-o .*x.wav, which grows as .*x.partial.wav, is the file of the model toy too"),
        ({"srt": "out.partial.wav"}, "--srt .*out.partial.wav is the file of -o too"),
    ],
)
def test_no_output_overwrites_an_input(asked, empty_folder, change, said):
    (empty_folder / "r.txt").write_text("What is said.")
    (empty_folder / "words.lex").write_text("")
    (empty_folder / "link.srt").symlink_to("words.lex")
    (empty_folder / "hard.srt").hardlink_to(empty_folder / "words.lex")
    others = (("the lexicon", empty_folder / "words.lex"), ("the model toy", empty_folder / "x.partial.wav"))
    asked = replace(asked, others=others)
    with pytest.raises(UsageError, match=said):
        check(replace(asked, **{name: empty_folder / value for name, value in change.items()}), "en")


def test_the_whole_text_tells_whose_its_han_characters_are(asked):
    assert check(replace(asked, text=None, say="大丈夫。ありがとう。"), "auto").lang == "auto_ja"
    assert check(replace(asked, text=None, say="这是东京。"), "auto").lang == "auto"


def test_an_official_cut(asked):
    said = replace(asked, text=None, say="你好，世界。再见，朋友们。")
    found = check(said, "zh", cut="cut5").sentences
    assert [piece.text for piece in found] == ["你好，世界。", "再见，朋友们。"]
    assert "".join(piece.text for piece in check(said, "zh").sentences) == said.say


def test_short_sentences_share_a_line_where_the_model_can_say_both(asked):
    said = replace(asked, text=None, say="Hi. How are you today, my friend?")
    assert [piece.text for piece in check(said, "en").sentences] == ["Hi. How are you today, my friend?"]
    apart = check(said, "en", joins=False).sentences
    assert [piece.text.strip() for piece in apart] == ["Hi.", "How are you today, my friend?"]


def test_what_is_lost_is_told(asked, tmp_path):
    assert check(replace(asked, text=None, say="你好 Привет"), "zh").notes == (
        "6 characters cannot be read and are left out: П (cyrillic capital letter pe) at 4,"
        " р (cyrillic small letter er) at 5,"
        " и (cyrillic small letter i) at 6, в (cyrillic small letter ve) at 7, е (cyrillic small letter ie) at 8"
        " and 1 others",
    )
    path = tmp_path / "gbk.txt"
    path.write_bytes("今天天气很好，我们去公园散步吧。".encode("gbk"))
    order = check(replace(asked, text=str(path)), "auto")
    assert order.notes == ("the text is not UTF-8: read as gb18030; if it is wrong, save it as UTF-8",)
    assert order.sentences[0].text == "今天天气很好，我们去公园散步吧。"
    assert check(replace(asked, text=None, say="Hello."), "auto").notes == ()
