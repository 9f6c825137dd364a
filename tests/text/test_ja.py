"""Japanese as we read it. The official reading is compared in tests/parity."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.errors import TextError
from sovits_cli.text import ja, reading
from sovits_cli.text.frontend import load_frontend, pronounce
from sovits_cli.text.reading import guessed_words
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

pytest.importorskip("pyopenjtalk")


def read(text, **how):
    return "".join(pronounce(text, "ja", SymbolTable.V2, **how).phones)


@every_case(
    ("text", "sounds"),
    [
        ("橋の端で箸を使う。", "hashinohashidehashiotsukau."),
        ("電話は03-1234-5678", "deNwawazerosaN,ichiniisaNyoN,goorokunanahachi"),
        ("円周率は3.14", "eNshuuritsuwasaNteNichiyoN"),
        ("こんにちは 世界", "koNnichiwasekai"),
        ("50%", "gojuclpaaseNto"),
    ],
)
def test_read(text, sounds):
    phones = pronounce(text, "ja", SymbolTable.V2).phones
    assert "".join(phone for phone in phones if phone not in ("UNK", "[", "]")) == sounds


def test_the_official_reading_is_another_one():
    assert read("50%", compat=True).endswith("UNK")
    assert not read("50%").endswith("UNK")


@every_case("text", ["", "。！", "😀", "「」", "ไทย", "々"])
def test_nothing_to_read(text):
    with pytest.raises(TextError, match="nothing to read"):
        read(text)


def test_borders_of_phrases_are_marks_that_no_table_has():
    phones = pronounce("橋の端で箸を使う。", "ja", SymbolTable.V1).phones
    assert {"[", "]", ja.BORDER}.isdisjoint(phones)
    assert phones.count("UNK") == 8


def test_characters_without_a_sound_are_named():
    assert ja.unread_by_openjtalk("今日は々") == ["々"]
    assert ja.unread_by_openjtalk("今日は") == []


@every_case(
    ("before", "after", "ends"),
    [
        ("終わり。", "次", True),
        ("何？", "」と", False),
        ("何？」", "と言った", False),
        ("何？」", "彼は", True),
        ("1.", "水", False),
    ],
)
def test_ends_of_sentences(before, after, ends):
    assert load_frontend("ja").ends_sentence(before, after) is ends


def test_a_dictionary_that_would_be_downloaded_is_refused(monkeypatch, tmp_path):
    import pyopenjtalk

    monkeypatch.setattr(pyopenjtalk, "OPEN_JTALK_DICT_DIR", str(tmp_path).encode())
    ja._package.cache_clear()
    with pytest.raises(TextError, match="has no dictionary in") as failure:
        ja.label_phones("あ")
    assert 'pip install "sovits[ja]"' in failure.value.hint


@every_case(("unit", "compat"), [("あ", False), ("漢字", True), ("12345", False)])
def test_more_than_openjtalk_takes_at_once_is_refused_in_one_line(unit, compat):
    with pytest.raises(
        TextError, match=r"^OpenJTalk cannot read '.*… \(20000 characters\): Input text is too"
    ) as failure:
        reading.read_text(unit * (20_000 // len(unit)), "ja", SymbolTable.V2, compat=compat)
    assert "\n" not in failure.value.message
    assert "。 or 、" in failure.value.hint


def test_between_two_marks_it_takes_any_length():
    (piece,) = reading.read_text("今日は、" * 3_000, "ja", SymbolTable.V2).pieces
    assert guessed_words(piece) == ()


@given(st.text(alphabet="あんっーア亜々0９,.-/:~〜%℃¥$kmA「」（）。！？…・\n 　゛😀", max_size=40))
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_mix_of_signs_is_read_or_refused_in_both_modes(text):
    pronounce(text, "ja", SymbolTable.V2, compat=True)
    try:
        spoken = pronounce(text, "ja", SymbolTable.V2)
    except TextError:
        return
    if not re.search(r"\d[^\dkm]+[km]", text):  # 0~m is 0m when the sign is gone, and that a measure
        assert ja.normalise_japanese(spoken.norm).strip() == spoken.norm.strip()


@every_case(
    ("written", "read"),
    [
        ("12,345円と1,000,000人。", "12345円と1000000人。"),
        ("2025/12/31まで", "2025年12月31日まで"),
        ("営業は9:00～18:30です", "営業は9時から18時30分です"),
        ("09:05:07", "9時5分7秒"),
        ("￥150と$25.50", "150円と25.5ドル"),
        ("気温は-3℃から12.5℃です", "気温はマイナス3度から12.5度です"),
        ("10%と8％", "10パーセントと8パーセント"),
        ("80km/hで100㎡", "80キロメートル毎時で100平方メートル"),
        ("1/3の学生、½", "3分の1の学生、2分の1"),
        ("2½kg、値は1e-5です", "2と2分の1キログラム、値は1かける10のマイナス5乗です"),
        ("10-20人、東京〜大阪", "10から20人、東京から大阪"),
        ("A+B=C", "AプラスBイコールC"),
        ("そうだね〜", "そうだねー"),
        ("ＡＢＣ１２３、ﾊﾝｶｸ", "ABC123、ハンカク"),
        ("「はい」と（笑）。", "はいと、笑。"),
        ("楽しい😀🎉、行こう🔥！", "楽しい、行こう！"),
        ("えっ……まさか！？", "えっ…まさか？"),
        ("一行目\n\n二行目", "一行目。二行目"),
        ("https://www.example.com/を", "exampleドットcomを"),
        ("03-1234-5678", "03-1234-5678"),
        ("\u202eあ\x00い\ud800う", "あいう"),
    ],
)
def test_normalised(written, read):
    assert ja.normalise_japanese(written) == read
