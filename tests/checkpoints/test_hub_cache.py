"""Models from a hub: what is fetched and what is not, altered files, removal; and a pulled model that works."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import pytest

from sovits_cli import paths
from sovits_cli.checkpoints import download
from sovits_cli.checkpoints.bundle import FILES_FOLDER
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.hub_cache import pull_model, remove_model, verify_unchanged, voices_using
from sovits_cli.checkpoints.networks import load_gpt, load_vits
from sovits_cli.checkpoints.registry import HUB_REPO, REGISTRY, PinnedFile
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError, NetworkError, ResourceError
from sovits_cli.events import Note, Progress
from sovits_cli.features import content
from sovits_cli.locks import held
from tests.checkpoints import hub_models, synthetic
from tests.checkpoints.hub import PORTAL, Hub, record, serving
from tests.differences import every_case


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every published file, at tiny size."""
    return hub_models.published(tmp_path_factory.mktemp("published"))


@pytest.fixture
def hub(files, monkeypatch):
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    for name, row in hub_models.without_pins().items():
        monkeypatch.setitem(REGISTRY, name, row)
    made = Hub(dict(files))
    with serving(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made


@pytest.fixture
def models():
    return paths.models_dir()


def test_a_pulled_model_is_found_and_loads(hub, heard, models):
    done = pull_model("v2", heard)
    assert (len(done.fetched), done.kept) == (8, ())
    assert done.size_bytes == sum(hub.sent.values())
    found = find_model("v2")
    assert found.speaks
    assert (found.version.name, found.licence) == ("v2", "Apache-2.0, MIT")
    assert found.sovits == models / "files" / "gsv-v2final-pretrained" / "s2G2333k.pth"
    assert load_gpt(found).config.layers == 2
    assert load_vits(found).config.codebook_size == 64
    tasks = {event.task for event in heard.of(Progress)}
    assert {"s2G2333k.pth", "content/config.json", "bert/config.json"} <= tasks
    (last,) = (event for event in heard.of(Progress) if event.task == "s2G2333k.pth" and event.done == event.total)
    size = len(hub.files[f"{HUB_REPO}/{REGISTRY['v2'].parts['sovits'].path}"])
    assert (last.total, last.unit) == (round(size / 1e3, 1), "kB")
    assert not any("s2G488k" in asked for asked in hub.asked), "only the files that the version needs"


def test_files_are_fetched_once(hub, heard):
    pull_model("v2", heard)
    before = dict(hub.sent)
    again = pull_model("v2", heard)
    assert (len(again.fetched), len(again.kept)) == (0, 8)
    assert hub.sent == before
    other = pull_model("v1", heard)
    assert sorted(other.fetched) == ["s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt", "s2D488k.pth", "s2G488k.pth"]


def test_a_broken_pull_is_gone_on_with(hub, heard, models):
    name = f"{HUB_REPO}/{REGISTRY['v2'].parts['sovits'].path}"
    hub.broken[name] = 403
    with pytest.raises(NetworkError):
        pull_model("v2", heard)
    assert not (models / "v2").exists()
    hub.broken.clear()
    assert len(pull_model("v2", heard).kept) == 1


def test_what_was_pulled_first_is_what_it_stays(hub, heard, models):
    pull_model("v2", heard)
    place = models / "files" / "gsv-v2final-pretrained" / "s2G2333k.pth"
    good = place.read_bytes()
    verify_unchanged(place)
    verify_unchanged(models / "files" / "chinese-hubert-base")
    place.write_bytes(good[:-1] + b"x")
    with pytest.raises(ModelError, match="is not the file that was pulled"):
        verify_unchanged(place)
    verify_unchanged(models / "files" / "chinese-hubert-base")
    assert pull_model("v2", heard).fetched == ("gsv-v2final-pretrained/s2G2333k.pth",)
    assert "is not the file that was pulled first" in heard.of(Note)[0].text
    assert place.read_bytes() == good
    place.unlink()
    hub.files[f"{HUB_REPO}/gsv-v2final-pretrained/s2G2333k.pth"] = good[::-1]
    with pytest.raises(NetworkError, match="is not the file it should be"):
        pull_model("v2", heard)
    assert not place.exists()
    assert record(models)["gsv-v2final-pretrained/s2G2333k.pth"] == {
        "from": f"{HUB_REPO}/gsv-v2final-pretrained/s2G2333k.pth",
        "sha256": hashlib.sha256(good).hexdigest(),
        "is": "a SoVITS model (v2)",
        "revision": "0" * 40,
    }


@pytest.mark.usefixtures("hub")
def test_removal_keeps_what_another_model_needs(heard, models):
    pull_model("v1", heard)
    pull_model("v2", heard)
    done = remove_model("v1")
    assert {path.name for path in done.files} == {
        "model.json",
        "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",
        "s2G488k.pth",
        "s2D488k.pth",
    }
    assert load_gpt(find_model("v2"))
    remove_model("v2")
    assert {path.name for path in models.rglob("*")} == {"files", "pulled.json"}
    assert record(models) == {}


@every_case("name", ["v9", "../x", ".", "files", "mini"])
def test_removal_of_what_is_not_installed(name):
    synthetic.install("mine")
    with pytest.raises(ModelError, match=r"no installed model is called .*: there are mine"):
        remove_model(name)


def test_a_model_put_there_by_hand_is_removed(models):
    synthetic.install("mine")
    assert remove_model("mine").size_bytes > 1000
    assert not (models / "mine").exists()


def test_one_at_a_time(hub, heard, models):
    """Whoever pulls or removes is alone."""
    pull_model("v1", heard)
    with held(models):
        for other in (lambda: pull_model("v2", heard), lambda: remove_model("v1")):
            with pytest.raises(ResourceError, match="another sovits"):
                other()
    assert not any("s2G2333k" in asked for asked in hub.asked)
    assert (models / "v1" / "model.json").is_file()
    assert pull_model("v2", heard).fetched


def test_voices_that_need_a_model(empty_folder):
    runs = empty_folder / "runs"
    synthetic.write_voice(runs, "alice", "v2")
    synthetic.write_voice(runs, "bob", "mini")
    (runs / "torn").mkdir()
    (runs / "torn" / "voice.json").write_text("{")
    assert voices_using("v2", runs) == ["alice"]


def test_unknown_and_unreadable(heard, models):
    with pytest.raises(ModelError, match="no model to pull is called v9: there are v1, v2, v2Pro, v2ProPlus, v3, v4"):
        pull_model("v9", heard)
    (models / "files").mkdir(parents=True)
    for text in ("{", "[]", '{"a": 1}'):
        (models / "files" / "pulled.json").write_text(text)
        with pytest.raises(ModelError, match=r"pulled\.json cannot be read"):
            pull_model("v2", heard)


@every_case("name", REGISTRY)
@pytest.mark.usefixtures("hub")
def test_every_row_is_pulled(name, heard, models):
    done = pull_model(name, heard)
    said = json.loads((done.folder / "model.json").read_text())
    assert said["version"] == name
    found = find_model(name)
    assert all(part.is_relative_to(models / FILES_FOLDER) for part in found.parts)
    assert {said["is"] for said in record(models).values()} >= {"a GPT model", "config.json of a BERT text encoder"}


SOVITS, GPT = "s2G488k.pth", "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt"


class TestWhatIsBelieved:
    """A file is recognised before it gets its name, whatever the hub says of it."""

    @every_case("page", [PORTAL, b"{}", b"PK", b""])
    def test_a_page_in_place_of_every_file(self, hub, heard, models, page):
        """With the right checksum of the wrong content."""
        hub.files = dict.fromkeys(hub.files, page)
        with pytest.raises(NetworkError, match="is not the file it should be"):
            pull_model("v1", heard)
        assert not (models / "v1").exists()
        assert not [path for path in models.rglob("*") if path.is_file()]

    @every_case(
        ("file", "other", "said"),
        [
            (SOVITS, GPT, "is a GPT model: expected a SoVITS model"),
            (SOVITS, "gsv-v2final-pretrained/s2G2333k.pth", r"is a SoVITS model \(v2\): expected v1"),
            (GPT, SOVITS, r"is a SoVITS model \(v1\): expected a GPT model"),
            ("chinese-hubert-base/config.json", "chinese-roberta-wwm-ext-large/tokenizer.json", "hidden_size is miss"),
            ("chinese-roberta-wwm-ext-large/tokenizer.json", "chinese-hubert-base/config.json", "model is missing"),
            ("chinese-roberta-wwm-ext-large/config.json", GPT, "cannot be read"),
        ],
    )
    def test_another_file_of_the_family(self, hub, heard, models, file, other, said):
        shutil.rmtree(models, ignore_errors=True)
        published = dict(hub.files)
        hub.files[f"{HUB_REPO}/{file}"] = hub.files[f"{HUB_REPO}/{other}"]
        with pytest.raises(NetworkError, match=f"{file.rpartition('/')[2]} is not the file it should be: .*{said}"):
            pull_model("v1", heard)
        assert not (models / "v1").exists()
        assert file not in (record(models) if (models / "files" / "pulled.json").is_file() else {})
        hub.files = published

    def test_the_vocoder_of_another_version(self, hub, heard):
        hub.files[f"{HUB_REPO}/gsv-v4-pretrained/vocoder.pth"] = hub.files[
            f"{HUB_REPO}/models--nvidia--bigvgan_v2_24khz_100band_256x/bigvgan_generator.pt"
        ]
        with pytest.raises(NetworkError, match="is another vocoder: expected that of v4"):
            pull_model("v4", heard)

    def test_what_is_known_beforehand(self, hub, heard, monkeypatch):
        body = hub.files[f"{HUB_REPO}/{SOVITS}"]
        head = hashlib.md5(body[:8192], usedforsecurity=False).hexdigest()
        good = PinnedFile(hashlib.sha256(body).hexdigest(), len(body), head)
        for wrong, said in (
            (replace(good, sha256="0" * 64), "expected 000000000000"),
            (replace(good, size_bytes=5), "expected 5"),
            (replace(good, head_md5="0" * 32), "but not the published one"),
        ):
            pinned(monkeypatch, wrong)
            with pytest.raises(NetworkError, match=said):
                pull_model("v1", heard)
        pinned(monkeypatch, good)
        assert SOVITS in pull_model("v1", heard).fetched

    def test_an_odd_port_is_a_note(self, hub, heard):
        store = Hub({"blob": hub.files[f"{HUB_REPO}/{SOVITS}"]})
        with serving(store) as address:
            hub.leads[f"{HUB_REPO}/{SOVITS}"] = address.replace("127.0.0.1", "localhost") + "/blob"
            pull_model("v1", heard)
        assert [event.text for event in heard.of(Note)] == [
            f"{HUB_REPO}/{SOVITS} comes from {address.replace('127.0.0.1', 'localhost')}, an unusual port"
        ]


def pinned(monkeypatch, pin):
    """The SoVITS file of v1 is known beforehand."""
    row = REGISTRY["v1"]
    part = replace(row.parts["sovits"], pins={SOVITS: pin})
    monkeypatch.setitem(REGISTRY, "v1", replace(row, parts={**row.parts, "sovits": part}))


class TestAfterABelievingVersion:
    """An earlier version took what the network answered for a model, and noted its checksum."""

    @pytest.fixture
    def believed(self, hub, heard, models):
        """v1, with a login page in place of its GPT and of the config of its content encoder."""
        pull_model("v1", heard)
        heard.events.clear()
        place, whole = models / "files" / "pulled.json", record(models)
        for file in (GPT, "chinese-hubert-base/config.json"):
            (models / "files" / file).write_bytes(PORTAL)
            whole[file]["sha256"] = hashlib.sha256(PORTAL).hexdigest()
        old = {file: {"from": said["from"], "sha256": said["sha256"]} for file, said in whole.items()}
        place.write_text(json.dumps(old))
        hub.sent.clear()

    @pytest.mark.usefixtures("believed")
    def test_speaking_names_the_model_and_what_to_type(self):
        found = find_model(None)
        for load in (load_gpt, lambda model: content.load_content_encoder(model)):
            with pytest.raises(ModelError, match="the pulled model v1 is broken: ") as caught:
                load(found)
            assert hint_for(caught.value) == "sovits models pull v1 fetches the file again"

    @pytest.mark.usefixtures("believed")
    def test_pulling_again_mends_it(self, hub, heard, models):
        done = pull_model("v1", heard)
        assert sorted(done.fetched) == ["chinese-hubert-base/config.json", GPT]
        assert f"{GPT} is a web page: expected a checkpoint: fetching it again" in heard.of(Note)[0].text
        assert load_gpt(find_model("v1"))
        assert all(said["is"] for said in record(models).values()), "what was kept was looked at"
        assert pull_model("v1", heard).fetched == ()

    @pytest.mark.usefixtures("believed")
    def test_and_so_it_does_where_the_user_removed_the_page(self, heard, models):
        (models / "files" / GPT).unlink()
        with pytest.raises(ModelError, match=r"the pulled model v1 is broken: .* does not exist"):
            find_model("v1")
        assert GPT in pull_model("v1", heard).fetched

    @pytest.mark.usefixtures("hub")
    def test_a_model_of_ones_own_is_named_as_before(self, models):
        folder = synthetic.install("mine")
        (folder / "gpt.ckpt").write_bytes(PORTAL)
        with pytest.raises(ModelError, match=r"gpt\.ckpt is a web page") as caught:
            load_gpt(find_model("mine"))
        assert "pull" not in hint_for(caught.value)


@every_case("file", ["../../victim", "absolute", "[["])
@pytest.mark.usefixtures("hub")
def test_a_record_from_elsewhere_removes_nothing_outside(heard, models, file):
    """Files of the record that no model is made of are removed with a model."""
    shutil.rmtree(models, ignore_errors=True)
    pull_model("v1", heard)
    victim = models.parent / "victim"
    victim.write_text("mine")
    named = str(victim) if file == "absolute" else file
    place = models / "files" / "pulled.json"
    entry = {named: {"from": "x", "sha256": "y"}}
    place.write_text("[" * 200_000 if file == "[[" else json.dumps(record(models) | entry))
    with pytest.raises(ModelError, match=r"pulled\.json cannot be read"):
        remove_model("v1")
    assert victim.read_text() == "mine"
