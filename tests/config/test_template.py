from __future__ import annotations

import re

from sovits_cli.config import fields, files, layers, template


def test_as_written_it_says_nothing() -> None:
    entries = files.entries(template.commented_settings(), "sovits.yaml")
    assert all(entry.value is None and entry.key in fields.sections() for entry in entries)


def test_every_key_is_there_with_its_help_and_its_default() -> None:
    """Taking every # away before a `key: value` gives exactly the defaults."""
    names = {key.rpartition(".")[2] for key in fields.table()}
    text = re.sub(rf"(?m)^( *)# ({'|'.join(names)}): (?!.*\()", r"\1\2: ", template.commented_settings())
    entries = files.entries(text, "sovits.yaml")
    said = layers.layer_of(entries, "sovits.yaml")
    assert list(said) == list(fields.table())
    assert layers.build([said]).settings == layers.build([]).settings


def test_no_line_is_too_long() -> None:
    assert max(map(len, template.commented_settings().splitlines())) <= 120
