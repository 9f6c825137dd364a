"""Every text of the golden files that our official reading (`compat=True`) reads otherwise, with the reason.

A row that is no longer true fails its test. Where our own reading differs on purpose: `tests/text/*_exceptions.py`.
"""

UNREACHABLE = {
    "en-048": ("zorbification", "guessed by the official net; ours guesses differently"),
    "en-050": ("helloworld", "guessed by the official net, which knows it as one word of the web"),
}
"""English: items we cannot reproduce without the weights or word counts of others: id -> (the word, why)."""

_GUESSED = "the official program's language model guesses what language plain Han characters are; ours go by context"
_LOST = "characters that the official program's language model knows no language for are lost; ours stay"
_NO_SCRIPT = "the official program's language model takes it for English; ours goes by the script"

SEGMENTATION = {
    "MyGO?,你也喜欢まいご吗？": _GUESSED,
    "ねえ、知ってる？最近、僕は天文学を勉強してるんだ。": _GUESSED,
    "今天温度25度，明天30度。": _GUESSED,
    "佢哋喺度食緊飯。": _GUESSED,
    "東京": _GUESSED,
    "這個問題很複雜。": _GUESSED,
    "学生": _GUESSED,
    "大丈夫": _GUESSED,
    "第3章 Chapter 3": _GUESSED,
    "价格是$25.50，约等于180元。": _LOST,
    "2024年3月15日，Friday": _GUESSED,
    "😀🎉": _NO_SCRIPT,
    "¿Qué tal?": _LOST,
    "ㅋㅋㅋ": _NO_SCRIPT,
    "ｶﾀｶﾅ": _NO_SCRIPT,
    "10点见，OK？": _LOST,
    "No.1選手": _GUESSED,
    "第1名：Tom，第2名：太郎，第3名：철수": _GUESSED,
    "换行\n第二行\nThird line": _GUESSED,
    "K-POP아이돌과 J-POP歌手": _GUESSED,
}
"""Texts cut into other languages in the modes auto and auto_yue; those of other reasons than _GUESSED also in zh … yue.
All depend on a model that is not there (`model_free` is false in the golden file)."""

GUESSED_ONLY = frozenset(text for text, why in SEGMENTATION.items() if why is _GUESSED)
"""Those of them that only a mode without a main language cuts otherwise."""

PIPELINE_WORDS = {"Guten Tag": "guessed by the official net; ours guesses differently"}
"""Words whose phones differ in otherwise equal pieces."""
