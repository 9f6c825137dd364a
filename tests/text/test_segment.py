"""Our own way of sharing a text among languages; the official one: `tests/parity/test_text_pipeline.py`."""

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import TextError
from sovits_cli.text import segment
from sovits_cli.text.segment import find_mode, language_runs, resolve_mode
from tests.differences import every_case


def cut(text, lang="auto"):
    return [f"{run.lang}:{run.text}" for run in language_runs(text, find_mode(lang))]


@every_case(
    ("text", "stretches"),
    [
        ("你好，world！今天是Monday。", ["zh:你好，", "en:world！", "zh:今天是", "en:Monday。"]),
        ("当时ThinkPad T60刚刚发布", ["zh:当时", "en:ThinkPad T60", "zh:刚刚发布"]),
        ("iPhone 15卖8999元，OK吗？", ["en:iPhone ", "zh:15卖8999元，", "en:OK", "zh:吗？"]),
        ("有5kg重，快3.5km/h。", ["zh:有5kg重，快3.5km/h。"]),
        ("用了3D打印和5G网络", ["zh:用了", "en:3D", "zh:打印和", "en:5G", "zh:网络"]),
        ("价格是$25.50，约180元。", ["zh:价格是$25.50，约180元。"]),
        ("最近、僕は天文学を勉強してるんだ。", ["ja:最近、僕は天文学を勉強してるんだ。"]),
        ("これはテストです。这是测试。", ["ja:これはテストです。", "zh:这是测试。"]),
        ("东京は日本の首都です", ["zh:东京", "ja:は日本の首都です"]),
        (
            "他喝了latte，然后去了渋谷のスクランブル。",
            ["zh:他喝了", "en:latte，", "zh:然后去了", "ja:渋谷のスクランブル。"],
        ),
        ("안녕하세요, 我是小明。Hi!", ["ko:안녕하세요, ", "zh:我是小明。", "en:Hi!"]),
        ("오늘은 2024년 3월 15일입니다.", ["ko:오늘은 2024년 3월 15일입니다."]),
        ("我说：“Hello, world!”然后离开。", ["zh:我说：", "en:“Hello, world!”", "zh:然后离开。"]),
        ("12345", ["zh:12345"]),
        ("Привет 你好", ["zh:Привет 你好"]),
        ("ｶﾀｶﾅ", ["ja:ｶﾀｶﾅ"]),
        ("!!!", ["punctuation:!!!"]),
    ],
)
def test_auto(text, stretches):
    assert cut(text) == stretches


@every_case(
    ("lang", "stretches"),
    [
        ("zh", ["zh:漢字と", "en:Chapter 3"]),
        ("ja", ["ja:漢字と", "en:Chapter 3"]),
        ("all_ja", ["ja:漢字と", "en:Chapter ", "ja:3"]),
        ("yue", ["yue:漢字と", "en:Chapter 3"]),
        ("en", ["en:漢字とChapter 3"]),
    ],
)
def test_modes(lang, stretches):
    assert cut("漢字とChapter 3", lang) == stretches


def test_what_han_characters_are_without_context():
    assert [cut("東京", lang) for lang in ("auto", "auto_yue", "auto_ja")] == [["zh:東京"], ["yue:東京"], ["ja:東京"]]
    assert cut("这是东京", "auto_ja") == ["zh:这是东京"]


def test_a_document_tells_what_its_han_characters_are():
    assert resolve_mode("auto", "大丈夫。ありがとう。") == "auto_ja"
    assert resolve_mode("auto", "我们在东京看了「となりのトトロ」这部电影，大家都觉得非常好看。") == "auto"
    assert resolve_mode("zh", "ありがとう") == "zh"


@every_case("code", ["auto", "auto_yue", "auto_ja", "all_zh", "all_ko", "ko"])
def test_joined_they_are_the_text(code):
    text = "  Hello 你好，さようなら 안녕 3.5km/h, Привет 😀 “quoted”(x) €5 !"
    assert "".join(run.text for run in language_runs(text, find_mode(code))) == text.strip().replace("  ", " ")


@every_case(
    ("code", "hint"),
    [
        ("chinese", "--lang zh"),
        ("all_en", "--lang "),
        ("auto_ko", "--lang auto"),
        ("", "--lang auto"),
        ("jap", "--lang "),
    ],
)
def test_unknown_mode(code, hint):
    with pytest.raises(TextError, match=f"^unknown language {code!r}: expected auto, en ") as failure:
        segment.find_mode(code)
    assert hint_for(failure.value).startswith(hint)
