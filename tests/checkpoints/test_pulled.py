"""Models from a hub: what is fetched and what is not, altered files, removal; and a pulled model that works."""

from __future__ import annotations

import json

import pytest

from sovits_cli import paths
from sovits_cli.checkpoints import catalogue, networks, pulled
from sovits_cli.checkpoints.pulled import check, pull, remove, voices_on
from sovits_cli.checkpoints.registry import HUB_REPO, REGISTRY
from sovits_cli.errors import ModelError, NetworkError
from sovits_cli.events import Note, Progress
from sovits_cli.versions import VERSIONS, AcousticKind
from tests.checkpoints import synthetic
from tests.checkpoints.hub import Hub, record, serving


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The published files of v1 and v2, at tiny size; the others are only names."""
    folder = tmp_path_factory.mktemp("published")
    synthetic.write_gpt(folder / "gpt.ckpt", synthetic.TINY_GPT)
    synthetic.write_sovits(folder / "sovits.pth", synthetic.TINY_SOVITS)
    synthetic.write_hubert(folder / "hubert")
    synthetic.write_bert(folder / "bert")
    sources = {"gpt": "gpt.ckpt", "sovits": "sovits.pth", "content": "hubert", "bert": "bert"}
    found = {}
    for row in REGISTRY.values():
        for name, part in row.parts.items():
            for file in part.files:
                place = folder / sources.get(name, "none") / file.rpartition("/")[2]
                place = place if place.is_file() else folder / sources.get(name, "none")
                found[f"{part.repo}/{file}"] = place.read_bytes() if place.is_file() else file.encode() * 1000
    return found


@pytest.fixture
def hub(files, monkeypatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    made = Hub(dict(files))
    with serving(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


@pytest.fixture
def models():
    return paths.models_dir()


def test_a_pulled_model_is_found_and_loads(hub, heard, models):
    done = pull("v2", heard)
    assert (len(done.fetched), done.kept) == (8, ())
    assert done.size_bytes == sum(hub.sent.values())
    found = catalogue.find("v2")
    assert found.speaks
    assert (found.version.name, found.licence) == ("v2", "Apache-2.0, MIT")
    assert found.sovits == models / "files" / "gsv-v2final-pretrained" / "s2G2333k.pth"
    assert networks.gpt_model(found).config.layers == 2
    assert networks.sovits_model(found).config.codebook_size == 64
    tasks = {event.task for event in heard.of(Progress)}
    assert {"s2G2333k.pth", "content/config.json", "bert/config.json"} <= tasks
    (last,) = (event for event in heard.of(Progress) if event.task == "s2G2333k.pth" and event.done == event.total)
    size = len(hub.files[f"{HUB_REPO}/{REGISTRY['v2'].parts['sovits'].place}"])
    assert (last.total, last.unit) == (round(size / 1e3, 1), "kB")
    assert not any("s2G488k" in asked for asked in hub.asked), "only the files that the version needs"


def test_files_are_fetched_once(hub, heard):
    pull("v2", heard)
    before = dict(hub.sent)
    again = pull("v2", heard)
    assert (len(again.fetched), len(again.kept)) == (0, 8)
    assert hub.sent == before
    other = pull("v1", heard)
    assert sorted(other.fetched) == ["s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt", "s2D488k.pth", "s2G488k.pth"]


def test_a_broken_pull_is_gone_on_with(hub, heard, models):
    name = f"{HUB_REPO}/{REGISTRY['v2'].parts['sovits'].place}"
    hub.broken[name] = 403
    with pytest.raises(NetworkError):
        pull("v2", heard)
    assert not (models / "v2").exists()
    hub.broken.clear()
    assert len(pull("v2", heard).kept) == 1


def test_what_was_pulled_first_is_what_it_stays(hub, heard, models):
    pull("v2", heard)
    place = models / "files" / "gsv-v2final-pretrained" / "s2G2333k.pth"
    good = place.read_bytes()
    check(place)
    check(models / "files" / "chinese-hubert-base")
    place.write_bytes(good[:-1] + b"x")
    with pytest.raises(ModelError, match="is not the file that was pulled"):
        check(place)
    check(models / "files" / "chinese-hubert-base")
    assert pull("v2", heard).fetched == ("gsv-v2final-pretrained/s2G2333k.pth",)
    assert "is not the file that was pulled first" in heard.of(Note)[0].text
    assert place.read_bytes() == good
    place.unlink()
    hub.files[f"{HUB_REPO}/gsv-v2final-pretrained/s2G2333k.pth"] = good[::-1]
    with pytest.raises(NetworkError, match="is not the file it should be"):
        pull("v2", heard)
    assert not place.exists()
    assert record(models)["gsv-v2final-pretrained/s2G2333k.pth"]["from"] == (
        f"{HUB_REPO}/gsv-v2final-pretrained/s2G2333k.pth"
    )


@pytest.mark.usefixtures("hub")
def test_removal_keeps_what_another_model_needs(heard, models):
    pull("v1", heard)
    pull("v2", heard)
    done = remove("v1")
    assert {path.name for path in done.files} == {
        "model.json",
        "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",
        "s2G488k.pth",
        "s2D488k.pth",
    }
    assert networks.gpt_model(catalogue.find("v2"))
    remove("v2")
    assert {path.name for path in models.rglob("*")} == {"files", "pulled.json"}
    assert record(models) == {}


@pytest.mark.parametrize("name", ["v9", "../x", ".", "files", "mini"])
def test_removal_of_what_is_not_installed(name):
    synthetic.install("mine")
    with pytest.raises(ModelError, match=r"no installed model is called .*: there are mine"):
        remove(name)


def test_a_model_put_there_by_hand_is_removed(models):
    synthetic.install("mine")
    assert remove("mine").size_bytes > 1000
    assert not (models / "mine").exists()


def test_voices_that_need_a_model(empty_folder):
    runs = empty_folder / "runs"
    synthetic.write_voice(runs, "alice", "v2")
    synthetic.write_voice(runs, "bob", "mini")
    (runs / "torn").mkdir()
    (runs / "torn" / "voice.json").write_text("{")
    assert voices_on("v2", runs) == ["alice"]


def test_unknown_and_unreadable(heard, models):
    with pytest.raises(ModelError, match="no model to pull is called v9: there are v1, v2, v2Pro, v2ProPlus, v3, v4"):
        pull("v9", heard)
    (models / "files").mkdir(parents=True)
    for text in ("{", "[]", '{"a": 1}'):
        (models / "files" / "pulled.json").write_text(text)
        with pytest.raises(ModelError, match=r"pulled\.json cannot be read"):
            pull("v2", heard)


@pytest.mark.parametrize("row", REGISTRY.values(), ids=REGISTRY)
def test_every_row_has_what_its_version_needs(row):
    version = VERSIONS[row.version]
    assert {"gpt", "sovits", "content", "bert"} <= row.parts.keys()
    assert ("speaker" in row.parts) == version.speaker_embedding
    assert ("vocoder" in row.parts) == (version.acoustic is AcousticKind.FLOW)
    assert ("discriminator" in row.parts) == (version.acoustic is AcousticKind.VITS)
    for part in row.parts.values():
        assert len({file.rpartition("/")[0] for file in part.files}) == 1, "the files of a part lie in one folder"
        assert ".." not in part.place


def test_every_official_version_can_be_pulled():
    assert {row.version for row in REGISTRY.values()} == {row.name for row in VERSIONS.values() if row.official}


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.usefixtures("hub")
def test_every_row_is_pulled(name, heard, models):
    done = pull(name, heard)
    said = json.loads((done.folder / "model.json").read_text())
    assert said["version"] == name
    found = catalogue.find(name)
    assert all(part.is_relative_to(models / pulled.FILES_FOLDER) for part in found.parts)
