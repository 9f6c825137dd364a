"""THE table of models that can be pulled: which published files each is made of. Plain data; downloads nothing.

Names of repositories and files are those of the authors, the layout of the files that of the official program's
`pretrained_models/`. What is known of a file beforehand is pinned: of the SoVITS models the beginning, by which the
official program knows them (its table of MD5 sums). No SHA-256 and no revision has been published where we could read
it, so the hub says them, the first pull records them, and every file is recognised before it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sovits_cli.errors import ModelError
from sovits_cli.versions import VERSIONS

HUB_REPO = "lj1995/GPT-SoVITS"
"""Where the authors of the official program publish its models."""


@dataclass(frozen=True)
class Pin:
    """What is known of a published file beforehand; None: not known.

    Args:
        sha256: of the whole.
        size_bytes: of the whole.
        head_md5: MD5 of its first `versions.BASE_HEAD_BYTES`.
    """

    sha256: str | None = None
    size_bytes: int | None = None
    head_md5: str | None = None


UNKNOWN = Pin()


@dataclass(frozen=True)
class Part:
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
    pins: Mapping[str, Pin] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The file, or the folder of several files."""
        return self.files[0] if len(self.files) == 1 else self.files[0].rpartition("/")[0]

    def pin(self, file: str) -> Pin:
        """What is known of one of its files beforehand."""
        return self.pins.get(file, UNKNOWN)


@dataclass(frozen=True)
class Pullable:
    """A whole model: parts by their name in `model.json`."""

    name: str
    version: str
    parts: dict[str, Part]

    @property
    def licence(self) -> str:
        """Of all parts."""
        return ", ".join(sorted({part.licence for part in self.parts.values()}))


_CONTENT = Part(("chinese-hubert-base/config.json", "chinese-hubert-base/pytorch_model.bin"))
_BERT = Part(
    tuple(f"chinese-roberta-wwm-ext-large/{name}" for name in ("config.json", "tokenizer.json", "pytorch_model.bin")),
    licence="Apache-2.0",
)
_SPEAKER = Part(("sv/pretrained_eres2netv2w24s4ep4.ckpt",), licence="Apache-2.0")
_BIGVGAN = Part(
    tuple(f"models--nvidia--bigvgan_v2_24khz_100band_256x/{name}" for name in ("config.json", "bigvgan_generator.pt"))
)
_V2 = "gsv-v2final-pretrained"
_GPT_V1 = Part(("s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",))
_GPT_V2 = Part((f"{_V2}/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",))
_GPT_V3 = Part(("s1v3.ckpt",))


_HEADS = {
    "s2G488k.pth": "dc3c97e17592963677a4a1681f30c653",
    f"{_V2}/s2G2333k.pth": "6642b37f3dbb1f76882b69937c95a5f3",
    "v2Pro/s2Gv2Pro.pth": "c7e9fce2223f3db685cdfa1e6368728a",
    "v2Pro/s2Gv2ProPlus.pth": "66b313e39455b57ab1b0bc0b239c9d0a",
}
"""MD5 of the beginning of SoVITS models without a flow; of the others it is a trait of their version."""


def _row(version: str, gpt: Part, sovits: str, *, discriminator: str = "", **others: Part) -> Pullable:
    """A model whose SoVITS file has this path; what it needs to be tuned is part of it."""
    flow = VERSIONS[version].flow
    pin = Pin(head_md5=_HEADS[sovits] if flow is None else flow.base_head)
    parts = {"gpt": gpt, "sovits": Part((sovits,), pins={sovits: pin}), "content": _CONTENT, "bert": _BERT, **others}
    if discriminator:
        parts["discriminator"] = Part((discriminator,))
    return Pullable(version, version, parts)


REGISTRY: dict[str, Pullable] = {
    row.name: row
    for row in (
        _row("v1", _GPT_V1, "s2G488k.pth", discriminator="s2D488k.pth"),
        _row("v2", _GPT_V2, f"{_V2}/s2G2333k.pth", discriminator=f"{_V2}/s2D2333k.pth"),
        _row("v2Pro", _GPT_V3, "v2Pro/s2Gv2Pro.pth", discriminator="v2Pro/s2Dv2Pro.pth", speaker=_SPEAKER),
        _row("v2ProPlus", _GPT_V3, "v2Pro/s2Gv2ProPlus.pth", discriminator="v2Pro/s2Dv2ProPlus.pth", speaker=_SPEAKER),
        _row("v3", _GPT_V3, "s2Gv3.pth", vocoder=_BIGVGAN),
        _row("v4", _GPT_V3, "gsv-v4-pretrained/s2Gv4.pth", vocoder=Part(("gsv-v4-pretrained/vocoder.pth",))),
    )
}


def pullable(name: str) -> Pullable:
    """Look a model up by name. Raises ModelError, naming the known ones."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise ModelError(
            f"no model to pull is called {name}: there are {', '.join(REGISTRY)}", hint="sovits models list"
        ) from None
