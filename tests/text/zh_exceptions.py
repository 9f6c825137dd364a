"""Golden sentences that our Chinese reads otherwise than the official program, on purpose: why, and how.

The official defects stay reachable with `compat=True` (`tests/parity/test_text.py`).
"""

from typing import NamedTuple


class Exceptional(NamedTuple):
    why: str
    norm: str


EXCEPTIONS = {
    "zh-012": Exceptional("a round number is a quantity", "一万元不是小数目,一百零五个人分,每人不到一百."),
    "zh-013": Exceptional("a rank is 第二, not 第两", "第二名和第十名相差三万零五分."),
    "zh-019": Exceptional("the half of the second time of a range", "营业时间为八点至二十一点半,周一休息."),
    "zh-021": Exceptional("￥ is money, not a pause", "这件衣服原价二百九十九元,现在只要五十九点九元."),
    "zh-022": Exceptional("$ is money, not a full stop", "他花了二十五点五美元买了一杯咖啡."),
    "zh-023": Exceptional("a comma between thousands is no pause", "总共是一千二百三十四点五六元,折合一百八十美元."),
    "zh-025": Exceptional(
        "a telephone number is no subtraction", "客服热线是四零零,八二零,八八二零,或者零幺零,六六七七八八九九."
    ),
    "zh-026": Exceptional("a telephone number keeps its parts", "我的号码是八六,幺三九,八七六五,四三二幺."),
    "zh-027": Exceptional("km/h", "这段路长十二点五千米,限速六十千米每小时."),
    "zh-035": Exceptional("a decimal is no telephone number", "圆周率约等于三点一四一五九二六."),
    "zh-037": Exceptional("a negative decimal has one zero", "水位下降了负零点七五米,账户余额是负二百元."),
    "zh-038": Exceptional("a range is no subtraction", "每天需要睡七到九个小时,价格在一百到二百元之间."),
    "zh-039": Exceptional("a range with a wide tilde", "请阅读第三到五章."),
    "zh-041": Exceptional("^ is a power, not a pause", "二的十次方等于幺零二四."),
    "zh-061": Exceptional("a dash is a short pause", "等等,真的吗?太好了…哈哈哈!"),
    "zh-070": Exceptional("no units within an address", "加等于,邮箱是."),
    "zh-073": Exceptional("no units within an address", "请访问查看详情."),
    "zh-080": Exceptional("^ and ￥ are no pauses", "你好再见,价格五元."),
    "zh-081": Exceptional("a score has two numbers", "比赛结果是三比二,我们以一百零五比九十八获胜."),
}

REFUSED = frozenset({"zh-064", "zh-065"})
"""Only marks: nothing to read."""
