from sovits_cli.text import characters
from sovits_cli.text.characters import official_form, readable_form, visible_form
from tests.differences import every_case


def test_forms():
    assert visible_form("a\x1b[31mb\u200bc\ud800\x00\n") == "abc\n"
    assert readable_form("Ａｂｃ ３ ٣ 𝟑 １") == "Abc 3 3 3 1"
    assert official_form("Ａ ３ ٣ \ud800x") == "Ａ ３ 3 x", "full-width digits it knows itself"


def test_lost_characters_are_named_with_their_place():
    found = characters.unread_characters("你好😀 Привет, 𠮷😀\x07", "zh")
    assert [(item.character, item.position, item.count) for item in found][:2] == [("😀", 3, 2), ("П", 5, 1)]
    told = characters.unread_note(found)
    assert told.startswith("10 characters cannot be read and are left out: 😀 (grinning face) at 3, П (cyrillic")
    assert told.endswith(" others")
    assert "\n" not in told
    assert characters.unread_note(characters.unread_characters("Hello, “naïve” 世界！½ 3℃", "auto")) == ""


@every_case("lang", ["en", "zh", "ja", "ko", "yue", "auto"])
def test_signs_that_are_read_are_not_lost(lang):
    assert (
        characters.unread_note(characters.unread_characters("€5 £3 20° −5 5−3 ￥10 ¥10 $5 5% 3+4=7 2½ 20℃", lang)) == ""
    )


def test_signs_that_no_language_of_the_mode_has_a_word_for_are_lost():
    assert [item.character for item in characters.unread_characters("a → b ≈ c ☃ ∮", "en")] == ["☃", "∮"]
    assert [item.character for item in characters.unread_characters("你好 → ☃ ∮", "all_zh")] == [
        "☃",
        "∮",
    ]  # → is said in English
    assert [item.character for item in characters.unread_characters("₹5 © ♥", "ja")] == ["♥"]


def test_a_mode_names_what_its_own_languages_lack():
    assert [item.character for item in characters.unread_characters("你好 hi", "en")] == ["你", "好"]
    assert characters.unread_characters("你好 hi", "zh") == []
