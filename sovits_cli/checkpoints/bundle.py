"""Which model to use: files that belong together, found by name, by path, or by taking the newest.

A bundle is a GPT, a SoVITS model, their content encoder and (where the GPT takes one) a BERT. They come from the
package, from the user's model directory, or from a voice trained here, which keeps the encoders of its base.
Knows no settings and downloads nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from sovits_cli.checkpoints import ours, published
from sovits_cli.checkpoints.build import build, usable_config
from sovits_cli.checkpoints.lora import merged
from sovits_cli.checkpoints.official import SovitsFile, read_gpt, read_sovits
from sovits_cli.checkpoints.recognise import ModelKind, expect, read
from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.config import CONDITION_LAYERS, FlowConfig
from sovits_cli.models.cfm.synthesizer import FlowSynthesizer
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.models.sovits.synthesizer import Synthesizer
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.models.vocoders.kinds import VOCODERS
from sovits_cli.models.vocoders.vocoder import Vocoder
from sovits_cli.paths import models_dir, package_dir
from sovits_cli.versions import ModelVersion, version

VOICE_FILE = "voice.json"
"""In `runs/<name>/`: a voice trained here."""

MODEL_FILE = "model.json"
"""In `<models dir>/<name>/`: an installed model."""

BUNDLED_LICENCE = "MIT"
"""Of the models in the package, as of the package itself."""

_MAX_BASES = 16
"""A voice tuned from a voice tuned from a voice …"""

_STATISTICS = "quantizer.vq.layers.0._codebook."
CODEBOOK = f"{_STATISTICS}embed"
"""Key of the codebook of semantic tokens, (codes, C)."""

FROZEN_PARTS = ("ssl_proj", "quantizer")
"""Modules that define the semantic tokens of a family; never trained."""

FLOW_OPTIONAL = (
    *(f"{_STATISTICS}{name}" for name in ("inited", "cluster_size", "embed_avg")),
    "linear_mel.",
    "cfm.estimator.rotary_embed.inv_freq",
)
"""Beginnings of keys that a model with a flow does not need for speaking, or can compute."""

SOVITS_OPTIONAL = ("enc_q.", *(f"{_STATISTICS}{name}" for name in ("inited", "cluster_size", "embed_avg")))
"""Beginnings of SoVITS keys that speaking does not need: the posterior encoder, the codebook's statistics."""

_BEGUN = {
    ModelKind.GPT: "gpt",
    ModelKind.SOVITS: "sovits",
    ModelKind.LORA: "sovits",
    ModelKind.DISCRIMINATOR: "discriminator",
}
"""Which part of a model a file takes the place of."""

Origin = Literal["bundled", "installed", "trained", "files"]


@dataclass(frozen=True)
class Bundle:
    """Files that belong together.

    Args:
        name: as the user calls it.
        version: row of the version table.
        gpt, sovits: model files, official or ours.
        content: content encoder, a file or a folder; None: there is none, so recordings have no semantic tokens.
        bert: text encoder folder, or None where the GPT takes no text features.
        origin: where it was found.
        why: half a sentence for the user: why this one.
        vocoder: file or folder, where the version speaks through one.
        speaker: speaker encoder, where the version takes speaker vectors.
        discriminator: discriminators to go on from when it is tuned, where they are published.
        licence: of its files, as SPDX names; empty where nobody said.
        under: SoVITS files that `sovits` may be a LoRA of, the nearest last; empty: an installed one of its version.
    """

    name: str
    version: ModelVersion
    gpt: Path
    sovits: Path
    content: Path | None
    bert: Path | None
    origin: Origin
    why: str
    vocoder: Path | None = None
    speaker: Path | None = None
    discriminator: Path | None = None
    licence: str = ""
    under: tuple[Path, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether it has networks to speak with; a family to train from has only a content encoder."""
        return self.content not in (self.gpt, self.sovits)

    @property
    def parts(self) -> tuple[Path, ...]:
        """Its files and folders, each once."""
        parts = (self.gpt, self.sovits, self.content, self.bert, self.vocoder, self.speaker, self.discriminator)
        return tuple(dict.fromkeys(part for part in parts if part is not None))

    @property
    def size_bytes(self) -> int:
        """All its files together."""
        files = {file for place in self.parts for file in ([place] if place.is_file() else place.rglob("*"))}
        return sum(file.stat().st_size for file in files if file.is_file())


def find(name: str | None = None, *, runs: Path = Path("runs"), trained: bool = True) -> Bundle:
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


def from_files(
    gpt: Path | None, sovits: Path | None, *, name: str | None = None, runs: Path = Path("runs"), trained: bool = True
) -> Bundle:
    """Take a GPT or a SoVITS file, or both, and find what goes with them.

    The encoders, the vocoder, and the file that is not given, come from the named model, or else from the newest that
    has them; a GPT only from one of the same version. Two files that no model goes with speak without encoders.

    Raises:
        ModelError: a file is no such model, they do not belong together, or nothing that goes with them is found.
    """
    if sovits is None:
        base = find(name, runs=runs, trained=trained)
        chosen = replace(base, gpt=gpt or base.gpt, why=base.why if gpt is None else f"{gpt.name} with {base.name}")
    else:
        named = None if name is None else find(name, runs=runs, trained=trained)
        row = _version_of(sovits, named)
        others = _helpers(row, runs) if named is None else [named]
        chosen = _surrounded(sovits, gpt, row, others, named=name is not None)
    _check_together(chosen)
    return replace(chosen, name=(sovits or gpt or chosen.sovits).stem, origin="files")


def _version_of(sovits: Path, named: Bundle | None) -> ModelVersion:
    """The version of a SoVITS file; that of the named model where the file may be of several."""
    file = read_sovits(sovits, said=None if named is None else named.version)
    if len(file.versions) > 1 and (named is None or named.version != file.version):
        raise ModelError(
            f"{sovits} is a {' or a '.join(file.versions)} file: nothing in it says which",
            hint=f"name the model it was trained from: {' or '.join(f'--model {name}' for name in file.versions)}",
        )
    return file.version


def _surrounded(sovits: Path, gpt: Path | None, row: ModelVersion, others: list[Bundle], *, named: bool) -> Bundle:
    """Put around a SoVITS file what it needs, each part from the first of the others that has it."""
    gpt = gpt or next((other.gpt for other in others if named or other.version == row), None)
    if gpt is None:
        raise ModelError(
            f"no installed model has a GPT that goes with {sovits}, a {row.name} file",
            hint=f"give the GPT too: --gpt FILE; or sovits models pull {row.name}",
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
        under=tuple(other.sovits for other in others if named and other.speaks),
    )


def _same_vocoder(one: ModelVersion, other: ModelVersion) -> bool:
    return one.flow is not None and other.flow is not None and one.flow.vocoder is other.flow.vocoder


def begun_from(base: Bundle, files: Sequence[Path]) -> Bundle:
    """Put other weights in place of a model's: exported ones, or training states, of either program.

    Args:
        files: GPT, SoVITS and discriminator files, at most one of each, told by their content.

    Raises:
        ModelError: a file is none of these, two are of one kind, or one does not go with the model.
    """
    taken: dict[str, Path] = {}
    for file in files:
        contents = read(file)
        part = _BEGUN.get(contents.kind)
        if part is None:
            raise ModelError(
                f"{file} is {contents}: training begins from a GPT, a SoVITS model or its discriminators",
                hint=f"sovits models inspect {file}",
            )
        if part in taken:
            raise ModelError(f"{taken[part]} and {file}: each is {contents.kind}", hint="give one of them")
        if part == "sovits" and base.version.name not in contents.versions:
            raise ModelError(
                f"{file} is {contents}, but {base.name} is a {base.version.name} model",
                hint=f"sovits prep DATASET --model {contents.version}",
            )
        taken[part] = file
    if not taken:
        return base
    named = ", ".join(file.name for file in taken.values())
    chosen = replace(
        base,
        name=f"{base.name} from {named}",
        gpt=taken.get("gpt", base.gpt),
        sovits=taken.get("sovits", base.sovits),
        discriminator=taken.get("discriminator", base.discriminator),
        origin="files" if "sovits" in taken else base.origin,
        under=(*base.under, base.sovits) if "sovits" in taken else base.under,
    )
    _check_together(chosen)
    return chosen


def discriminator_weights(bundle: Bundle) -> dict[str, Tensor]:
    """Read the discriminators that go with a model; empty where none are published.

    Raises:
        ModelError: the file cannot be read, or is of another kind.
    """
    if bundle.discriminator is None:
        return {}
    return expect(read(bundle.discriminator), ModelKind.DISCRIMINATOR).weight


def everything(runs: Path = Path("runs")) -> tuple[list[Bundle], list[ModelError]]:
    """List every model there is, the newest first, and what is wrong with those that cannot be used."""
    found: list[Bundle] = []
    broken: list[ModelError] = []
    places: list[tuple[Callable[[Path], Bundle], list[Path]]] = [
        (lambda folder: _voice(folder, runs), _newest(runs, VOICE_FILE)),
        (_installed, _newest(models_dir(), MODEL_FILE)),
        (_bundled, _bundled_folders()),
    ]
    for reader, folders in places:
        for folder in folders:
            try:
                found.append(reader(folder))
            except ModelError as error:
                broken.append(error)
    return found, broken


def gpt_model(source: Bundle | Path) -> Text2Semantic:
    """Build the GPT with its weights: float32, on the CPU, in evaluation mode."""
    path = source.gpt if isinstance(source, Bundle) else source
    file = read_gpt(path)
    with usable_config(path):
        config = T2SConfig.from_official(file.config)
    return build(lambda: Text2Semantic(config), file.weight, layers=config.layers, source=path)[0]


def sovits_file(source: Bundle | Path) -> SovitsFile:
    """Read the weights and the configuration of the SoVITS model; a LoRA is put into the model it was tuned from.

    Raises:
        ModelError: a file cannot be read, or the model that a LoRA belongs to is not there.
    """
    path, under = (source.sovits, source.under) if isinstance(source, Bundle) else (source, ())
    file = read_sovits(path, said=source.version if isinstance(source, Bundle) else None)
    if isinstance(source, Bundle) and file.version.name != source.version.name:
        raise ModelError(
            f"{path} is a {file.version.name} file, but {source.name} is said to be a {source.version.name} model",
            hint=f"name the file itself, --sovits {path}, or mend the model's JSON file",
        )
    if not file.is_lora:
        return file
    is_whole = CODEBOOK in file.weight and "ssl_proj.weight" in file.weight  # a training state holds its base
    base = {} if is_whole else _base_file(path, file.version, under)
    return replace(file, weight=merged(base, file.weight, path), is_lora=False)


def sovits_model(source: Bundle | Path, *, posterior: bool = False) -> Synthesizer:
    """Build the SoVITS model with its weights: float32, on the CPU, in evaluation mode, weight norm not folded.

    Args:
        posterior: with the posterior encoder, which training needs. Exported files lack it: it keeps its fresh
            values there.
    """
    path = source.sovits if isinstance(source, Bundle) else source
    file = sovits_file(source)
    with usable_config(path):
        config = SovitsConfig.from_official(file.config)
    make = partial(Synthesizer, config, posterior=posterior)
    return build(make, file.weight, layers=sovits_layers(config), source=path, optional=SOVITS_OPTIONAL)[0]


def flow_model(source: Bundle | Path) -> FlowSynthesizer:
    """Build the SoVITS model of a version with a flow, as `sovits_model` does for the others."""
    path = source.sovits if isinstance(source, Bundle) else source
    file = sovits_file(source)
    with usable_config(path):
        config = FlowConfig.from_official(file.config, file.version)
    make = partial(FlowSynthesizer, config)
    return build(make, file.weight, layers=flow_layers(config), source=path, optional=FLOW_OPTIONAL)[0]


def vocoder_model(bundle: Bundle) -> Vocoder:
    """Build the vocoder of a model: float32, on the CPU, in evaluation mode.

    Raises:
        ModelError: it has none, or its files are missing, broken, or of another kind.
    """
    row, place = bundle.version, bundle.vocoder
    if place is None or row.flow is None:
        raise ModelError(
            f"{bundle.name} has no vocoder: {row.name} speaks through one", hint=f"sovits models pull {row.name}"
        )
    said = published.config(place) if (place / "config.json").is_file() else {}
    contents = expect(read(published.weight_file(place) if place.is_dir() else place), ModelKind.VOCODER)
    make = partial(VOCODERS[row.flow.vocoder], said)
    return build(make, contents.weight, layers=0, source=contents.path)[0]


def frozen_parts(bundle: Bundle) -> dict[str, Tensor]:
    """Read the projection and the codebook that make the semantic tokens of a family, in float32.

    They are in its SoVITS file, or, for a family that is only trained from so far, beside its content encoder.

    Raises:
        ModelError: the file holds none.
    """
    contents = read(bundle.sovits)
    weight = sovits_file(bundle).weight if contents.kind is ModelKind.LORA else contents.weight
    needed = ("ssl_proj.weight", "ssl_proj.bias", CODEBOOK)
    missing = [key for key in needed if key not in weight]
    if missing:
        raise ModelError(
            f"{bundle.sovits} makes no semantic tokens: {missing[0]} is missing",
            hint=f"sovits models inspect {bundle.sovits}",
        )
    return {key: weight[key].to(torch.float32, copy=True) for key in needed}


def _base_file(lora: Path, row: ModelVersion, under: tuple[Path, ...]) -> Mapping[str, Tensor]:
    """The weights of the model that a LoRA was tuned from: the one it lies on, or the newest installed one."""
    if under:
        *deeper, nearest = under
        file = read_sovits(nearest, said=row)
        if file.version == row and file.is_lora:
            return merged(_base_file(nearest, row, tuple(deeper)), file.weight, nearest)
        if file.version == row:
            return file.weight
    for folder in _newest(models_dir(), MODEL_FILE):
        with suppress(ModelError):  # a broken model is no base; `list` says what is wrong with it
            installed = _installed(folder)
            if installed.speaks and installed.version == row:
                file = read_sovits(installed.sovits, said=row)
                if not file.is_lora:
                    return file.weight
    raise ModelError(
        f"{lora} is a LoRA, which needs the {row.name} model it was tuned from: none is installed",
        hint=f"sovits models pull {row.name}",
    )


def flow_layers(config: FlowConfig) -> int:
    """Count the layers of its longest stack, or more."""
    return max(config.prior.n_layers, config.dit.depth, config.dit.conv_layers, CONDITION_LAYERS)


def sovits_layers(config: SovitsConfig) -> int:
    """Count the layers of its longest stack, or more."""
    stacks = (config.n_layers, config.flow_couplings, config.flow_layers, config.posterior_layers, config.istft_layers)
    return max(*stacks, len(config.upsample_rates) * len(config.resblock_kernel_sizes))


def _named(name: str, runs: Path) -> Bundle:
    """Find a model by name or by the path of its folder (or of the JSON file in it)."""
    given = Path(name)
    folders = [given.parent if given.name in (VOICE_FILE, MODEL_FILE) else given, runs / name, models_dir() / name]
    for folder in folders:
        if (folder / VOICE_FILE).is_file():
            return _voice(folder, runs)
        if (folder / MODEL_FILE).is_file():
            return _installed(folder)
    for folder in _bundled_folders():
        if folder.name == name:
            return _bundled(folder)
    if given.is_file():
        raise ModelError(
            f"{name} is a file: expected the name or folder of a whole model", hint="--gpt FILE, --sovits FILE"
        )
    known = [
        folder.name for folder in (*_newest(runs, VOICE_FILE), *_newest(models_dir(), MODEL_FILE), *_bundled_folders())
    ]
    raise ModelError(f"no model is called {name}: there are {', '.join(known) or 'none'}", hint="sovits models list")


def _voice(folder: Path, runs: Path, *, depth: int = 0) -> Bundle:
    """Read a voice trained here. Encoders, and a stage not trained yet, are those of its base."""
    place = folder / VOICE_FILE
    said = _json(place)
    if depth > _MAX_BASES:
        raise ModelError(f"{place}: its base leads back to itself", hint="train again from an installed model")
    base_name = _text(said, "base", place)
    above = next((parent for parent in (Path(base_name), runs / base_name) if (parent / VOICE_FILE).is_file()), None)
    base = _voice(above, runs, depth=depth + 1) if above else _named(base_name, runs)
    return Bundle(
        name=_text(said, "name", place),
        version=version(_text(said, "version", place)),
        gpt=_file(folder, said, "gpt", place) if said.get("gpt") else base.gpt,
        sovits=_file(folder, said, "sovits", place) if said.get("sovits") else base.sovits,
        content=base.content,
        bert=base.bert,
        origin="trained",
        why="",
        vocoder=base.vocoder,
        speaker=base.speaker,
        discriminator=base.discriminator,
        licence=base.licence,
        under=(*base.under, base.sovits) if said.get("sovits") else base.under,
    )


def _installed(folder: Path) -> Bundle:
    """Read an installed model. One that has only a content encoder can be trained from, not spoken with."""
    place = folder / MODEL_FILE
    said = _json(place)
    content = _file(folder, said, "content", place)
    return Bundle(
        name=_text(said, "name", place),
        version=version(_text(said, "version", place)),
        gpt=_file(folder, said, "gpt", place) if said.get("gpt") else content,
        sovits=_file(folder, said, "sovits", place) if said.get("sovits") else content,
        content=content,
        bert=_file(folder, said, "bert", place) if said.get("bert") else None,
        origin="installed",
        why="",
        vocoder=_file(folder, said, "vocoder", place) if said.get("vocoder") else None,
        speaker=_file(folder, said, "speaker", place) if said.get("speaker") else None,
        discriminator=_file(folder, said, "discriminator", place) if said.get("discriminator") else None,
        licence=str(said.get("licence", "")),
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
    row = version(str(ours.metadata(sovits).get("version")))
    return Bundle(folder.name, row, gpt, sovits, content, None, "bundled", "", licence=BUNDLED_LICENCE)


def _helpers(row: ModelVersion, runs: Path) -> list[Bundle]:
    """List models with the same kind of content encoder: of this version first, voices trained here last."""
    found, _ = everything(runs)
    ranked = sorted(found, key=lambda bundle: (bundle.version != row, bundle.origin == "trained"))
    return [bundle for bundle in ranked if bundle.version.content is row.content]


def _check_together(bundle: Bundle) -> None:
    """Refuse a GPT and a SoVITS model that count phones or tokens differently.

    A GPT may have rows for more phones than its table has; that it was made for the larger table of later versions
    shows in its having all of those.
    """
    with usable_config(bundle.gpt):
        gpt = T2SConfig.from_official(read_gpt(bundle.gpt).config)
    with usable_config(bundle.sovits):
        acoustic = SovitsConfig.from_official(read_sovits(bundle.sovits, said=bundle.version).config)
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


def _json(place: Path) -> dict[str, Any]:
    try:
        said = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{place} cannot be read: {error}", hint=f"mend or remove {place.parent}") from error
    if not isinstance(said, dict):
        raise ModelError(f"{place} is no JSON object", hint=f"mend or remove {place.parent}")
    return said


def _text(said: dict[str, Any], key: str, place: Path) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value:
        raise ModelError(f"{place}: {key} is {value!r}, expected a text", hint=f"mend or remove {place.parent}")
    return value


def _file(folder: Path, said: dict[str, Any], key: str, place: Path) -> Path:
    found = Path(os.path.normpath(folder / _text(said, key, place)))
    if not found.exists():
        raise ModelError(f"{place}: its {key} {found} does not exist", hint=f"mend or remove {folder}")
    return found
