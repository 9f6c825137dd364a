import zlib

import pytest

from sovits_cli.text import cmu, symbols, wordlists
from sovits_cli.versions import SymbolTable
from tests.tools import compile_cmudict


def test_dictionary_is_whole_and_compact():
    assert len(cmu.dictionary()) > 125_000
    assert (wordlists.TABLES / "cmudict.z").stat().st_size < 1_500_000


def test_look_up():
    assert cmu.look_up("hello") == ["HH", "AH0", "L", "OW1"]
    assert cmu.look_up("zero") == ["Z", "IY1", "R", "OW0"]
    assert cmu.look_up("zorbification") is None


@pytest.mark.parametrize("word", sorted(cmu.LEFT_OUT))
def test_word_that_is_spelled_is_left_out(word):
    assert cmu.look_up(word) is None


def test_every_phone_is_a_symbol_and_survives_encoding():
    assert set(cmu.PHONES) <= symbols.known(SymbolTable.V1)
    assert len(cmu.PHONES) == 69
    assert cmu.decode(cmu.encode(cmu.PHONES)) == list(cmu.PHONES)
    with pytest.raises(KeyError):
        cmu.encode(["AH"])


def test_compile_keeps_first_readings_and_drops_comments(tmp_path):
    source = tmp_path / "cmudict.dict"
    source.write_text("'em AH0 M\nread R EH1 D\nread(2) R IY1 D\nal AE1 L # name\nhud HH AH1 D\n\n")
    entries = compile_cmudict.read(source)
    assert entries == {"'em": ["AH0", "M"], "read": ["R", "EH1", "D"], "al": ["AE1", "L"]}
    lines = zlib.decompress(compile_cmudict.compiled(entries)).decode().split("\n")
    assert lines[0::2] == ["'em", "al", "read"]
    assert cmu.decode(lines[5]) == ["R", "EH1", "D"]
