"""Probers of tiny stages, for the tests of what a step costs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import Precision
from sovits_cli.training.engine import Engine
from sovits_cli.training.memory_profiler import MemoryProfiler, synthetic_gpt_batch, synthetic_sovits_batch
from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.stages.gpt import GptStage, GptStageOptions
from sovits_cli.training.stages.sovits import SovitsStage, SovitsStageOptions
from tests.training.worlds import SOVITS

CPU = torch.device("cpu")

Made = tuple[MemoryProfiler[Any], torch.nn.Module]


def unused(*_: object) -> Any:
    raise AssertionError("nothing is exported here")


def gpt(*, checkpointing: bool = False, precision: Precision = Precision.FULL, device: torch.device = CPU) -> Made:
    torch.manual_seed(1)
    config = T2SConfig(width=64, heads=4, layers=3, vocab=101, bert_dim=0)
    engine = Engine(device, precision)
    model = engine.place(Text2Semantic(config))
    model.h.activation_checkpointing = checkpointing
    stage = partial(GptStage, model, GptStageOptions(), schedule=LearningRateSchedule(0.0), export=unused)
    return MemoryProfiler(stage, engine, partial(synthetic_gpt_batch, config)), model


def sovits(*, precision: Precision = Precision.FULL, device: torch.device = CPU) -> Made:
    torch.manual_seed(1)
    engine = Engine(device, precision)
    model = engine.place(VitsModel(SOVITS))
    stage = partial(SovitsStage, model, None, SovitsStageOptions(), schedule=LearningRateSchedule(0.0), export=unused)
    return MemoryProfiler(stage, engine, partial(synthetic_sovits_batch, SOVITS)), model
