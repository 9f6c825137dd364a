"""sovits: GPT-SoVITS voice cloning and few-shot TTS, as one command line and as a library.

    from sovits_cli import Voice

    voice = Voice.load("mini")
    reference = voice.reference("r.wav", transcript="What is said in it.")
    for part in voice.stream("A text of any length.", reference, seed=1):
        part.samples, part.rate, part.text, part.verdict

`slice_recordings`, `prepare_dataset` and `train` make such a voice: each takes settings objects and a reporter, and
returns what it did.

Everything named here is public, typed, and free of terminal and flags; what it raises is a `SovitsError`. Importing
the package costs nothing: a name is loaded when it is first asked for (PEP 562).
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, which takes longer to import than all this
if TYPE_CHECKING:
    from sovits_cli.audio.slicing import SlicedRecording, SliceResult, slice_recordings
    from sovits_cli.config.schema import InferenceSettings, PrepSettings, Settings, SliceSettings
    from sovits_cli.config.training_sections import (
        ContentSettings,
        DataSettings,
        OptimizerSettings,
        SovitsSettings,
        TrainSettings,
    )
    from sovits_cli.data.experiment import LeftOut
    from sovits_cli.data.length_bins import LengthBin
    from sovits_cli.errors import (
        AudioError,
        DatasetError,
        InputError,
        ModelError,
        NetworkError,
        ResourceError,
        SettingsError,
        SovitsError,
        TextError,
        UnforeseenError,
        UsageError,
    )
    from sovits_cli.events import (
        Chose,
        Doubtful,
        Event,
        Metrics,
        Note,
        Progress,
        Reporter,
        Saved,
        Silent,
        Skipped,
        Surveyed,
        Warned,
    )
    from sovits_cli.inference.checks import Verdict
    from sovits_cli.inference.reference import Recording, Reference, read_recording
    from sovits_cli.inference.request import SynthesisRequest
    from sovits_cli.inference.synthesizer import SpokenUtterance
    from sovits_cli.inference.voice import Voice
    from sovits_cli.inference.writer import Audio
    from sovits_cli.prep.pipeline import PrepPlan, PrepResult, plan_dataset, prepare_dataset
    from sovits_cli.prep.step_runner import StepPlan
    from sovits_cli.text.lexicon import Lexicon, load_lexicon
    from sovits_cli.training.pipeline import TrainOptions, TrainResult, plan_training, train
    from sovits_cli.training.planner import StagePlan
    from sovits_cli.training.trainer_config import StageResult, StopRequest

__version__ = "0.1.0"

_MODULES = {
    "audio.slicing": ("SliceResult", "SlicedRecording", "slice_recordings"),
    "config.training_sections": (
        "ContentSettings",
        "DataSettings",
        "OptimizerSettings",
        "SovitsSettings",
        "TrainSettings",
    ),
    "config.schema": ("InferenceSettings", "PrepSettings", "Settings", "SliceSettings"),
    "data.experiment": ("LeftOut",),
    "data.length_bins": ("LengthBin",),
    "errors": (
        "AudioError",
        "DatasetError",
        "InputError",
        "ModelError",
        "NetworkError",
        "ResourceError",
        "SettingsError",
        "SovitsError",
        "TextError",
        "UnforeseenError",
        "UsageError",
    ),
    "events": (
        "Chose",
        "Doubtful",
        "Event",
        "Metrics",
        "Note",
        "Progress",
        "Reporter",
        "Saved",
        "Silent",
        "Skipped",
        "Surveyed",
        "Warned",
    ),
    "inference.checks": ("Verdict",),
    "inference.reference": ("Recording", "Reference", "read_recording"),
    "inference.request": ("SynthesisRequest",),
    "inference.synthesizer": ("SpokenUtterance",),
    "inference.voice": ("Voice",),
    "inference.writer": ("Audio",),
    "prep.pipeline": ("PrepPlan", "PrepResult", "plan_dataset", "prepare_dataset"),
    "prep.step_runner": ("StepPlan",),
    "text.lexicon": ("Lexicon", "load_lexicon"),
    "training.pipeline": ("TrainOptions", "TrainResult", "plan_training", "train"),
    "training.planner": ("StagePlan",),
    "training.trainer_config": ("StageResult", "StopRequest"),
}
"""Module of ours -> what of it is public. `tests/test_public_surface.py` holds the names and their signatures."""

_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Audio",
    "AudioError",
    "Chose",
    "ContentSettings",
    "DataSettings",
    "DatasetError",
    "Doubtful",
    "Event",
    "InferenceSettings",
    "InputError",
    "LeftOut",
    "LengthBin",
    "Lexicon",
    "Metrics",
    "ModelError",
    "NetworkError",
    "Note",
    "OptimizerSettings",
    "PrepPlan",
    "PrepResult",
    "PrepSettings",
    "Progress",
    "Recording",
    "Reference",
    "Reporter",
    "ResourceError",
    "Saved",
    "Settings",
    "SettingsError",
    "Silent",
    "Skipped",
    "SliceResult",
    "SliceSettings",
    "SlicedRecording",
    "SovitsError",
    "SovitsSettings",
    "SpokenUtterance",
    "StagePlan",
    "StageResult",
    "StepPlan",
    "StopRequest",
    "Surveyed",
    "SynthesisRequest",
    "TextError",
    "TrainOptions",
    "TrainResult",
    "TrainSettings",
    "UnforeseenError",
    "UsageError",
    "Verdict",
    "Voice",
    "Warned",
    "__version__",
    "load_lexicon",
    "plan_dataset",
    "plan_training",
    "prepare_dataset",
    "read_recording",
    "slice_recordings",
    "train",
]


def __getattr__(name: str) -> object:
    """Load a public name; the second time it is there."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return __all__
