"""The table of `tests.tools.text_table`, on a golden folder with one right and one wrong text."""

import json

from tests.parity import golden
from tests.tools import text_table


def test_counts(tmp_path, monkeypatch, capsys):
    right = next(item for item in golden.load(golden.OURS / "text_en.json")["items"] if item["id"] == "en-001")
    guessed = next(item for item in golden.load(golden.OURS / "text_en.json")["items"] if item["id"] == "en-048")
    wrong = {**right, "id": "en-999", "phones": right["phones"][1:]}
    (tmp_path / "text_en.json").write_text(json.dumps({"items": [right, guessed, wrong]}), encoding="utf-8")
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    text_table.main()
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split() == ["en", "sentence", "1", "1", "1", "3", "33.3", "%"]
