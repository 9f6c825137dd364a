"""A model that costs nothing, a reporter that remembers, and a way to compare dataset folders."""

import torch

from sovits_cli.data.manifest_readers import read_manifest
from sovits_cli.events import Progress, Skipped
from sovits_cli.prep.pipeline import PrepOptions, build_dataset
from sovits_cli.terms import SPEAKER_CHANNELS
from sovits_cli.versions import VERSIONS

CHANNELS = 3


class FakeModels:
    """Features are level, roughness and peak of each window; tokens their sum. `fail_after` raises in `encode`."""

    def __init__(
        self, name="fake", version="mini", content="c1", semantic="s1", bert=None, speaker=None, fail_after=None
    ):
        self.name = name
        self.version = VERSIONS[version]
        self.content_key = content
        self.semantic_key = semantic
        self.bert_key = bert
        self.speaker_key = speaker
        self.content_scale = 1.0
        self.fail_after = fail_after
        self.encoded = self.tokenised = self.read = self.recognised = 0

    def encode(self, wave):
        if self.fail_after is not None and self.encoded >= self.fail_after:
            raise KeyboardInterrupt
        self.encoded += 1
        frames = wave.unfold(0, 400, 320)
        parts = [frames.square().mean(1), frames.diff(dim=1).square().mean(1), frames.abs().amax(1)]
        salt = float(len(self.content_key)) if self.content_key != "c1" else 0.0
        features = torch.stack(parts)[None].sqrt()
        return torch.roll(features, 1, dims=1) + salt if salt else features

    def tokens(self, features):
        self.tokenised += 1
        pairs = features[0, :, : features.shape[-1] // 2 * 2].unflatten(1, (-1, 2)).mean(-1)
        return (pairs.sum(0) * 100).long().clamp(0, 255).tolist()

    def bert(self, norm, word2ph):
        self.read += 1
        return torch.full((4, sum(word2ph)), float(len(norm)))

    def speaker(self, wave):
        self.recognised += 1
        return torch.full((1, SPEAKER_CHANNELS), float(wave.abs().max()))


class RecordingReporter:
    """A reporter that keeps events; `at` raises when a step has done so many clips."""

    def __init__(self, at=None):
        self.events = []
        self.at = at

    def emit(self, event):
        self.events.append(event)
        if isinstance(event, Progress) and (event.task, event.done) == self.at:
            raise KeyboardInterrupt

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def skipped(self):
        return {event.item: event.reason for event in self.of(Skipped)}


def run(source, out, models=None, heard=None, *, lang="en", workers=2, min_sec=0.6, max_sec=54.0):
    """Prepare `source` with fake models."""
    options = PrepOptions(min_sec=min_sec, max_sec=max_sec, workers=workers)
    return build_dataset(
        read_manifest(source, lang), out, models or FakeModels(), options, heard or RecordingReporter()
    )


def contents(folder):
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
