"""What the official program gets wrong in Chinese, and ours writes out before."""

from sovits_cli.text.frontend import pronounce
from sovits_cli.text.zh_normal import prepare_chinese
from sovits_cli.versions import SymbolTable
from tests.differences import every_case


def norm(text):
    return pronounce(text, "zh", SymbolTable.V2).norm


@every_case(
    ("text", "said"),
    [
        ("-0.75", "负零点七五"),
        ("3.1415926", "三点一四一五九二六"),
        ("面积120㎡，5mm厚，延迟20ms", "面积一百二十平方米,五毫米厚,延迟二十毫秒"),
        ("３．５％", "百分之三点五"),
        ("20~30%", "百分之二十到百分之三十"),
        ("HK$5000万", "五千万港元"),
        ("-5℃，36.5摄氏度", "零下五度,三十六点五摄氏度"),
        ("1000克盐，100倍", "一千克盐,一百倍"),
        ("拨打10086或95588，房间1208号", "拨打幺零零八六或九五五八八,房间幺二零八号"),
        ("3‰，½杯", "千分之三,二分之一杯"),
        ("2½公斤，2 1/2kg，½kg", "二又二分之一公斤,二又二分之一千克,二分之一千克"),
        ("误差是1e-5，-3E8", "误差是一乘以十的负五次方,负三乘以十的八次方"),
        ("45°角，20°~30°，20°C", "四十五度角,二十度到三十度,二十度"),
        ("2024-1-5，二〇二四年", "二零二四年一月五日,二零二四年"),
        ("8:30-12:45，3:02出发，比分3:2", "八点半至十二点四十五分,三点零二分出发,比分三比二"),
        ("5+5=10，-5", "五加五等于十,负五"),
        ("500瓩", "五百千瓦"),
    ],
)
def test_what_the_official_program_gets_wrong(text, said):
    assert norm(text) == said


def test_letters_of_other_scripts_and_addresses_are_gone():
    assert prepare_chinese("看https://x.org/a吧，abc，￥5") == "看吧，，五元"
    assert prepare_chinese("繁體字") == "繁体字"
