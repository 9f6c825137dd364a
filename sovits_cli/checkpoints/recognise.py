"""What is this model file? Decided by its keys, shapes, header code and embedded config; never by name or size.

Knows the marks of every model of the family, also of those that cannot be run yet, so that messages can name them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits_cli.checkpoints import ours
from sovits_cli.checkpoints.installed import named_if_pulled
from sovits_cli.checkpoints.machine import printable
from sovits_cli.checkpoints.opening import open_plain
from sovits_cli.checkpoints.plain import plain, whole_number
from sovits_cli.checkpoints.safe import header, load_pickle
from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.versions import BASE_HEAD_BYTES, VERSIONS, AcousticKind, ModelVersion


class ModelKind(StrEnum):
    """What a file can be, in words for the user."""

    GPT = "a GPT model"
    SOVITS = "a SoVITS model"
    LORA = "a SoVITS LoRA"
    DISCRIMINATOR = "a SoVITS discriminator"
    HUBERT = "a HuBERT content encoder"
    PHONETIC = "a phonetic content encoder"
    BERT = "a BERT text encoder"
    VOCODER = "a vocoder"
    SPEAKER = "a speaker encoder"
    SUPER_RESOLUTION = "a super-resolution model"
    UNKNOWN = "an unknown model"


@dataclass(frozen=True)
class Contents:
    """A model file, read.

    Args:
        path: the file.
        kind: what it is.
        versions: names of the versions it can be of, also of one that cannot be run yet, the likeliest first; several
            where they have the same tensors and nothing in the file says which, none where such files never say.
        weight: tensors by key, as stored: views of the file.
        config: the embedded configuration as plain data, empty where there is none.
        info: what the trainer wrote about it.
        container: "safetensors", or "torch" for .ckpt, .pth and .bin files.
        training: whether it is a training state (with optimiser) rather than exported weights.
        code: the version code in place of the first two bytes of a torch file, `PK` if there is none.
        lora_rank: rank of a LoRA, else None.
    """

    path: Path
    kind: ModelKind
    versions: tuple[str, ...]
    weight: dict[str, Tensor]
    config: dict[str, object]
    info: str = ""
    container: str = "torch"
    training: bool = False
    code: bytes = b"PK"
    lora_rank: int | None = None

    @property
    def version(self) -> str | None:
        """Its version, the likeliest of several."""
        return self.versions[0] if self.versions else None

    def __str__(self) -> str:
        """Name what it is: `a SoVITS model (v2), a training state`."""
        said = str(self.kind) + (f" ({' or '.join(self.versions)})" if self.versions else "")
        return f"{said}, a training state" if self.training else said


_MARKS: tuple[tuple[ModelKind, str], ...] = (
    (ModelKind.LORA, ".lora_A."),
    (ModelKind.SOVITS, "enc_p.text_embedding.weight"),
    (ModelKind.SOVITS, "quantizer.vq.layers.0._codebook.embed+enc_p."),
    (ModelKind.GPT, "ar_predict_layer.weight"),
    (ModelKind.DISCRIMINATOR, "discriminators.0.convs.0."),
    (ModelKind.HUBERT, "feature_extractor.conv_layers.0.conv."),
    (ModelKind.BERT, "embeddings.word_embeddings.weight"),
    (ModelKind.SPEAKER, "layer1.0.conv1.weight+seg_1."),
    (ModelKind.VOCODER, "resblocks.0.+conv_pre.+ups.0."),
    (ModelKind.SUPER_RESOLUTION, "convnext_mag.0."),
    (ModelKind.PHONETIC, "entry.weight+blocks.0.depthwise.+narrow.weight"),
)
"""Kind and the parts of keys that all have to occur; the first row that fits wins."""

_WEIGHT_KEYS = ("weight", "state_dict", "model", "generator")
"""Where torch files keep their tensors: exports, Lightning states, s2 training states, vocoders."""


def read(path: Path) -> Contents:
    """Read and recognise any model file.

    Raises:
        ModelError: the file cannot be read safely, or holds no tensors.
    """
    with named_if_pulled(path):
        return _read_ours(path) if _is_safetensors(path) else _read_torch(path)


def expect(contents: Contents, kind: ModelKind) -> Contents:
    """Pass a file on if it is of this kind and version we can run.

    Raises:
        ModelError: explains what the file is and what was expected.
    """
    if contents.kind is not kind:
        with named_if_pulled(contents.path):
            raise ModelError(
                f"{contents.path} is {contents}: expected {kind}", hint=_HINTS.get(contents.kind, "sovits models list")
            )
    if contents.version is not None and contents.version not in VERSIONS:
        raise ModelError(
            f"{contents.path} is {contents}: this version is not known, only {', '.join(VERSIONS)}",
            hint="sovits models list",
        )
    return contents


_HINTS = {
    ModelKind.GPT: "pass it as --gpt",
    ModelKind.SOVITS: "pass it as --sovits",
    ModelKind.LORA: "pass it as --sovits",
    ModelKind.DISCRIMINATOR: "a discriminator (s2D…, D_….pth) only serves training; the model is s2G… or G_….pth",
}


def _is_safetensors(path: Path) -> bool:
    """Safetensors begin with the length of a JSON header."""
    with open_plain(path) as file:
        return file.read(9)[8:] == b"{"


def _read_torch(path: Path) -> Contents:
    whole = load_pickle(path)
    weight = _tensors(path, whole)
    top: Mapping[object, object] = whole if isinstance(whole, dict) else {}
    config = _config(path, top)
    kind, code, rank = kind_of(weight), header(path), whole_number(top.get("lora_rank"))
    return Contents(
        path=path,
        kind=kind,
        versions=versions_of(kind, weight, config, code, lambda: _head(path)),
        weight=weight,
        config=config,
        info=_info(top),
        training="optimizer" in top or "optimizer_states" in top,
        code=code,
        lora_rank=rank,
    )


def _read_ours(path: Path) -> Contents:
    weight, metadata = ours.load(path)
    config = plain(metadata.get("config", {}), path)
    named = metadata.get("version")
    kind = kind_of(weight)
    told = (printable(named),) if isinstance(named, str) else versions_of(kind, weight, config)
    return Contents(
        path=path,
        kind=kind,
        versions=told,
        weight=weight,
        config=config,
        info=_info(metadata),
        container="safetensors",
    )


def _tensors(path: Path, whole: object) -> dict[str, Tensor]:
    """The tensors of a torch file, wherever its kind keeps them, without a wrapper's leading `model.`."""
    found = whole
    if isinstance(whole, dict):
        found = next((whole[key] for key in _WEIGHT_KEYS if isinstance(whole.get(key), dict)), whole)
    if isinstance(found, dict):
        held = {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if not all(key.isprintable() for key in held):
            raise ModelError(f"{path} is broken: its tensors have unprintable names")
        if held:
            wrapped = all(key.startswith("model.") for key in held)
            return {key.removeprefix("model."): value for key, value in held.items()} if wrapped else held
    raise ModelError(
        f"{path} holds no model: expected named tensors", hint="name a .ckpt, .pth or .safetensors model file"
    )


def _config(path: Path, top: Mapping[object, object]) -> dict[str, object]:
    """The embedded configuration: beside the weights, or among a Lightning state's hyper-parameters."""
    found = top.get("config")
    if found is None and isinstance(top.get("hyper_parameters"), dict):
        parameters = top["hyper_parameters"]
        found = parameters.get("config") if isinstance(parameters, dict) else None
    return plain(found, path) if isinstance(found, dict) else {}


def _info(top: Mapping[Any, object]) -> str:
    info = top.get("info")
    if isinstance(info, str):
        return printable(info)
    epoch = whole_number(top.get("epoch", top.get("iteration")))  # s2 states call the epoch `iteration`
    return "" if epoch is None else f"epoch {epoch}"


def kind_of(weight: Mapping[str, Tensor]) -> ModelKind:
    """Recognise a model by its keys."""
    for kind, marks in _MARKS:
        if all(any(mark in key for key in weight) for mark in marks.split("+")):
            return kind
    return ModelKind.UNKNOWN


def versions_of(
    kind: ModelKind,
    weight: Mapping[str, Tensor],
    config: Mapping[str, object],
    code: bytes = b"PK",
    head: Callable[[], str] = str,
) -> tuple[str, ...]:
    """Tell which version a SoVITS file is of, or which it may be; a GPT says it only where we wrote it ourselves.

    Args:
        head: gives the MD5 of the beginning of the file, where nothing else tells.
    """
    model = config.get("model")
    named = (model.get("version") if isinstance(model, dict) else None) or config.get("version")
    known = VERSIONS.get(named) if isinstance(named, str) else None
    if known is not None and not known.official:
        return (known.name,)
    if kind not in (ModelKind.SOVITS, ModelKind.LORA):
        return ()
    if code.isdigit():
        return (next((row.name for row in VERSIONS.values() if code in _codes(row)), f"code {code.decode()}"),)
    fitting = [row for row in VERSIONS.values() if row.official and _fits(row, kind, weight)]
    fitting = [row for row in fitting if _is_official_size(row, weight)] or fitting
    if len(fitting) > 1:
        found = head()
        published = [row.name for row in fitting if row.flow is not None and row.flow.base_head == found]
        return tuple(published or [row.name for row in fitting if row.name == named] or [row.name for row in fitting])
    return tuple(row.name for row in fitting)


def _head(path: Path) -> str:
    """MD5 of the beginning of a file."""
    with open_plain(path) as file:
        return hashlib.md5(file.read(BASE_HEAD_BYTES), usedforsecurity=False).hexdigest()


def _codes(row: ModelVersion) -> tuple[bytes, ...]:
    """Every two-byte code that says this version."""
    return row.codes if row.flow is None else (*row.codes, row.flow.lora_code)


def _fits(row: ModelVersion, kind: ModelKind, weight: Mapping[str, Tensor]) -> bool:
    """Whether the shapes of a file without a version code are those of this version."""
    if any(key.startswith("cfm.") for key in weight) != (row.acoustic is AcousticKind.FLOW):
        return False
    if kind is ModelKind.LORA:
        return True
    if ("sv_emb.weight" in weight) != row.speaker_embedding:
        return False
    rows = weight.get("enc_p.text_embedding.weight")
    return rows is None or rows.shape[0] == PHONES[row.symbols]


def _is_official_size(row: ModelVersion, weight: Mapping[str, Tensor]) -> bool:
    """Whether the decoder is as wide as that of this version, which tells some from others."""
    first = weight.get("dec.conv_pre.weight")
    channels = row.dimensions.get("upsample_initial_channel", SovitsConfig.upsample_initial_channel)
    return first is None or first.shape[0] == channels
