"""Words whose characters are read otherwise than usual, where segmentation and pypinyin get them wrong.

Facts of GPT-SoVITS `text/g2pw/polyphonic.rep`. Its long companion is read where it was put beside the G2PW weights.
"""

from __future__ import annotations

import ast
from pathlib import Path

from sovits_cli.errors import TextError
from sovits_cli.text import zh_g2pw
from sovits_cli.text.once import once

FILES = ("polyphonic.rep", "polyphonic-fix.rep")

_WORDS = """
湖泊 hu2 po1, 地壳 di4 qiao4, 柏树 bai3 shu4, 曝光 bao4 guang1, 弹力 tan2 li4, 字帖 zi4 tie4, 口吃 kou3 chi1,
包扎 bao1 za1, 哪吒 ne2 zha1, 说服 shuo1 fu2, 识字 shi2 zi4, 骨头 gu3 tou5, 对称 dui4 chen4, 口供 kou3 gong4,
抹布 ma1 bu4, 露背 lu4 bei4, 圈养 juan4 yang3, 眼眶 yan3 kuang4, 品行 pin3 xing2, 颤抖 chan4 dou3,
差不多 cha4 bu5 duo1, 鸭绿江 ya1 lu4 jiang1, 撒切尔 sa4 qie4 er3, 比比皆是 bi3 bi3 jie1 shi4,
身无长物 shen1 wu2 chang2 wu4, 手里 shou2 li3, 关卡 guan1 qia3, 怀揣 huai2 chuai1, 挑剔 tiao1 ti4,
供称 gong4 cheng1, 作坊 zuo1 fang5, 中医 zhong1 yi1, 嚷嚷 rang1 rang5, 商厦 shang1 sha4, 大厦 da4 sha4,
刹车 sha1 che1, 嘚瑟 de4 se5, 朝鲜 chao2 xian3, 阿房宫 e1 pang2 gong1, 阿胶 e1 jiao1, 咖喱 ga1 li5,
时分 shi2 fen1, 蚌埠 beng4 bu4, 驯服 xun4 fu2, 幸免于难 xing4 mian3 yu2 nan4, 恶行 e4 xing2, 唉 ai4,
扎实 zha1 shi2, 干将 gan4 jiang4, 陈威行 chen2 wei1 hang2, 郭晟 guo1 sheng4, 中标 zhong4 biao1,
抗住 kang2 zhu4
"""


def reading(word: str) -> list[str] | None:
    """Pinyin of each character of a word of the table, with its tone ("ga1"); None where the table has no such word."""
    return _table().get(word)


@once
def _table() -> dict[str, list[str]]:
    items = (item.split() for item in _WORDS.replace("\n", " ").split(", "))
    found = {word: list(pinyin) for word, *pinyin in items}
    folder = zh_g2pw.folder()
    for name in FILES:
        if (folder / name).is_file():
            found.update(_read(folder / name))
    return found


def _read(path: Path) -> dict[str, list[str]]:
    """Lines of `word: ['pin1', 'yin1']`."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        word, _, listed = line.partition(":")
        if not line.strip():
            continue
        try:
            pinyin = ast.literal_eval(listed.strip())
        except (ValueError, SyntaxError) as error:
            raise TextError(
                f"{path} line {number}: expected word: ['pin1', 'yin1']", hint=f"mend it: {path}"
            ) from error
        if len(pinyin) == len(word.strip()):
            found[word.strip()] = list(map(str, pinyin))
    return found
