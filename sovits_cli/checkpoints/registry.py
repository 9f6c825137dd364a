"""THE table of models that can be pulled: which published files each is made of. Plain data; downloads nothing.

Names of repositories and files are those of the authors, the layout of the files that of the official program's
`pretrained_models/`. No checksums are written here: the hub says them, and the first pull records them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sovits_cli.errors import ModelError

HUB_REPO = "lj1995/GPT-SoVITS"
"""Where the authors of the official program publish its models."""


@dataclass(frozen=True)
class Part:
    """One part of a model.

    Args:
        files: paths in the repository, and below the folder of pulled files.
        licence: its SPDX name.
        repo: on the hub.
        sha256: by file, where it is known beforehand.
    """

    files: tuple[str, ...]
    licence: str = "MIT"
    repo: str = HUB_REPO
    sha256: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """The file, or the folder of several files."""
        return self.files[0] if len(self.files) == 1 else self.files[0].rpartition("/")[0]


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


def _row(version: str, gpt: Part, sovits: str, *, discriminator: str = "", **others: Part) -> Pullable:
    """A model whose SoVITS file has this path; what it needs to be tuned is part of it."""
    parts = {"gpt": gpt, "sovits": Part((sovits,)), "content": _CONTENT, "bert": _BERT, **others}
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
