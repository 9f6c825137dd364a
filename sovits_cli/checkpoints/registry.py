"""THE table of models that can be pulled: which published files each is made of; and whether a file is one of them.

Downloads nothing.

Names of repositories and files are those of the authors, the layout of the files that of the official program's
`pretrained_models/`. What is known of a file beforehand is pinned: of the SoVITS models the beginning, by which the
official program knows them (its table of MD5 sums). No SHA-256 and no revision has been published where we could read
it, so the hub says them, the first pull records them, and every file is recognised before it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sovits_cli.checkpoints.bundle import read_json_object
from sovits_cli.checkpoints.model_file import ModelFile, ModelKind, head_md5, read_model_file
from sovits_cli.errors import ModelError
from sovits_cli.versions import VERSIONS, VocoderKind

HUB_REPO = "lj1995/GPT-SoVITS"
"""Where the authors of the official program publish its models."""

PART_KINDS = {
    "gpt": ModelKind.GPT,
    "sovits": ModelKind.SOVITS,
    "discriminator": ModelKind.DISCRIMINATOR,
    "content": ModelKind.HUBERT,
    "bert": ModelKind.BERT,
    "speaker": ModelKind.SPEAKER,
    "vocoder": ModelKind.VOCODER,
}
"""What each part of a model is."""

_JSON_KEYS = {
    ("content", "config.json"): ("hidden_size", "num_hidden_layers", "num_attention_heads"),
    ("bert", "config.json"): ("hidden_size", "num_hidden_layers", "num_attention_heads"),
    ("bert", "tokenizer.json"): ("model",),
    ("vocoder", "config.json"): ("num_mels", "upsample_rates"),
}
"""What a network cannot be built without."""

_ANTI_ALIASED = "activation_post."
"""Beginning of keys that BigVGAN has and the vocoder of v4 has not."""


@dataclass(frozen=True)
class PinnedFile:
    """What is known of a published file beforehand; None: not known.

    Args:
        sha256: of the whole.
        size_bytes: of the whole.
        head_md5: MD5 of its first `versions.HEAD_BYTES`.
    """

    sha256: str | None = None
    size_bytes: int | None = None
    head_md5: str | None = None


NOT_PINNED = PinnedFile()


@dataclass(frozen=True)
class PublishedPart:
    """One part of a model.

    Args:
        files: paths in the repository, and below the folder of pulled files.
        licence: its SPDX name.
        repo: on the hub.
        pins: by file.
    """

    files: tuple[str, ...]
    licence: str = "MIT"
    repo: str = HUB_REPO
    pins: Mapping[str, PinnedFile] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The file, or the folder of several files."""
        return self.files[0] if len(self.files) == 1 else self.files[0].rpartition("/")[0]

    def pin(self, file: str) -> PinnedFile:
        """What is known of one of its files beforehand."""
        return self.pins.get(file, NOT_PINNED)


@dataclass(frozen=True)
class PublishedModel:
    """A whole model: parts by their name in `model.json`."""

    name: str
    version: str
    parts: dict[str, PublishedPart]

    @property
    def licence(self) -> str:
        """Of all parts."""
        return ", ".join(sorted({part.licence for part in self.parts.values()}))


_CONTENT = PublishedPart(("chinese-hubert-base/config.json", "chinese-hubert-base/pytorch_model.bin"))
_BERT = PublishedPart(
    tuple(f"chinese-roberta-wwm-ext-large/{name}" for name in ("config.json", "tokenizer.json", "pytorch_model.bin")),
    licence="Apache-2.0",
)
_SPEAKER = PublishedPart(("sv/pretrained_eres2netv2w24s4ep4.ckpt",), licence="Apache-2.0")
_BIGVGAN = PublishedPart(
    tuple(f"models--nvidia--bigvgan_v2_24khz_100band_256x/{name}" for name in ("config.json", "bigvgan_generator.pt"))
)
_V2 = "gsv-v2final-pretrained"
_GPT_V1 = PublishedPart(("s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",))
_GPT_V2 = PublishedPart((f"{_V2}/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",))
_GPT_V3 = PublishedPart(("s1v3.ckpt",))


def _row(
    version: str, gpt: PublishedPart, sovits: str, *, discriminator: str = "", **others: PublishedPart
) -> PublishedModel:
    """A model whose SoVITS file has this path; what it needs to be tuned is part of it."""
    pin = PinnedFile(head_md5=VERSIONS[version].head_md5)
    parts = {
        "gpt": gpt,
        "sovits": PublishedPart((sovits,), pins={sovits: pin}),
        "content": _CONTENT,
        "bert": _BERT,
        **others,
    }
    if discriminator:
        parts["discriminator"] = PublishedPart((discriminator,))
    return PublishedModel(version, version, parts)


# Parts that versions share are named once, so that the second version one pulls is small:
#
#             gpt       sovits   content  bert     speaker   vocoder   discriminator
#   v1, v2    own       own      HuBERT   RoBERTa                      own
#   v2Pro*    s1v3      own      HuBERT   RoBERTa  ERes2Net            own
#   v3, v4    s1v3      own      HuBERT   RoBERTa            own
REGISTRY: dict[str, PublishedModel] = {
    row.name: row
    for row in (
        _row("v1", _GPT_V1, "s2G488k.pth", discriminator="s2D488k.pth"),
        _row("v2", _GPT_V2, f"{_V2}/s2G2333k.pth", discriminator=f"{_V2}/s2D2333k.pth"),
        _row("v2Pro", _GPT_V3, "v2Pro/s2Gv2Pro.pth", discriminator="v2Pro/s2Dv2Pro.pth", speaker=_SPEAKER),
        _row("v2ProPlus", _GPT_V3, "v2Pro/s2Gv2ProPlus.pth", discriminator="v2Pro/s2Dv2ProPlus.pth", speaker=_SPEAKER),
        _row("v3", _GPT_V3, "s2Gv3.pth", vocoder=_BIGVGAN),
        _row("v4", _GPT_V3, "gsv-v4-pretrained/s2Gv4.pth", vocoder=PublishedPart(("gsv-v4-pretrained/vocoder.pth",))),
    )
}


def find_published(name: str) -> PublishedModel:
    """Look a model up by name. Raises ModelError, naming the known ones."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise ModelError(
            f"no model to pull is called {name}: there are {', '.join(REGISTRY)}", code="model.unknown_name"
        ) from None


def verify_published_file(path: Path, row: PublishedModel, part: str, file: str) -> str:
    """Say what a file is.

    Args:
        path: where it is, under any name.
        row: the model it is to be a part of.
        part: which part.
        file: its published path.

    Raises:
        ModelError: it is something else; the message begins with `path`.
    """
    if file.endswith(".json"):
        return _verify_json(path, part, file)
    contents = read_model_file(path)
    if contents.kind is not PART_KINDS[part]:
        raise ModelError(f"{path} is {contents}: expected {PART_KINDS[part]}")
    _check_version(contents, row, part)
    head = row.parts[part].pin(file).head_md5
    if head is not None and head_md5(path) != head:
        raise ModelError(f"{path} is {contents}, but not the published one: it begins otherwise")
    return str(contents)


def _verify_json(path: Path, part: str, file: str) -> str:
    name = file.rpartition("/")[2]
    found = read_json_object(path)
    for key in _JSON_KEYS[part, name]:
        if key not in found:
            raise ModelError(f"{path} is no {name} of {PART_KINDS[part]}: {key} is missing")
    return f"{name} of {PART_KINDS[part]}"


def _check_version(contents: ModelFile, row: PublishedModel, part: str) -> None:
    """Hold a file to the version of its model, where such files say it."""
    if part == "sovits" and row.version not in contents.versions:
        raise ModelError(f"{contents.path} is {contents}: expected {row.version}")
    if part == "vocoder":
        is_bigvgan = any(key.startswith(_ANTI_ALIASED) for key in contents.weight)
        if is_bigvgan != (VERSIONS[row.version].decoder.vocoder is VocoderKind.BIGVGAN):
            raise ModelError(f"{contents.path} is another vocoder: expected that of {row.version}")
