import zlib

import pytest

from sovits_cli.text import en_lexicon, resources, symbols
from sovits_cli.text.en_lexicon import split_compound, split_web_word
from sovits_cli.versions import SymbolTable
from tests.differences import every_case
from tests.tools import compile_cmudict


def test_dictionary_is_whole_and_compact():
    assert len(en_lexicon.cmu_dictionary()) > 125_000
    assert (resources.TABLES / "cmudict.z").stat().st_size < 1_500_000


def test_look_up():
    assert en_lexicon.look_up_cmu("hello") == ["HH", "AH0", "L", "OW1"]
    assert en_lexicon.look_up_cmu("zero") == ["Z", "IY1", "R", "OW0"]
    assert en_lexicon.look_up_cmu("zorbification") is None


@every_case("word", sorted(en_lexicon.LEFT_OUT))
def test_word_that_is_spelled_is_left_out(word):
    assert en_lexicon.look_up_cmu(word) is None


def test_every_phone_is_a_symbol_and_survives_encoding():
    assert set(en_lexicon.PHONES) <= symbols.known(SymbolTable.V1)
    assert len(en_lexicon.PHONES) == 69
    assert en_lexicon.decode_phones(en_lexicon.encode_phones(en_lexicon.PHONES)) == list(en_lexicon.PHONES)
    with pytest.raises(KeyError):
        en_lexicon.encode_phones(["AH"])


def test_compile_keeps_first_readings_and_drops_comments(tmp_path):
    source = tmp_path / "cmudict.dict"
    source.write_text("'em AH0 M\nread R EH1 D\nread(2) R IY1 D\nal AE1 L # name\nhud HH AH1 D\n\n")
    entries = compile_cmudict.read(source)
    assert entries == {"'em": ["AH0", "M"], "read": ["R", "EH1", "D"], "al": ["AE1", "L"]}
    lines = zlib.decompress(compile_cmudict.compiled(entries)).decode().split("\n")
    assert lines[0::2] == ["'em", "al", "read"]
    assert en_lexicon.decode_phones(lines[5]) == ["R", "EH1", "D"]


@every_case(
    ("word", "cut"),
    [
        ("machinelearning", ("machine", "learning")),
        ("helloworld", ("hello", "world")),
        ("quarkville", ("quarkville",)),
        ("brokerage", ("brokerage",)),
        ("zorbification", ("zorbification",)),
        ("cat", ("cat",)),
        ("", ("",)),
    ],
)
def test_pieces(word, cut):
    assert split_compound(word) == cut


@every_case(
    ("word", "cut"),
    [
        ("kilometersh", ("kilometers", "h")),
        ("fifteenthstwenty", ("fifteenth", "s", "twenty")),
        ("well-known", ("well", "known")),
        ("vocoder", ("vocoder",)),
        ("isnegative", ("is", "negative")),
    ],
)
def test_web_pieces(word, cut):
    assert split_web_word(word) == cut


def test_long_words_are_cut_in_linear_time():
    assert "".join(split_web_word("helloworld" * 300)) == "helloworld" * 300
