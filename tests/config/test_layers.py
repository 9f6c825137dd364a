from __future__ import annotations

from pathlib import Path

import pytest

from sovits_cli.config import fields, layers
from sovits_cli.errors import SettingsError
from tests.differences import every_case

pytestmark = pytest.mark.usefixtures("empty_folder")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_said_is_the_default() -> None:
    resolved = layers.load_settings()
    assert resolved.settings.slice.max_sec == 54.0
    assert set(resolved.origin.values()) == {"default"}
    assert not resolved.notes


def test_each_layer_beats_the_one_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are added from the lowest to the highest; each time the newest wins, and is named as the origin."""
    steps = [
        (lambda: write(layers.user_file(), "slice: {max_sec: 11}"), 11, f"user file {layers.user_file()}:1"),
        (lambda: write(Path("sovits.yaml"), "slice:\n  max_sec: 12"), 12, "project file sovits.yaml:2"),
        (lambda: monkeypatch.setenv("SOVITS_SLICE_MAX_SEC", "13"), 13, "variable SOVITS_SLICE_MAX_SEC"),
    ]
    for say, value, origin in steps:
        say()
        resolved = layers.load_settings()
        assert (resolved.settings.slice.max_sec, resolved.origin["slice.max_sec"]) == (value, origin)
    config = [write(Path("recipe.yaml"), "slice: {max_sec: 14}")]
    assert layers.load_settings(config_files=config).origin["slice.max_sec"] == "file recipe.yaml:1"
    assert layers.load_settings(config_files=config, sets=["slice.max_sec=15"]).settings.slice.max_sec == 15
    flag = {"slice.max_sec": ("--max-sec", "16")}
    resolved = layers.load_settings(flag, config_files=config, sets=["slice.max_sec=15"])
    assert (resolved.settings.slice.max_sec, resolved.origin["slice.max_sec"]) == (16, "flag --max-sec")


def test_a_flag_not_given_says_nothing() -> None:
    write(Path("sovits.yaml"), "slice: {max_sec: 12}")
    assert layers.load_settings({"slice.max_sec": ("--max-sec", None)}).settings.slice.max_sec == 12


@every_case(
    ("key", "low", "high"),
    [("slice.mono", "true", False), ("data.num_workers", "3", "0"), ("train.gradient_clip", "2.0", "0")],
)
def test_an_explicit_zero_or_false_wins(key: str, low: str, high: object) -> None:
    section, name = key.split(".")
    write(Path("sovits.yaml"), f"{section}: {{{name}: {low}}}")
    assert not layers.load_settings({key: ("--flag", high)}).value(key)


def test_null_takes_a_lower_value_back() -> None:
    write(Path("sovits.yaml"), "slice: {rate: 32000}")
    assert layers.load_settings().settings.slice.rate == 32000
    assert layers.load_settings(sets=["slice.rate=null"]).settings.slice.rate is None


@pytest.mark.parametrize("name", ["SOVITS_DATA__MAX_SEC", "SOVITS_DATA_MAX_SEC"])
def test_both_spellings_of_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "30")
    resolved = layers.load_settings()
    assert (resolved.settings.data.max_sec, resolved.origin["data.max_sec"]) == (30.0, f"variable {name}")


def test_variables_cannot_be_mistaken_for_each_other() -> None:
    names = [key.upper().replace(".", "_") for key in fields.table()]
    assert len(set(names)) == len(names)


def test_an_empty_variable_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOVITS_TRAIN_EXP_NAME", "")
    with pytest.raises(SettingsError, match=r'train.exp_name is "" \(variable SOVITS_TRAIN_EXP_NAME\)'):
        layers.load_settings()


def test_an_unknown_variable_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOVITS_DATA__MAX_SECS", "30")
    with pytest.raises(SettingsError, match="variable SOVITS_DATA__MAX_SECS") as caught:
        layers.load_settings()
    assert caught.value.hint == "did you mean SOVITS_DATA_MAX_SEC?"


@every_case(
    ("text", "place", "words"),
    [
        ("slice:\n  max_secs: 30\n", "sovits.yaml:2", "unknown setting slice.max_secs"),
        ("slice:\n\n  # a comment\n  max_sec: abc\n", "sovits.yaml:4", "slice.max_sec is abc"),
        ("slice: 3\n", "sovits.yaml:1", "slice is a section"),
        ("slice:\n  max_sec:\n    deeper: 1\n", "sovits.yaml:3", "unknown setting slice.max_sec.deeper"),
    ],
)
def test_errors_name_file_and_line(text: str, place: str, words: str) -> None:
    write(Path("sovits.yaml"), text)
    with pytest.raises(SettingsError) as caught:
        layers.load_settings()
    assert place in caught.value.message
    assert words in caught.value.message


def test_an_empty_section_says_nothing() -> None:
    write(Path("sovits.yaml"), "slice:\ntrain:\n  epochs: 3\n")
    assert layers.load_settings().settings.train.epochs == 3


@every_case(
    ("text", "words"),
    [("max_sec", "expected key=value"), ("slice.max_secs=3", "unknown setting"), ("=3", "unknown setting")],
)
def test_bad_sets(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        layers.load_settings(sets=[text])


@every_case(
    ("key", "text", "value"),
    [
        ("inference.lang", "no", "no"),
        ("train.exp_name", "2024", "2024"),
        ("train.exp_name", "null", None),
        ("optimizer.lr", "1e-4", 1e-4),
        ("slice.out", "~/x y", Path("~/x y")),
        ("train.precision", "16", "16-mixed"),
        ("train.precision", "32", "32"),
        ("slice.mono", "true", True),
        ("slice.max_sec", "3", 3.0),
        ("sovits.train.betas", "[0.5, 0.9]", (0.5, 0.9)),
    ],
)
def test_what_is_typed_is_read_by_its_type(key: str, text: str, value: object) -> None:
    assert layers.load_settings(sets=[f"{key}={text}"]).value(key) == value


def test_texts_in_files_need_no_quotes() -> None:
    write(Path("sovits.yaml"), "train: {exp_name: 1.10, precision: 32}\nsovits: {model: {resblock: 1}}\n")
    settings = layers.load_settings().settings
    assert (settings.train.exp_name, settings.train.precision) == ("1.10", "32")
    assert settings.sovits.model.resblock == "1"


def test_later_config_files_win() -> None:
    files = [write(Path(name), f"slice: {{max_sec: {value}}}") for name, value in (("a.yaml", 1), ("b.yaml", 2))]
    assert layers.load_settings(config_files=files).settings.slice.max_sec == 2


def test_a_recipe_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "shipped" / "small.yaml", "train: {epochs: 7}")
    monkeypatch.setattr("sovits_cli.paths.configs_dir", lambda: tmp_path / "shipped")
    assert layers.load_settings(config_files=[Path("small")]).settings.train.epochs == 7
    with pytest.raises(SettingsError, match="no such settings file or recipe") as caught:
        layers.load_settings(config_files=[Path("smal")])
    assert caught.value.hint == "shipped recipes: small"


@every_case(
    ("layers_said", "expected"),
    [
        ([{"data.max_sec": "10:54"}], (10, 54)),
        ([{"data.max_sec": "10:54"}, {"data.max_sec": 30}], (None, 30)),
        ([{"data.curriculum_start_sec": 5, "data.max_sec": 30}], (5, 30)),
        ([{"data.max_sec": "7.5:20"}, {"data.max_sec": "10:54"}], (10, 54)),
    ],
)
def test_a_limit_may_be_a_range(layers_said, expected):
    merged = layers.build([{key: layers.Value(value, "here") for key, value in one.items()} for one in layers_said])
    assert (merged.settings.data.curriculum_start_sec, merged.settings.data.max_sec) == expected


@every_case("said", ["54:10", "10:", "a:54"])
def test_a_range_that_is_none(said):
    with pytest.raises(SettingsError, match=r"data\.(rise_from|max_sec)"):
        layers.load_settings(sets=[f"data.max_sec={said}"])


@every_case(
    ("sets", "flags", "steps"),
    [
        (["train.max_steps=9"], {}, 9),
        (["train.max_steps=9"], {"train.epochs": ("--epochs", "3")}, None),
        (["train.epochs=3"], {"train.max_steps": ("--max-steps", "9")}, 9),
        (["train.epochs=3", "train.max_steps=9"], {}, 9),
        (["train.max_steps=9"], {"sovits.train.epochs": ("--epochs", "3")}, 9),
    ],
)
def test_epochs_and_steps_count_as_they_were_said_last(
    sets: list[str], flags: dict[str, tuple[str, str]], steps: int | None
) -> None:
    assert layers.load_settings(flags, sets=sets).settings.train.max_steps == steps


def test_epochs_typed_beat_the_steps_of_a_recipe() -> None:
    typed = dict.fromkeys(("train.epochs", "sovits.train.epochs"), ("--epochs", "3"))
    found = layers.load_settings(typed, config_files=[Path("mini")])
    assert (found.settings.train.max_steps, found.settings.sovits.train.max_steps) == (None, None)
    assert found.origin["train.max_steps"] == "flag --epochs"
