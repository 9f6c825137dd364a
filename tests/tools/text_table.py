"""How much of the recorded texts we read as the official program does: `python -m tests.tools.text_table`.

Reads the folder that SOVITS_GOLDEN names, else our own. A row for each language and kind of text: how many are the
same, differ for a reason of `tests.parity.differences`, differ for none. Then the reasons, with their counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from tests.parity import mixed, texts

ROW = "{:<6}{:<10}{:>10}{:>7}{:>13}{:>7}{:>8}"


def main() -> None:
    """Print the table."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for lang, kind, is_same, reason in _verdicts():
        verdict = "same" if is_same else "named" if reason else "open"
        counts.setdefault((lang, kind), Counter())[verdict] += 1
        if verdict == "named":
            reasons[reason] += 1
    print(ROW.format("", "", "identical", "named", "unexplained", "total", "share"))
    for (lang, kind), found in counts.items():
        total = found.total()
        share = f"{100 * found['same'] / total:.1f} %"
        print(ROW.format(lang, kind, found["same"], found["named"], found["open"], total, share))
    for reason, count in reasons.most_common():
        print(f"{count:>4}  {reason}")


def _verdicts() -> Iterator[tuple[str, str, bool, str]]:
    """Language, kind, whether ours is the same, and why it may differ, of every text that can be read here."""
    if texts.IS_PLUS:
        texts.without_onnx()
    for item in texts.items():
        if not texts.missing(item.lang):
            yield item.lang, item.kind, texts.read(item) == texts.recorded(item), texts.why(item)
    every: Iterable[mixed.Item] = (*mixed.cuts(), *mixed.readings())
    for entry in every:
        if not mixed.missing(entry):
            yield "mixed", entry.kind, mixed.read(entry) == mixed.recorded(entry), mixed.why(entry)


if __name__ == "__main__":
    main()
