"""Puts trained weights into the package: float16 safetensors with all dimensions inside.

    python -m tests.tools.bundle_model mini --gpt runs/teacher/X.ckpt --sovits runs/teacher/Y.pth \
        --content runs/content/content.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from sovits_cli.checkpoints.official import read_gpt, read_sovits
from sovits_cli.checkpoints.safetensors_io import load_safetensors, save_safetensors
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.paths import package_dir


def halved(weight: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In float16."""
    return {key: value.half() if value.is_floating_point() else value for key, value in weight.items()}


def main() -> None:
    """Write the three files of a bundled model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--gpt", type=Path, required=True)
    parser.add_argument("--sovits", type=Path, required=True)
    parser.add_argument("--content", type=Path, required=True)
    arguments = parser.parse_args()
    folder = package_dir() / "checkpoints" / "bundled" / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    gpt, sovits = read_gpt(arguments.gpt), read_sovits(arguments.sovits)
    content, metadata = load_safetensors(arguments.content)
    described: dict[str, Any] = {"version": arguments.name}
    config = T2SConfig.from_official(gpt.config).to_official()
    save_safetensors(folder / "gpt.safetensors", halved(gpt.weight), {**described, "config": config, "info": gpt.info})
    config = SovitsConfig.from_official(sovits.config).to_official()
    save_safetensors(
        folder / "sovits.safetensors", halved(sovits.weight), {**described, "config": config, "info": sovits.info}
    )
    save_safetensors(folder / "content.safetensors", halved(content), {**metadata, **described})
    for path in sorted(folder.glob("*.safetensors")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
