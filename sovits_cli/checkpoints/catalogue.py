"""The models there are, found by name, by path, by taking the newest, or by a file that is to be part of one.

Trained here, installed, bundled: each is a folder with a JSON file that says which files it is made of. Single files
are joined by what goes with them, and files that do not belong together are refused. Knows no settings, downloads
nothing and builds no networks.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sovits_cli.checkpoints.bundle import MODEL_FILE, VOICE_FILE, Bundle, naming_pulled_model, read_json_object
from sovits_cli.checkpoints.model_file import ModelKind, read_model_file
from sovits_cli.checkpoints.official import read_gpt, read_sovits
from sovits_cli.checkpoints.restricted_unpickler import printable
from sovits_cli.checkpoints.safetensors_io import read_metadata
from sovits_cli.checkpoints.weight_loading import config_errors
from sovits_cli.errors import ModelError
from sovits_cli.files import MAX_MODEL_JSON_BYTES, inside, real_path
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.paths import models_dir, package_dir
from sovits_cli.versions import ModelVersion, version

BUNDLED_LICENCE = "MIT"
"""Of the models in the package: ours, trained on speech of flite (`LICENSES/PROVENANCE.txt`)."""

_MAX_CHARACTERS = 1024
_MAX_BASES = 16
"""A voice tuned from a voice tuned from a voice …"""

_REPLACED_PART = {
    ModelKind.GPT: "gpt",
    ModelKind.SOVITS: "sovits",
    ModelKind.LORA: "sovits",
    ModelKind.DISCRIMINATOR: "discriminator",
}
"""Which part of a model a file takes the place of."""


def find_model(name: str | None = None, *, runs: Path = Path("runs"), trained: bool = True) -> Bundle:
    """Find a model.

    Args:
        name: a voice in `runs`, an installed or bundled model, or the path of one's folder; None takes the newest
            voice trained here, else the newest installed model, else the bundled one.
        runs: where trained voices are.
        trained: whether voices trained here may be chosen when no name is given.

    Raises:
        ModelError: no such model, or one whose files are missing or broken.
    """
    if name is not None:
        return replace(_named(name, runs), why=f"named {name}")
    voices = _newest(runs, VOICE_FILE) if trained else []
    if voices:
        return replace(_voice(voices[0], runs), why=f"the newest voice trained in {runs}")
    for folder in _newest(models_dir(), MODEL_FILE):
        if (installed := _installed(folder)).speaks:
            return replace(installed, why="the newest installed model")
    for folder in _bundled_folders():
        return replace(_bundled(folder), why="bundled; no other model is installed")
    raise ModelError("there is no model: none is trained, installed or bundled", hint="install sovits again")


def list_models(runs: Path = Path("runs")) -> tuple[list[Bundle], list[ModelError]]:
    """List every model there is, the newest first, and what is wrong with those that cannot be used."""
    found: list[Bundle] = []
    broken: list[ModelError] = []
    sources: list[tuple[Callable[[Path], Bundle], list[Path]]] = [
        (lambda folder: _voice(folder, runs), _newest(runs, VOICE_FILE)),
        (_installed, _newest(models_dir(), MODEL_FILE)),
        (_bundled, _bundled_folders()),
    ]
    for reader, folders in sources:
        for folder in folders:
            try:
                found.append(reader(folder))
            except ModelError as error:
                broken.append(error)
    return found, broken


def _named(name: str, runs: Path) -> Bundle:
    """Find a model by name or by the path of its folder (or of the JSON file in it)."""
    given = Path(name)
    folders = [given.parent if given.name in (VOICE_FILE, MODEL_FILE) else given, runs / name, models_dir() / name]
    for folder in folders:
        if _exists(folder / VOICE_FILE):
            return _voice(folder, runs)
        if _exists(folder / MODEL_FILE):
            return _installed(folder)
    for folder in _bundled_folders():
        if folder.name == name:
            return _bundled(folder)
    if _exists(given) and given.is_file():
        raise ModelError(f"{name} is a file: expected the name or folder of a whole model", code="model.name_is_file")
    known = [
        folder.name for folder in (*_newest(runs, VOICE_FILE), *_newest(models_dir(), MODEL_FILE), *_bundled_folders())
    ]
    raise ModelError(
        f"no model is called {printable(name)}: there are {', '.join(known) or 'none'}", code="model.unknown_name"
    )


def _voice(folder: Path, runs: Path, *, depth: int = 0) -> Bundle:
    """Read a voice trained here. Encoders, and a stage not trained yet, are those of its base."""
    # runs/b/voice.json  base: a    runs/a/voice.json  base: v3    models/v3/model.json
    #     sovits: LoRA  ------------->  sovits: LoRA  ------------->  sovits: the whole model
    #     `lora_bases` of b: (the whole model, LoRA of a): b's factors lie on a's, which lie on the model
    record = _ModelRecord.read(folder / VOICE_FILE)
    if depth > _MAX_BASES:
        raise ModelError(f"{record.path}: its base leads back to itself", hint="train again from an installed model")
    base_name = record.text("base")
    parent = next((path for path in (Path(base_name), runs / base_name) if _exists(path / VOICE_FILE)), None)
    base = _voice(parent, runs, depth=depth + 1) if parent else _named(base_name, runs)
    own_sovits = record.file("sovits")
    return replace(
        base,
        name=record.text("name"),
        version=version(record.text("version")),
        gpt=record.file("gpt") or base.gpt,
        sovits=own_sovits or base.sovits,
        origin="trained",
        why="",
        lora_bases=(*base.lora_bases, base.sovits) if own_sovits else base.lora_bases,
    )


def _installed(folder: Path) -> Bundle:
    """Read an installed model. One that has only a content encoder can be trained from, not spoken with."""
    record = _ModelRecord.read(folder / MODEL_FILE)
    content = record.required_file("content")
    return Bundle(
        name=record.text("name"),
        version=version(record.text("version")),
        gpt=record.file("gpt") or content,
        sovits=record.file("sovits") or content,
        content=content,
        bert=record.file("bert"),
        origin="installed",
        why="",
        vocoder=record.file("vocoder"),
        speaker=record.file("speaker"),
        discriminator=record.file("discriminator"),
        licence=printable(str(record.fields.get("licence", ""))),
    )


def _bundled(folder: Path) -> Bundle:
    """Read a model shipped in the package; its version is written in its SoVITS file."""
    files = [folder / f"{part}.safetensors" for part in ("gpt", "sovits", "content")]
    for file in files:
        if not file.is_file():
            raise ModelError(
                f"the bundled model {folder.name} is incomplete: {file} is missing", hint="install sovits again"
            )
    gpt, sovits, content = files
    row = version(str(read_metadata(sovits).get("version")))
    return Bundle(folder.name, row, gpt, sovits, content, None, "bundled", "", licence=BUNDLED_LICENCE)


def _newest(parent: Path, file: str) -> list[Path]:
    """List the folders in `parent` that hold this file, the one written last first."""
    if not parent.is_dir():
        return []
    marked = [folder for folder in parent.iterdir() if (folder / file).is_file()]
    return sorted(marked, key=lambda folder: ((folder / file).stat().st_mtime_ns, folder.name), reverse=True)


def _bundled_folders() -> list[Path]:
    parent = package_dir() / "checkpoints" / "bundled"
    folders = [folder for folder in parent.iterdir() if folder.is_dir()] if parent.is_dir() else []
    return sorted(folders)


@dataclass(frozen=True)
class _ModelRecord:
    """The JSON file of a model's folder: names, and files by the part they are."""

    path: Path
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> _ModelRecord:
        """Read it. Raises ModelError."""
        return cls(path, read_json_object(path, max_bytes=MAX_MODEL_JSON_BYTES))

    def text(self, key: str) -> str:
        """A short text. Raises ModelError: it is something else."""
        value = self.fields.get(key)
        if not isinstance(value, str) or not 1 <= len(value) <= _MAX_CHARACTERS:
            raise ModelError(
                f"{self.path}: {key} is {reprlib.repr(value)}, expected a text",
                hint=f"mend or remove {self.path.parent}",
            )
        return value

    def file(self, key: str) -> Path | None:
        """A file of the model; None where it is not named. Raises ModelError: it is not there, or out of bounds."""
        return None if self.fields.get(key) is None else self.required_file(key)

    def required_file(self, key: str) -> Path:
        """A file that the model cannot do without."""
        folder = self.path.parent
        around = Path(os.path.normpath(folder.absolute())).parent
        shares = real_path(around) == real_path(models_dir())  # installed models share files (`hub_cache.py`)
        try:
            found = inside(folder, self.text(key), within=around if shares else None)
        except ValueError as error:
            raise ModelError(
                f"{self.path}: its {key} is {error}",
                hint=f"put the file into {folder}, or a link to it, and write its name",
            ) from error
        if not _exists(found):
            with naming_pulled_model(found):
                raise ModelError(f"{self.path}: its {key} {found} does not exist", hint=f"mend or remove {folder}")
        return found


def _exists(path: Path) -> bool:
    """Whether a path that somebody wrote down leads to something; one that is too long to be a path does not."""
    try:
        return path.exists()
    except OSError:
        return False


def bundle_from_files(
    gpt: Path | None, sovits: Path | None, *, name: str | None = None, runs: Path = Path("runs"), trained: bool = True
) -> Bundle:
    """Take a GPT or a SoVITS file, or both, and find what goes with them.

    The encoders, the vocoder, and the file that is not given, come from the named model, or else from the newest that
    has them; a GPT only from one of the same version. Two files that no model goes with speak without encoders.

    Args:
        gpt, sovits: the files; None for the one that comes from a model.
        name: of the model that the rest comes from.
        runs: where trained voices are.
        trained: whether the rest may come from a voice trained here when no name is given.

    Raises:
        ModelError: a file is no such model, they do not belong together, or nothing that goes with them is found.
    """
    if sovits is None:
        base = find_model(name, runs=runs, trained=trained)
        chosen = replace(base, gpt=gpt or base.gpt, why=base.why if gpt is None else f"{gpt.name} with {base.name}")
    else:
        named = None if name is None else find_model(name, runs=runs, trained=trained)
        row = _version_of(sovits, named)
        others = _encoder_sources(row, runs) if named is None else [named]
        chosen = _completed_bundle(sovits, gpt, row, others, named=name is not None)
    _check_together(chosen)
    return replace(chosen, name=(sovits or gpt or chosen.sovits).stem, origin="files")


def with_initial_weights(base: Bundle, files: Sequence[Path]) -> Bundle:
    """Put other weights in place of a model's: exported ones, or training states, of either program.

    Args:
        files: GPT, SoVITS and discriminator files, at most one of each, told by their content.

    Raises:
        ModelError: a file is none of these, two are of one kind, or one does not go with the model.
    """
    replaced: dict[str, Path] = {}
    for file in files:
        contents = read_model_file(file)
        part = _REPLACED_PART.get(contents.kind)
        if part is None:
            raise ModelError(
                f"{file} is {contents}: training begins from a GPT, a SoVITS model or its discriminators",
                code="model.unfit",
                fields={"path": file},
            )
        if part in replaced:
            raise ModelError(f"{replaced[part]} and {file}: each is {contents.kind}", hint="give one of them")
        if part == "sovits" and base.version.name not in contents.versions:
            raise ModelError(
                f"{file} is {contents}, but {base.name} is a {base.version.name} model",
                code="model.init_version",
                fields={"version": contents.version},
            )
        replaced[part] = file
    if not replaced:
        return base
    named = ", ".join(file.name for file in replaced.values())
    chosen = replace(
        base,
        name=f"{base.name} from {named}",
        gpt=replaced.get("gpt", base.gpt),
        sovits=replaced.get("sovits", base.sovits),
        discriminator=replaced.get("discriminator", base.discriminator),
        origin="files" if "sovits" in replaced else base.origin,
        lora_bases=(*base.lora_bases, base.sovits) if "sovits" in replaced else base.lora_bases,
    )
    _check_together(chosen)
    return chosen


def _version_of(sovits: Path, named: Bundle | None) -> ModelVersion:
    """The version of a SoVITS file; that of the named model where the file may be of several."""
    file = read_sovits(sovits, known_version=None if named is None else named.version)
    if len(file.versions) > 1 and (named is None or named.version != file.version):
        raise ModelError(
            f"{sovits} is a {' or a '.join(file.versions)} file: nothing in it says which",
            code="model.ambiguous_version",
            fields={"versions": file.versions},
        )
    return file.version


def _completed_bundle(
    sovits: Path, gpt: Path | None, row: ModelVersion, others: list[Bundle], *, named: bool
) -> Bundle:
    """Put around a SoVITS file what it needs, each part from the first of the others that has it."""
    gpt = gpt or next((other.gpt for other in others if named or other.version == row), None)
    if gpt is None:
        raise ModelError(
            f"no installed model has a GPT that goes with {sovits}, a {row.name} file",
            code="model.gpt_missing",
            fields={"version": row.name},
        )
    content = next((other.content for other in others if other.content), None)
    names = ", ".join(dict.fromkeys(other.name for other in others[:1]))
    return Bundle(
        name="",
        version=row,
        gpt=gpt,
        sovits=sovits,
        content=content,
        bert=next((other.bert for other in others if other.bert), None),
        origin="files",
        why=f"with the encoders of {names}" if content else "without a content encoder: none is installed",
        vocoder=next((other.vocoder for other in others if other.vocoder and _same_vocoder(other.version, row)), None),
        speaker=next((other.speaker for other in others if other.speaker), None),
        licence=others[0].licence if others else "",
        lora_bases=tuple(other.sovits for other in others if named and other.speaks),
    )


def _same_vocoder(one: ModelVersion, other: ModelVersion) -> bool:
    return one.decoder.vocoder is not None and one.decoder.vocoder is other.decoder.vocoder


def _encoder_sources(row: ModelVersion, runs: Path) -> list[Bundle]:
    """List models with the same kind of content encoder: of this version first, voices trained here last."""
    found, _ = list_models(runs)
    ranked = sorted(found, key=lambda bundle: (bundle.version != row, bundle.origin == "trained"))
    return [bundle for bundle in ranked if bundle.version.content is row.content]


def _check_together(bundle: Bundle) -> None:
    """Refuse a GPT and a SoVITS model that count phones or tokens differently.

    A GPT may have rows for more phones than its table has; that it was made for the larger table of later versions
    shows in its having all of those.
    """
    with config_errors(bundle.gpt):
        gpt = T2SConfig.from_official(read_gpt(bundle.gpt).config)
    with config_errors(bundle.sovits):
        acoustic = SovitsConfig.from_official(read_sovits(bundle.sovits, known_version=bundle.version).config)
    # v1 counts 322 phones in a table of 512 rows at most; a GPT with all 732 was made for the other table.
    other_table = acoustic.phones < max(PHONES.values()) <= gpt.phones
    why = []
    if gpt.phones < acoustic.phones or other_table:
        why.append(f"the GPT was made for {gpt.phones} phones, the {bundle.version.name} model for {acoustic.phones}")
    if gpt.eos != acoustic.codebook_size:
        why.append(f"the GPT says {gpt.eos} different tokens, the SoVITS model knows {acoustic.codebook_size}")
    if why:
        raise ModelError(
            f"{bundle.gpt} and {bundle.sovits} do not belong together: {'; '.join(why)}",
            hint=f"use the GPT and the SoVITS file of one training, or the GPT of a {bundle.version.name} model",
        )
