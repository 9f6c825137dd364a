"""Transcripts to phones: what the key holds, what is recalled, and phones that a source brings along."""

from pathlib import Path

from sovits_cli.data.experiment import TextRow
from sovits_cli.data.manifest import ManifestRow
from sovits_cli.prep.recording_steps import TranscriptStep
from sovits_cli.prep.step_runner import Clip
from sovits_cli.text.lexicon import load_lexicon
from sovits_cli.versions import SymbolTable

V2 = SymbolTable.V2


def clip(text="Hello.", language="en", existing=None):
    return Clip(ManifestRow(Path("a.wav"), "", language, text, "", existing=existing))


def existing(*phones):
    return TextRow("a.wav", phones, None, "hello.")


def test_the_key_changes_with_all_that_changes_phones(tmp_path):
    (tmp_path / "words.lex").write_text("en|hello|HH IY1\n")
    plain, other = TranscriptStep(V2, {}), TranscriptStep(SymbolTable.V1, {})
    compat = TranscriptStep(V2, {}, compat=True)
    worded = TranscriptStep(V2, {}, words=load_lexicon(tmp_path / "words.lex"))
    keys = [
        plain.key(clip()),
        plain.key(clip("Bye.")),
        plain.key(clip(language="auto")),
        plain.key(clip(existing=existing("HH"))),
        *(step.key(clip()) for step in (other, compat, worded)),
    ]
    assert len(set(keys)) == len(keys)
    assert plain.key(clip()) == TranscriptStep(V2, {}).key(clip())


def test_a_row_that_is_kept_gives_the_same_clip_again():
    step, made, again = TranscriptStep(V2, {}), clip("Hello, 你好.", "auto"), clip("Hello, 你好.", "auto")
    row = step.finish(made, step.prepare(made))
    assert step.recall(again, row)
    assert again.text == made.text
    assert [(piece.lang, piece.phones, piece.word2ph) for piece in again.pieces] == [
        (piece.lang, piece.phones, piece.word2ph) for piece in made.pieces
    ]


def test_without_a_row_the_table_of_the_dataset_is_taken():
    step, made = TranscriptStep(V2, {"a.wav": existing("HH", "AH0")}), clip()
    assert step.recall(made, None)
    assert made.text.phones == ("HH", "AH0")
    assert not TranscriptStep(V2, {}).recall(clip(), None)


def test_phones_of_the_source_are_kept_if_the_model_knows_them():
    step = TranscriptStep(V2, {})
    assert list(step.prepare(clip(existing=existing("HH", "OW1"))).phones) == ["HH", "OW1"]
    assert step.prepare(clip(existing=existing("HH", "NOPHONE"))).phones == step.prepare(clip()).phones


def test_in_a_mixed_mode_phones_of_the_source_count_as_those_of_a_language_with_features():
    row = TextRow("a.wav", ("n", "i3"), (2,), "你")
    (piece,) = TranscriptStep(V2, {}).prepare(clip("你", "auto", existing=row)).pieces
    assert piece.has_bert
    assert not TranscriptStep(V2, {}).prepare(clip(existing=existing("HH"))).pieces[0].has_bert
