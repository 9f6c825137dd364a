"""Puts trained weights into the package: float16 safetensors with all dimensions inside.

    python -m tests.tools.bundle_model mini --gpt runs/teacher/X.ckpt --sovits runs/teacher/Y.pth \
        --content runs/content/content.safetensors --state runs/teacher/state
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from sovits_cli.checkpoints import ours
from sovits_cli.checkpoints.official import read_gpt, read_sovits
from sovits_cli.events import Silent
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.paths import package_dir
from sovits_cli.terms import Stage
from sovits_cli.training.build import POSTERIOR_PREFIX
from sovits_cli.training.state import StateFolder


def halved(weight: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In float16."""
    return {key: value.half() if value.is_floating_point() else value for key, value in weight.items()}


def posterior(states: Path) -> dict[str, torch.Tensor]:
    """The posterior encoder of the newest state of the SoVITS stage: exports lack it, and a fine-tuning wants it."""
    state = StateFolder(states, Stage.SOVITS).newest(Silent())
    if state is None:
        raise SystemExit(f"no state of the SoVITS stage in {states}")
    return {key: value for key, value in state.modules["generator"].items() if key.startswith(POSTERIOR_PREFIX)}


def main() -> None:
    """Write the three files of a bundled model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--gpt", type=Path, required=True)
    parser.add_argument("--sovits", type=Path, required=True)
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    arguments = parser.parse_args()
    folder = package_dir() / "checkpoints" / "bundled" / arguments.name
    folder.mkdir(parents=True, exist_ok=True)
    gpt, sovits = read_gpt(arguments.gpt), read_sovits(arguments.sovits)
    content, metadata = ours.load(arguments.content)
    described: dict[str, Any] = {"version": arguments.name}
    config = T2SConfig.from_official(gpt.config).to_official()
    ours.save(folder / "gpt.safetensors", halved(gpt.weight), {**described, "config": config, "info": gpt.info})
    config = SovitsConfig.from_official(sovits.config).to_official()
    weight = halved({**sovits.weight, **posterior(arguments.state)})
    ours.save(folder / "sovits.safetensors", weight, {**described, "config": config, "info": sovits.info})
    ours.save(folder / "content.safetensors", halved(content), {**metadata, **described})
    for path in sorted(folder.glob("*.safetensors")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
