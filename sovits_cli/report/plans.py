"""The plan of a training as text: its cost, and a table of which clips fit in which batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sovits_cli.report.console import duration
from sovits_cli.report.tables import aligned, format_bytes

if TYPE_CHECKING:
    from sovits_cli.training.planner import StagePlan


def drawn_plan(plan: StagePlan) -> str:
    """Three lines and a table; what does not fit stands in brackets."""
    fits = "fits" if plan.peak_bytes <= plan.free_bytes else "does NOT fit"
    sizes = [f"x {clips}" for clips in next(iter(plan.fits.values()))]
    rows = [
        [f"{seconds} s", *(_cell(needed, plan.free_bytes) for needed in row.values())]
        for seconds, row in plan.fits.items()
    ]
    return "\n".join(
        [
            f"{plan.stage}: {format_bytes(plan.peak_bytes)} at most on {plan.device} ({plan.precision}), "
            f"{fits} {format_bytes(plan.free_bytes)}; the program itself comes on top",
            f"{plan.stage}: all sizes are {100 * plan.margin:.0f} % above what the tried steps took, on average",
            f"{plan.stage}: {plan.batches} batches an epoch, clips up to {plan.longest_s:.1f} s, "
            f"about {duration(plan.epoch_s)} an epoch here",
            *(f"  {line}" for line in aligned([["longest clip", *sizes], *rows])),
        ]
    )


def _cell(needed: float, free: float) -> str:
    return format_bytes(needed) if needed <= free else f"({format_bytes(needed)})"
