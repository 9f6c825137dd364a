"""A language of another package: whatever reads, cuts, hears or speaks takes it from its row."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.cli.hints import hint_for
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.data import manifest
from sovits_cli.errors import TextError
from sovits_cli.inference.language_support import ALL_LANGUAGES, LanguageSupport, supported_text
from sovits_cli.inference.request import synthesis_request
from sovits_cli.text import characters, languages, lexicon, reading, segment
from sovits_cli.text.characters import decode_text
from sovits_cli.text.language import LATIN, Language, UnicodeScript
from sovits_cli.text.languages import BUILT_IN, LANGUAGES
from sovits_cli.text.reading import guessed_words
from sovits_cli.text.split import split_in_two, split_sentences
from sovits_cli.versions import VERSIONS, SymbolTable
from tests.data.recordings import record
from tests.differences import every_case
from tests.prep.fakes import FakeModels
from tests.prep.fakes import run as prepare
from tests.text import made_up

V2 = SymbolTable.V2


@pytest.fixture
def quish(monkeypatch):
    monkeypatch.setitem(LANGUAGES, "qq", made_up.ROW)
    return made_up.ROW


def runs(text, lang):
    return [f"{run.lang}:{run.text}" for run in segment.language_runs(text, segment.find_mode(lang))]


def cut(text, lang, **options):
    return [piece.text.strip() for piece in split_sentences(text, lang, **options)]


@every_case(
    ("lang", "stretches"),
    [
        ("qq", ["qq:Hola 5 你好 miła."]),
        ("auto_qq", ["qq:Hola 5 ", "zh:你好 ", "qq:miła."]),
        ("auto", ["en:Hola 5 ", "zh:你好 ", "en:miła."]),
        ("auto_en", ["en:Hola 5 ", "zh:你好 ", "en:miła."]),
        ("zh", ["en:Hola 5 ", "zh:你好 ", "en:miła."]),
        ("en", ["en:Hola 5 你好 miła."]),
    ],
)
def test_latin_letters_are_of_the_language_that_the_mode_says(quish, lang, stretches):
    assert runs("Hola 5 你好 miła.", lang) == stretches


@every_case("lang", ["all_qq", "auto_xx", "xx", "qqq"])
def test_an_unknown_one_is_never_another(quish, lang):
    with pytest.raises(TextError, match=rf"^unknown language '{lang}': expected auto, en .*, qq \(Quish\), .*auto_qq"):
        segment.find_mode(lang)


def test_without_it_nothing_knows_it():
    for lang in ("qq", "auto_qq", "auto_en"):
        with pytest.raises(TextError, match=r"^unknown language"):
            segment.find_mode(lang)


@every_case(
    ("text", "mode"),
    [
        ("Miła żaba na łuka.", "auto_qq"),
        ("A naïve gift: the złoty.", "auto"),
        ("Hola.", "auto"),
        ("Łódź and Żory are towns. " + "There is nothing else of that language here. " * 20, "auto"),
        ("ありがとう、大丈夫。", "auto_ja"),
    ],
)
def test_a_document_tells_it_by_its_own_letters(quish, text, mode):
    assert segment.resolve_mode("auto", text) == mode


def test_what_characters_leave_open_is_as_in_another_text(quish):
    modes = ("qq", "auto_qq", "en", "auto", "yue", "all_yue", "zh", "ja")
    found = ("auto_qq", "auto_qq", "auto", "auto", "auto_yue", "auto_yue", "auto", "auto")
    assert tuple(map(segment.auto_mode_like, modes)) == found


def test_it_is_read(quish):
    said = reading.read_text("Miła 3 & 好 x.", "auto_qq", V2)
    assert [(piece.lang, piece.norm) for piece in said.pieces] == [("qq", "miła tri ke"), ("zh", "好"), ("qq", ".")][:2]
    assert list(said.pieces[0].phones) == ["M", "IY0", "Y", "AA0", "T", "R", "IY0", "K", "EH0"]
    assert not said.pieces[0].has_bert
    with pytest.raises(TextError, match="Quish cannot be written in symbol table v1"):
        reading.read_text("Miła.", "qq", SymbolTable.V1)
    with pytest.raises(TextError, match=r"^nothing to read in '你好'"):
        reading.read_text("你好", "qq", V2)
    assert [item.character for item in characters.unread_characters("miła 你", "qq")] == ["你"]
    assert guessed_words(reading.read_text("zo miła", "qq", V2).pieces[0]) == ("zo",)


def test_its_sentences_end_at_its_own_marks_and_not_at_its_abbreviations(quish):
    text = "Miła żaba hupa nu dk. Palo hila sen sela. Hila sen żaba nu⁂ Ela mila hupa mas seda."
    first, second = "Miła żaba hupa nu dk. Palo hila sen sela.", "Hila sen żaba nu⁂ Ela mila hupa mas seda."
    assert cut(text, "qq") == [first, "Hila sen żaba nu⁂", "Ela mila hupa mas seda."]
    assert cut(text, "en") == ["Miła żaba hupa nu dk.", "Palo hila sen sela.", second]


def test_a_long_sentence_is_cut_at_its_conjunctions_and_clauses(quish):
    text = "miła hupa nu sela ke and that hupa nu sela"
    assert cut(text, "qq", max_chars=30) == ["miła hupa nu sela", "ke and that hupa nu sela"]
    assert cut(text, "en", max_chars=30) == ["miła hupa nu sela ke and", "that hupa nu sela"]
    clauses = "miła hupa nu sela·  hupa nu sela"
    assert [piece.text for piece in split_in_two(clauses, "qq")] == ["miła hupa nu sela·  ", "hupa nu sela"]
    assert [piece.text for piece in split_in_two(clauses, "en")] == ["miła hupa nu ", "sela·  hupa nu sela"]


def test_words_carry_its_phones(quish):
    words = lexicon.parse_lexicon("qq|miła|M AA0\nqq|hupa|hu1 pa1\nqq|nu|nuno\nen|nu|new", "words.txt")
    said = reading.read_text("Miła nunu hupa nu.", "qq", V2, words=words)
    assert said.phones == ["M", "AA0", "N", "UW0", "N", "UW0", "HH", "UW0", "P", "AA0", "N", "UW0", "N", "OW0", "."]
    inline = lexicon.encode_inline("[nu|mi1 la1] [nu|M AA0]", "qq")[0]
    assert reading.read_text(inline, "qq", V2).phones == ["M", "IY0", "L", "AA0", "M", "AA0"]
    with pytest.raises(TextError, match="'xu1' is no syllable of beats"):
        lexicon.parse_lexicon("qq|nu|xu1", "words.txt")
    with pytest.raises(TextError, match="'AE1' is no phone of Quish") as failure:
        lexicon.parse_lexicon("qq|nu|M AA0 AE1", "words.txt")
    assert failure.value.hint.startswith("phones of Quish are AA0 B D")


def test_its_files_are_read_in_its_encoding(quish):
    text = "Miła żaba, miła łuka żu."
    found = decode_text(text.encode("cp1250"), "a.txt", "qq")
    assert (found.text, found.encoding) == (text, "cp1250")
    assert decode_text("Un café très élégant".encode("cp1252"), "a.txt").encoding == "cp1252"


def test_lists_and_recognisers_name_it(quish):
    assert manifest.language_code("QQ", "en") == "qq"
    assert manifest.language_code("Quish", "en") == "qq"
    assert languages.language_of_recogniser("qqq").code == "qq"
    with pytest.raises(TextError, match="unknown language"):
        languages.language_of_recogniser("fr")


def requested(text, lang, support):
    bundle = Bundle("v2", VERSIONS["v2"], Path("x"), Path("x"), None, None, "installed", "")
    return synthesis_request(text, bundle, InferenceSettings(lang=lang), support=support)


def test_models_that_do_not_speak_it_say_so(quish):
    with pytest.raises(TextError, match=r"^mini does not speak Quish: it knows English$") as failure:
        supported_text("Miła.", "qq", LanguageSupport("mini", ("en",)))
    assert hint_for(failure.value).startswith("train a voice that does: sovits prep RECORDINGS --lang qq --model ")
    request = requested("Miła żaba. Łuka!", "auto", LanguageSupport("mine", ("en",), is_sure=False))
    assert request.lang == "auto_qq"
    assert request.notes == (
        "mine knows English: 'Miła żaba. Łuka' in Quish is nonsense to it, unless it was trained on that",
    )


def test_where_nothing_tells_the_user_is_told(quish):
    def notes(text, lang, support=ALL_LANGUAGES):
        return requested(text, lang, support).notes

    told = ("Latin letters are read as English: give the language auto_en to say so, or qq (Quish)",)
    assert notes("Hola.", "auto") == told
    assert notes("你好 [重|AH0].", "auto") == notes("Hola.", "auto_en") == notes("Hola.", "qq") == ()
    assert notes("Hola.", "auto", LanguageSupport("mini", ("en",))) == ()


def test_a_dataset_is_prepared_in_it(quish, tmp_path):
    lines = []
    for number, code in enumerate(("QQ", "EN", "")):
        record(tmp_path / f"{number}.wav", 1.0)
        lines.append(f"{number}.wav|me|{code}|Hola ke no")
    (tmp_path / "all.list").write_text("\n".join(lines))
    report = prepare(tmp_path / "all.list", tmp_path / "made", FakeModels(), lang="qq")
    assert report.languages == ("en", "qq")
    rows = [line.split("\t") for line in (tmp_path / "made" / "2-name2text.txt").read_text().splitlines()]
    assert [row[1] == "HH OW0 L AA0 K EH0 N OW0" for row in rows] == [True, False, True]
    (tmp_path / "all.list").write_text("0.wav|me||Hola ke no")
    assert manifest.read_list(tmp_path / "all.list", "auto").checked().notes == (
        "Latin letters are read as English: give the language auto_en to say so, or qq (Quish)",
    )


CYRILLIC = UnicodeScript("cyrillic", "а-яёА-ЯЁ")


class Ivanish:
    """Reads Cyrillic letters as one phone; "т." ends no sentence."""

    def readable(self, text):
        return CYRILLIC.pattern.search(text) is not None or any(map(str.isdecimal, text))

    def ends_sentence(self, before, after):
        return not before.endswith("т.")

    def normalise(self, text, *, compat):
        return text

    def phones(self, norm, table, *, compat):
        return ["M"] * sum(map(str.isalpha, norm)), None


@pytest.fixture
def ivanish(monkeypatch):
    row = Language("iv", "Ivanish", f"{__name__}:Ivanish", frozenset({V2}), (CYRILLIC,), phones=frozenset({"M"}))
    monkeypatch.setitem(LANGUAGES, "iv", row)


def test_a_script_of_its_own_is_read_in_it_by_auto(ivanish):
    assert runs("Привет, hello 5 你好", "auto") == ["iv:Привет, ", "en:hello 5 ", "zh:你好"]
    assert runs("Привет, hello 5 你好", "iv") == ["iv:Привет, ", "en:hello 5 ", "iv:你好"]
    assert segment.find_mode("all_iv").holds_numbers
    assert reading.read_text("да hi", "auto", V2).pieces[0].phones == ("M", "M")
    assert characters.unread_characters("Привет Ω", "auto") == []
    text = "Привет из города и т. Москва далеко отсюда. A small town is near Dr. Smith here."
    assert cut(text, "auto") == [
        "Привет из города и т. Москва далеко отсюда.",
        "A small town is near Dr. Smith here.",
    ]
    words = lexicon.parse_lexicon("iv|да|M M M", "words.txt")
    assert len(reading.read_text("да дада", "iv", V2, words=words).phones) == 3 + 4


def test_without_it_cyrillic_is_lost():
    assert runs("Привет, hello", "auto") == ["en:Привет, hello"]
    assert {item.character for item in characters.unread_characters("да", "auto")} == {"д", "а"}


class Failing(Ivanish):
    def readable(self, text):
        return text.encode("cp1251") != b""

    def normalise(self, text, *, compat):
        raise KeyError(text)


def test_a_front_end_that_fails_costs_only_its_own_texts(monkeypatch):
    failing = Language(
        "fa", "Faulty", f"{__name__}:Failing", frozenset({V2}), (CYRILLIC,), guesses=":x", origin="sovits-faulty 1.0"
    )
    monkeypatch.setitem(LANGUAGES, "fa", failing)
    assert characters.unread_characters("你好 € café", "auto") == []
    assert reading.read_text("你好 café", "auto", V2).phones
    with pytest.raises(TextError, match=r"^Faulty of sovits-faulty 1\.0 fails: KeyError: 'да'$") as failure:
        reading.read_text("да", "auto", V2)
    assert failure.value.hint == "pip install -U sovits-faulty"
    with pytest.raises(TextError, match=r"^Faulty of sovits-faulty 1\.0 fails: "):
        guessed_words(reading.Piece("fa", "да", "да", ("M",), None))


def row(**changes):
    return Language(
        **{
            "code": "xx",
            "name": "X",
            "frontend": "a:B",
            "tables": frozenset({V2}),
            "scripts": (LATIN,),
            "phones": frozenset({"M"}),
        }
        | changes
    )


@every_case(
    ("found", "fault"),
    [
        (row(), ""),
        ("row", "expected a Language, found str"),
        (row(code="yy"), "its row has the code 'yy': expected that of the entry point, as in es or pt-br"),
        (row(tables=frozenset()), "it names no symbol table: expected v1 or v2"),
        (row(scripts=()), "it has no script"),
        (row(phones=frozenset()), "it names none of its phones"),
        (row(scripts=(UnicodeScript("roman", "a-zé"),)), "'a' of its script roman is a letter of latin already"),
        (row(phones=frozenset({"M", "QQ"})), "'QQ' is no symbol of the tables it names"),
        (row(tables=frozenset({SymbolTable.V1}), phones=frozenset({"ㄱ"})), "'ㄱ' is no symbol of the tables it names"),
        (row(after_quotation="("), "PatternError: "),
        (row(scripts=(UnicodeScript("odd", "z-a"),)), "PatternError: "),
    ],
)
def test_a_row_that_cannot_be_used_is_told(monkeypatch, found, fault):
    monkeypatch.setattr(sys.modules[__name__], "FOUND", found, raising=False)
    entries = [EntryPoint("xx", f"{__name__}:FOUND", languages.GROUP)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
    rows, problems = languages.registered_languages(BUILT_IN)
    assert [row.code for row in rows] == ([] if fault else ["xx"])
    text = f"language 'xx' of {__name__}:FOUND is left out: {fault}".replace("PatternError", "")
    assert [problem.message.replace("PatternError", "").replace("error", "")[: len(text)] for problem in problems] == (
        [text] if fault else []
    )


def installed(site, name, entries, code):
    """A package in a folder, as pip leaves it."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    listed = "\n".join(f"{key} = {module}:{value}" for key, value in entries.items())
    (info / "entry_points.txt").write_text(f"[{languages.GROUP}]\n{listed}\n")


@pytest.fixture
def sovits(tmp_path):
    """Runs the command in a process of its own that sees packages in `site`."""
    site = tmp_path / "site"
    site.mkdir()
    places = os.pathsep.join([str(site), str(Path(__file__).parents[2])])

    def run(*args):
        command = [sys.executable, "-m", "sovits_cli", *map(str, args)]
        there = {**os.environ, "PYTHONPATH": places}
        return subprocess.run(
            command, cwd=tmp_path, env=there, capture_output=True, text=True, timeout=300, check=False
        )

    return run


LOUD = Path(made_up.__file__).read_text(encoding="utf-8") + "\nopen('imported', 'w').close()\n"


def test_an_installed_package_brings_it(sovits, tmp_path):
    installed(tmp_path / "site", "sovits-quish", {"qq": "ROW"}, LOUD)
    assert sovits("--help").returncode == 0
    assert not (tmp_path / "imported").exists()
    (tmp_path / "words.txt").write_text("qq|nu|M AA0\n")
    said = sovits("infer", "--dry-run", "--json", "--lexicon", "words.txt", "--say", "Miła żaba & łuka nu.")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "imported").exists()
    found = json.loads(said.stdout)
    assert found["lang"] == "auto_qq"
    assert [part["norm"] for part in found["sentences"][0]["segments"]] == ["miła żaba ke łuka nu ."]
    assert "in Quish is nonsense to it" in said.stderr


BROKEN = {"qa": "MISSING", "en": "ROW", "qb": "ROW"}


def test_a_broken_package_is_named_and_harms_nothing(sovits, tmp_path):
    installed(tmp_path / "site", "sovits-bad", BROKEN, LOUD)
    installed(tmp_path / "site", "sovits-worse", {"qw": "ROW"}, "raise SystemExit('no\\nlicence')")
    installed(tmp_path / "site", "sovits-void", {"qq": "ROW"}, LOUD.replace("qq.", "qq").replace(":Quish", ":Gone"))
    said = sovits("infer", "--dry-run", "--lang", "auto", "--say", "Hello there.")
    assert said.returncode == 0, said.stderr
    assert "en  Hello there." in said.stdout
    warnings = [line for line in said.stderr.splitlines() if "is left out" in line]
    assert len(warnings) == 4, said.stderr
    assert "language 'qw' of sovits-worse 1.0 is left out: SystemExit: no licence" in said.stderr
    void = sovits("infer", "--dry-run", "--lang", "qq", "--say", "Hola.")
    assert void.returncode == 3
    assert "error: Quish of sovits-void 1.0 cannot be loaded: AttributeError: " in void.stderr
