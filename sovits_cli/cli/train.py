"""`sovits train`: settings and a dataset in, one call, one line of result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sovits_cli.cli.context import Run
from sovits_cli.cli.options import command, option

DEFAULT_DATASET = Path("dataset")


@command(
    option("train.stage"),
    option("train.exp_name", "--name"),
    option("train.out"),
    option("train.model"),
    option("train.from_scratch"),
    option("train.epochs", also=("sovits.train.epochs",)),
    option("train.max_steps", also=("sovits.train.max_steps",)),
    option("train.batch_size", also=("sovits.train.batch_size",)),
    option("train.precision", also=("sovits.train.precision",)),
    option("train.gradient_clip", also=("sovits.train.gradient_clip",)),
    option("train.gradient_accumulation", also=("sovits.train.gradient_accumulation",)),
    option("train.seed", also=("sovits.train.seed",)),
    option("train.save_every_n_epoch", "--save-every", also=("sovits.train.save_every_epoch",)),
    option("train.save_every_min"),
    option("data.max_sec"),
    option("data.num_workers"),
)
def train_command(
    run: Run,
    dataset: Annotated[Path, typer.Argument(help="folder made by `sovits prep` or by GPT-SoVITS")] = DEFAULT_DATASET,
    restart: Annotated[
        bool, typer.Option("--restart", help="begin anew instead of going on from the saved state")
    ] = False,
    init: Annotated[
        list[Path] | None,
        typer.Option(
            "--init",
            metavar="FILE",
            help="weights to begin from instead of the base model's: exports, G_….pth, D_….pth; may be repeated",
        ),
    ] = None,
) -> None:
    """Train a voice on a dataset: the GPT stage, then the SoVITS stage.

    Fine-tunes the model the dataset was made for; --from-scratch --config RECIPE trains new networks. Stopped with
    Ctrl-C or killed, the same command goes on from the last saved state.

        sovits train --precision 16-mixed
    """
    from sovits_cli.training.pipeline import train

    report = train(
        run.settings,
        dataset=dataset,
        device=run.device,
        given=run.given,
        restart=restart,
        reporter=run.reporter,
        init=init or (),
    )
    weights = [str(one.exported) for one in report.stages.values() if one.exported is not None]
    run.result(report, text=f"trained {report.name}: {', '.join(weights) or report.folder}")
