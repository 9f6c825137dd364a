"""The table at the top of `zh_tones`, and how words are joined before."""

from sovits_cli.text.zh import _rimes
from sovits_cli.text.zh_tones import apply_erhua, apply_sandhi, merge_for_sandhi
from sovits_cli.text.zh_words import Word, tag_words
from tests.differences import every_case


def tones(text):
    """Tones of each word after merging, as digits."""
    found = []
    for word in merge_for_sandhi(tag_words(text), _rimes):
        rimes = apply_erhua(word, apply_sandhi(word, _rimes(word.text), compat=False))
        found.append("".join(rime[-1] for rime in rimes))
    return " ".join(found)


@every_case(
    ("text", "spoken"),
    [
        ("不去", "24"),
        ("好不好", "353"),
        ("一样", "24"),
        ("一天", "41"),
        ("看一看", "454"),
        ("第一", "41"),
        ("一百二十一", "4342 1"),
        ("你好", "23"),
        ("展览馆", "223"),
        ("纸老虎", "323"),
        ("岂有此理", "2323"),
        ("妈妈", "15"),
        ("想想", "23"),
        ("回来", "25"),
        ("桌上", "15"),
        ("三个", "15"),
        ("朋友", "25"),
        ("小院儿", "344"),
        ("女儿", "32"),
    ],
)
def test_tones(text, spoken):
    assert tones(text) == spoken


@every_case(
    ("words", "joined"),
    [
        ("我/r 不/d 去/v", "我 不去"),
        ("看/v 一/m 看/v", "看一看"),
        ("一/m 天/q", "一天"),
        ("想/v 想/v", "想想"),
        ("我/r 很/d 好/a", "我很好"),
        ("媳妇/n 儿/n", "媳妇儿"),
        ("好/a 不/d", "好 不"),
    ],
)
def test_words_between_which_tones_change_are_joined(words, joined):
    found = [Word(*word.split("/")) for word in words.split()]
    assert " ".join(word.text for word in merge_for_sandhi(found, _rimes)) == joined


def test_two_parts_that_meet_in_one_character_keep_their_tones():
    word = Word("银行行长", "n")
    rimes = _rimes(word.text)
    assert [rime[-1] for rime in apply_sandhi(word, rimes, compat=False)] == ["2", "2", "2", "3"]
    assert [rime[-1] for rime in apply_sandhi(word, rimes, compat=True)] == ["2", "2", "5", "3"]
