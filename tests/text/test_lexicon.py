"""Words that come with their phones, typed in the text or from a lexicon."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovits_cli.errors import TextError
from sovits_cli.text import lexicon, reading, segment, split
from sovits_cli.text.lexicon import parse_lexicon
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

HERE = "HH IY1 R"


def read(text, lang="en", words=lexicon.EMPTY_LEXICON, **how):
    return reading.read_text(lexicon.encode_inline(text, lang)[0], lang, SymbolTable.V2, words=words, **how)


def phones(text, lang="en", **how):
    return " ".join(read(text, lang, **how).phones)


def test_phones_typed_in_the_text():
    assert phones("[Xiomara|Z IY0 OW0 M] is here.") == "Z IY0 OW0 M IH1 Z HH IY1 R ."
    assert phones("I am [here|HH AA1 R].") == "AY1 AE1 M HH AA1 R ."
    found = read("Is [Xiomara Lee|Z IY0], here?")
    assert found.norm == "Is XiomaraLee ,here?"
    assert " ".join(found.phones) == "IH1 Z Z IY0 , HH IY1 R ?"


def test_a_respelling_stands_for_its_word():
    assert phones("[kubectl|kube control] is here.") == phones("kube control is here.")


def test_nothing_is_said_twice_and_no_comma_comes_in():
    assert phones("a [b|B IY1] c") == "AH0 B IY1 S IY1"
    assert phones("[b|B IY1]") == "B IY1"


def test_chinese_syllables_and_their_features():
    found = read("我在[重庆|chong2 qing4]。", "zh")
    assert " ".join(found.phones[-5:]) == "ch ong2 q ing4 ."
    assert found.norm == "我在重庆."
    assert found.word2ph == [2, 2, 2, 2, 1]
    assert found.pieces[0].has_bert


def test_features_are_spread_where_syllables_and_characters_differ():
    assert read("我[在这儿|z ai4 zh e4 r]", "zh").word2ph == [2, 1, 2, 2]


def test_phones_of_another_language_than_the_script_tells():
    found = read("[東雲|sh i n o n o m e]", "auto")
    assert "".join(found.phones) == "shinonome"


def test_a_word_of_two_scripts():
    assert phones("the [GPT东|JH IY1] is here.", "auto") == ", DH AH0 JH IY1 IH1 Z HH IY1 R ."


def test_compat_takes_phones_too():
    assert phones("I am [here|HH AA1 R].", compat=True).endswith("HH AA1 R .")


def test_phones_that_a_table_lacks():
    text = lexicon.encode_inline("[a|ㅏ ㅏ] is here.", "auto")[0]
    assert reading.read_text(text, "auto", SymbolTable.V1).phones[:2] == ["UNK", "UNK"]
    assert reading.read_text(text, "auto", SymbolTable.V2).phones[:2] == ["ㅏ", "ㅏ"]


@every_case("text", ["[1]", "[a|]", "[|a]", "a|b", "[see | note", "[a[b|c]", "[]"])
def test_other_brackets_are_left_alone(text):
    assert lexicon.encode_inline(text, "en")[0] == text or "|" in text.removeprefix("[a")


def test_a_phone_that_is_none():
    with pytest.raises(TextError, match=r"'BB' is no phone of English, in 'Z IY0 BB' for 'Xio'") as failure:
        lexicon.encode_inline("[Xio|Z IY0 BB]", "en")
    assert "or respell" in failure.value.hint


@every_case(
    ("text", "lang", "said"),
    [
        ("[重庆|chong2 qing9]", "auto", "'qing9' is no syllable of pinyin"),
        ("[重庆|chong2 qin9]", "zh", "'qin9' is no syllable of pinyin"),
        ("[佢|keoi9]", "yue", "'keoi9' is no syllable of jyutping"),
    ],
)
def test_a_syllable_that_is_none(text, lang, said):
    with pytest.raises(TextError, match=said):
        lexicon.encode_inline(text, lang)
    assert lexicon.encode_inline("[重庆|崇庆]", lang)[0] == "崇庆"
    assert lexicon.has_given_phones(lexicon.encode_inline("[佢|keoi5]", "auto")[0])


def test_private_characters_of_the_source_are_no_phones():
    assert lexicon.encode_inline("a\U000f0001b\U000f0ffe", "en")[0] == "ab"


def test_cutting_keeps_a_word_with_its_phones():
    text = lexicon.encode_inline(" ".join(["[New York|N UW1 Y AO1 R K]"] * 40) + ".", "en")[0]
    pieces = split.split_sentences(text, "en", max_chars=60)
    assert len(pieces) > 5
    assert "".join(piece.text for piece in pieces) == text
    said = [phone for piece in pieces for phone in reading.read_text(piece.text, "en", SymbolTable.V2).phones]
    assert " ".join(said) == " ".join(["N UW1 Y AO1 R K"] * 40) + " ."
    assert lexicon.strip_phones(pieces[0].text).startswith("NewYork NewYork")


@given(st.text(alphabet="a B1[]|中ね. \U000f0001\U000f0ffe", max_size=30))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_brackets_are_read_or_refused(text):
    try:
        read(text, "auto")
    except TextError:
        return


LEXICON = """
# names
en|SoVITS|S OW1 V IH2 T S
en|kubectl|kube control
en|a b|Z
zh|重庆|chong2 qing4
zh|重|zhong4
EN|café|K AE0 F EY1
"""


def test_lexicon():
    words = parse_lexicon(LEXICON, "x.lex")
    assert phones("sovits is here.", words=words) == "S OW1 V IH2 T S IH1 Z HH IY1 R ."
    assert phones("SoVITSes", words=words) == phones("SoVITSes")
    assert phones("kubectl is here", words=words) == phones("kube control is here")
    assert phones("重庆重", "zh", words=words) == "ch ong2 q ing4 zh ong4"
    assert phones("重 here", "auto", words=words) == "zh ong4 , HH IY1 R"
    assert phones("café", words=words) == "K AE0 F EY1"


def test_what_is_typed_in_the_text_comes_before_the_lexicon():
    words = parse_lexicon(LEXICON, "x.lex")
    assert phones("[SoVITS|Z IY1] is here.", words=words) == "Z IY1 IH1 Z HH IY1 R ."


def test_the_key_of_a_lexicon_tells_another_one():
    assert parse_lexicon(LEXICON, "a").key == parse_lexicon(LEXICON + "\n# more", "b").key
    assert parse_lexicon(LEXICON, "a").key != parse_lexicon(LEXICON + "\nen|x|y z", "a").key


@every_case(
    ("line", "message"),
    [
        ("hello", "x.lex line 2 is no entry: 'hello'"),
        ("en|a", "x.lex line 2 is no entry"),
        ("en|a|", "x.lex line 2 is no entry"),
        ("en|a|b|c", "x.lex line 2 is no entry"),
        ("tlh|a|b", "x.lex line 2: unknown language 'tlh'"),
        ("en|Xio|Z IY0 BB", "x.lex line 2: 'BB' is no phone of English"),
    ],
)
def test_bad_lines_are_named(line, message):
    with pytest.raises(TextError, match=f"^{message}"):
        parse_lexicon(f"en|ok|OW1 K EY1\n{line}\n", "x.lex")


def test_files(tmp_path):
    path = tmp_path / "words.lex"
    path.write_text("\ufeffen|Xio|Z IY0\n", encoding="utf-8")
    assert phones("Xio", words=lexicon.load_lexicon(path)) == "Z IY0"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TextError, match="is not UTF-8 at byte 0"):
        lexicon.load_lexicon(path)
    with pytest.raises(TextError, match=r"cannot read the lexicon .*none.lex: No such file"):
        lexicon.load_lexicon(tmp_path / "none.lex")


class Counted(dict):
    """A dict that counts how often it is asked."""

    asked = 0

    def __contains__(self, key):
        type(self).asked += 1
        return super().__contains__(key)

    def get(self, key, default=None):
        type(self).asked += 1
        return super().get(key, default)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_cost_of_a_text_does_not_grow_with_the_entries(monkeypatch, lang):
    text = "the zoraab of Zorbaab and zor " * 20 + "重庆重重庆" * 20
    found = []
    for entries in (30, 10_000):
        names = [f"zor{number:05}" for number in range(entries)] + [f"重庆{number:04}" for number in range(entries)]
        words = lexicon._Index.of(dict.fromkeys([*names, "zorbaab", "重庆"], "Z IY0"))
        monkeypatch.setattr(Counted, "asked", 0)
        counted = lexicon._Index(Counted(words.values), Counted(words.lengths))
        assert counted.replaced(text) == words.replaced(text)
        assert words.replaced("a Zorbaab: 重庆") == "a Z IY0: Z IY0"
        found.append(Counted.asked)
    assert found[0] == found[1] < 2 * len(text)


def test_the_longest_word_wins_and_words_are_whole():
    words = parse_lexicon("en|new|N Y UW1\nen|New York|Z\nen|3D|D IY1\nen|C++|S IY1\nen|york|Y AO1 R K", "x.lex")
    mode = segment.find_mode("en")

    def shown(text):
        return lexicon._CARRIED.sub(lambda found: f"<{found[1]}>", words.text(text, mode))

    assert shown("NEW York, new yorks; newer New-York") == "<NewYork>, <new> yorks; newer <new>-<york>"
    assert shown("x3D 3Ds 3d C++ C++x") == "x<3D> 3Ds <3D> <C++> <C++>x"
    assert shown("") == ""
