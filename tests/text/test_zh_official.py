"""Numbers and signs as GPT-SoVITS `text/zh_normalization` writes them out, defects included."""

from sovits_cli.text.zh_official import cardinal, digit_by_digit, number_words, official_sentences, telephone_digits
from tests.differences import every_case


@every_case(
    ("digits", "said"),
    [("0", "零"), ("10", "十"), ("105", "一百零五"), ("10010", "一万零一十"), ("007", "七"), ("1" * 9, None)],
)
def test_cardinals(digits, said):
    assert cardinal(digits) == (said or "一亿一千一百一十一万一千一百一十一")


def test_other_numbers():
    assert (digit_by_digit("2011"), telephone_digits("110")) == ("二零一一", "幺幺零")
    assert (number_words("0.50"), number_words("12.8"), number_words("3")) == ("零点五零", "十二点八", "三")


@every_case(
    ("text", "written"),
    [
        ("编号27149", "编号二七幺四九"),
        ("324.75克", "三百二十四点七五克"),
        ("-1.5~2", "负一点五到二"),
        ("86年8月18日", "八六年八月十八日"),
        ("2024-01-05", "二零二四年一月五日"),
        ("12:05", "十二点零五分"),
        ("8:30-12:45", "八点半至十二点半"),
        ("-10°C", "零下十度"),
        ("36.5摄氏度", "三十六点五度"),
        ("62%", "百分之六十二"),
        ("x²", "x的二次方"),
        ("5mm", "五米米"),
        ("100-200", "幺零零减二零零"),
        ("2个", "两个"),
        ("12+个", "十二多个"),
        ("+86 18544139121", "八六幺八五四四幺三九幺二幺"),
        ("1.2.3", "一点二点三"),
        ("007个", "七个"),
        ("（注）好—的", "注好的"),
    ],
)
def test_sentences(text, written):
    assert "".join(official_sentences(text)) == written
