"""The table of deviations: which test and file fills which cell, and what a cell shows."""

import re

from tests.differences import every_case
from tests.tools.parity_table import COLUMNS, Measure, column_of, file_of, row_of, table, worst


@every_case(
    "nodeid, row, column",
    [
        (
            "tests/parity/test_s2.py::test_semantic_codes[s2_v2ProPlus_full]",
            "v2ProPlus",
            "infers",
        ),
        ("tests/parity/test_s2_train.py::test_losses[s2_v1_train_tiny]", "v1", "trains"),
        ("tests/parity/test_flow.py::test_samples[v3_full]", "v3", "infers"),
        ("tests/parity/test_flow.py::test_loss_and_gradients[v4_tiny]", "v4", "trains"),
        ("tests/parity/test_vocoders.py::test_keys[v3_bigvgan_24khz_100band_256x]", "v3", "loads"),
        ("tests/parity/test_flow.py::test_a_lora_learns_from_the_same_loss[v3_lora]", "v3 LoRA", "trains"),
        ("tests/parity/test_flow_keys.py::test_exported_lora[s2_v3_lora32_export]", "v3 LoRA", "exports"),
        ("tests/checkpoints/test_lora.py::test_convert_merges[.pth-v4_lora]", "v4 LoRA", "exports"),
        ("tests/parity/test_s1.py::test_greedy[s1_tiny]", "GPT", "infers"),
        ("tests/parity/test_mel.py::test_mel_from_wave[mel]", "mel, joining", "infers"),
        ("tests/parity/test_hubert.py::test_steps[hubert_tiny]", "HuBERT", "infers"),
        ("tests/parity/test_bert.py::test_third_from_last[bert_full]", "BERT", "infers"),
    ],
)
def test_the_cell_of_a_test(nodeid, row, column):
    assert (row_of(file_of(nodeid)), column_of(nodeid)) == (row, column)


def test_every_test_is_listed_once_and_exists(request):
    listed = [test for tests in COLUMNS.values() for test in tests]
    assert len(listed) == len(set(listed))
    for test in listed:
        file, _, name = test.partition("::")
        source = (request.config.rootpath / "tests" / file).read_text(encoding="utf-8")
        assert f"def {name}(" in source if name else "measured(" in source


def measure(column, deviation, limit, row="v2"):
    return Measure(row, column, "file", "what", deviation, limit)


def test_a_cell_shows_what_is_nearest_to_its_limit():
    far, near, exact = measure("infers", 5e-4, 1e-2), measure("infers", 2e-5, 1e-4), measure("loads", 0, 0)
    assert worst([far, near, exact])["v2"] == {"infers": near, "loads": exact}
    wrong = measure("loads", 3, 0)
    assert worst([exact, wrong])["v2"]["loads"] == wrong
    header, line = table([far, near, exact, wrong])
    assert header.split() == list(COLUMNS)
    assert re.split(" {2,}", line) == ["v2", "3 (2)", "2.0e-05 of 1e-04 (2)", "-", "-"]
