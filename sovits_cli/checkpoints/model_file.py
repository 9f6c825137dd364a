"""What is this model file? Decided by its keys, shapes, header code and embedded config; never by name or size.

Knows the marks of every model of the family, also of those that cannot be run yet, so that messages can name them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits_cli.checkpoints.bundle import naming_pulled_model, read_json_object
from sovits_cli.checkpoints.restricted_unpickler import printable
from sovits_cli.checkpoints.safetensors_io import load_safetensors, plain_config, small_int
from sovits_cli.checkpoints.torch_files import load_torch_file, read_magic
from sovits_cli.errors import ModelError
from sovits_cli.files import open_regular_file
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.versions import HEAD_BYTES, VERSIONS, ModelVersion

# A folder as Hugging Face and the vocoders' authors publish it: config.json, one of these, a vocabulary at times.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "bigvgan_generator.pt", "vocoder.pth")
"""The first that exists is read."""

_OLD_SPELLING = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
}
"""Weight norm and layer norm have two spellings each; these are the ones we use."""


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
class ModelFile:
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
        magic: the version's header in place of the first two bytes of a torch file, `PK` if there is none.
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
    magic: bytes = b"PK"
    lora_rank: int | None = None

    @property
    def version(self) -> str | None:
        """Its version, the likeliest of several."""
        return self.versions[0] if self.versions else None

    def __str__(self) -> str:
        """Name what it is: `a SoVITS model (v2), a training state`."""
        text = str(self.kind) + (f" ({' or '.join(self.versions)})" if self.versions else "")
        return f"{text}, a training state" if self.training else text


# A model is known by its keys. The order matters: a LoRA has keys of a SoVITS model, BigVGAN the blocks of HiFi-GAN.
_KEY_PATTERNS: tuple[tuple[ModelKind, str], ...] = (
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


def read_model_file(path: Path) -> ModelFile:
    """Read and recognise any model file.

    Raises:
        ModelError: the file cannot be read safely, or holds no tensors.
    """
    with naming_pulled_model(path):
        return _read_safetensors(path) if _is_safetensors(path) else _read_torch(path)


def read_model(path: Path) -> ModelFile:
    """Read a model file, or the weights of a published folder (`config.json` beside them)."""
    if path.is_dir():
        return read_model_file(find_weight_file(path))
    return read_model_file(path)


def expect_kind(contents: ModelFile, kind: ModelKind) -> ModelFile:
    """Pass a file on if it is of this kind and version we can run.

    Raises:
        ModelError: explains what the file is and what was expected.
    """
    if contents.kind is not kind:
        with naming_pulled_model(contents.path):
            raise ModelError(
                f"{contents.path} is {contents}: expected {kind}",
                code="model.wrong_kind",
                fields={"found": contents.kind.name.lower()},
            )
    if contents.version is not None and contents.version not in VERSIONS:
        raise ModelError(
            f"{contents.path} is {contents}: this version is not known, only {', '.join(VERSIONS)}",
            code="model.unknown_version",
        )
    return contents


def _is_safetensors(path: Path) -> bool:
    """Safetensors begin with the length of a JSON header."""
    with open_regular_file(path) as file:
        return file.read(9)[8:] == b"{"


def _read_torch(path: Path) -> ModelFile:
    whole = load_torch_file(path)
    weight = _tensors(path, whole)
    top: Mapping[object, object] = whole if isinstance(whole, dict) else {}
    config = _config(path, top)
    kind, magic, rank = detect_kind(weight), read_magic(path), small_int(top.get("lora_rank"))
    return ModelFile(
        path=path,
        kind=kind,
        versions=detect_versions(kind, weight, config, magic, lambda: head_md5(path)),
        weight=weight,
        config=config,
        info=_info(top),
        training="optimizer" in top or "optimizer_states" in top,
        magic=magic,
        lora_rank=rank,
    )


def _read_safetensors(path: Path) -> ModelFile:
    weight, metadata = load_safetensors(path)
    config = plain_config(metadata.get("config", {}), path)
    named = metadata.get("version")
    kind = detect_kind(weight)
    versions = (printable(named),) if isinstance(named, str) else detect_versions(kind, weight, config)
    return ModelFile(
        path=path,
        kind=kind,
        versions=versions,
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
            # Lightning keeps the network as an attribute `model`, and so begins every key with it.
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
    return plain_config(found, path) if isinstance(found, dict) else {}


def _info(top: Mapping[Any, object]) -> str:
    info = top.get("info")
    if isinstance(info, str):
        return printable(info)
    epoch = small_int(top.get("epoch", top.get("iteration")))  # s2 states call the epoch `iteration`
    return "" if epoch is None else f"epoch {epoch}"


def detect_kind(weight: Mapping[str, Tensor]) -> ModelKind:
    """Recognise a model by its keys."""
    for kind, marks in _KEY_PATTERNS:
        if all(any(mark in key for key in weight) for mark in marks.split("+")):
            return kind
    return ModelKind.UNKNOWN


def detect_versions(
    kind: ModelKind,
    weight: Mapping[str, Tensor],
    config: Mapping[str, object],
    magic: bytes = b"PK",
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
    # The header decides, then the shapes, then the MD5 of the beginning, then what the config says. The official rule
    # (process_ckpt.py, `get_sovits_version_from_path_fast`) goes by the size of the file where there is no header, and
    # takes a v4 model for v3.
    if magic.isdigit():
        return (next((row.name for row in VERSIONS.values() if magic in _magics_of(row)), f"code {magic.decode()}"),)
    fitting = [row for row in VERSIONS.values() if row.official and _fits(row, kind, weight)]
    fitting = [row for row in fitting if _is_official_size(row, weight)] or fitting
    if len(fitting) > 1:
        found = head()
        published = [row.name for row in fitting if row.head_md5 == found]
        return tuple(published or [row.name for row in fitting if row.name == named] or [row.name for row in fitting])
    return tuple(row.name for row in fitting)


def head_md5(path: Path) -> str:
    """MD5 of the beginning of a file."""
    with open_regular_file(path) as file:
        return hashlib.md5(file.read(HEAD_BYTES), usedforsecurity=False).hexdigest()


def _magics_of(row: ModelVersion) -> tuple[bytes, ...]:
    """Every header that says this version."""
    return row.magics if row.decoder.lora_magic is None else (*row.magics, row.decoder.lora_magic)


def _fits(row: ModelVersion, kind: ModelKind, weight: Mapping[str, Tensor]) -> bool:
    """Whether the shapes of a file without a header are those of this version."""
    if row.decoder.key_prefix != _decoder_prefix(weight):
        return False
    if kind is ModelKind.LORA:
        return True
    if ("sv_emb.weight" in weight) != row.speaker_embedding:
        return False
    # 322 rows are the phones of v1, 732 those of later versions.
    rows = weight.get("enc_p.text_embedding.weight")
    return rows is None or rows.shape[0] == PHONES[row.symbols]


def _decoder_prefix(weight: Mapping[str, Tensor]) -> str:
    """What tells the kind of decoder: the longest of the prefixes that some key begins with."""
    prefixes = {row.decoder.key_prefix for row in VERSIONS.values()}
    return max((prefix for prefix in prefixes if any(key.startswith(prefix) for key in weight)), key=len, default="")


def _is_official_size(row: ModelVersion, weight: Mapping[str, Tensor]) -> bool:
    """Whether the decoder is as wide as that of this version, which tells some from others."""
    first = weight.get("dec.conv_pre.weight")
    channels = row.dimensions.get("upsample_initial_channel", SovitsConfig.upsample_initial_channel)
    return first is None or first.shape[0] == channels


def read_folder_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        ModelError: it is missing or no JSON object.
    """
    return read_json_object(folder / "config.json")


def read_folder_weights(folder: Path, kind: ModelKind, *, prefix: str) -> ModelFile:
    """Read the weights, with our spelling of keys and without the prefix that some authors keep.

    Raises:
        ModelError: they are missing, unreadable, or of another model.
    """
    contents = expect_kind(read_model_file(find_weight_file(folder)), kind)
    return replace(contents, weight={normalise_key(key, prefix): value for key, value in contents.weight.items()})


def find_weight_file(folder: Path) -> Path:
    """Find the file that holds the weights."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"{folder} has no weights: expected {' or '.join(WEIGHT_FILES)}", hint=f"ls {folder}")


def normalise_key(key: str, prefix: str) -> str:
    """Give our name of a published key."""
    key = key.removeprefix(prefix)
    for other, ours in _OLD_SPELLING.items():
        key = key.replace(other, ours)
    return key
