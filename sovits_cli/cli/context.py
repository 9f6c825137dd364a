"""What a command body gets: its settings with their origin, a reporter, the device, and a place for its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sovits_cli.config.layers import Resolved
from sovits_cli.config.schema import Settings
from sovits_cli.devices import find_device
from sovits_cli.events import Chose, Warned
from sovits_cli.report import json_output
from sovits_cli.report.console import Console


@dataclass(frozen=True)
class CommandContext:
    """One run of one command.

    Args:
        resolved: settings, with the origin of each key.
        reporter: takes events; hand it to the pipeline.
        debug: --debug was given.
    """

    resolved: Resolved
    reporter: Console
    debug: bool = False

    @property
    def settings(self) -> Settings:
        """The settings, all layers merged."""
        return self.resolved.settings

    @property
    def origin(self) -> Mapping[str, str]:
        """Key -> where its value was set, "default" if nowhere."""
        return self.resolved.origin

    def given(self, key: str) -> bool:
        """Tell whether anything but the defaults set this key."""
        return self.origin[key] != "default"

    @cached_property
    def device(self) -> str:
        """The device for torch ("cpu", "cuda:0", "mps"); the first use imports torch and reports the choice."""
        found = find_device(self.settings.device)
        self.reporter.device = found.name
        self.reporter.emit(Chose("device", found.name, found.why))
        return found.name

    def warn_of_unusable_languages(self) -> None:
        """Name the languages that other packages register and that cannot be used."""
        from sovits_cli.text.languages import LANGUAGES

        for problem in LANGUAGES.problems:
            self.reporter.emit(Warned(problem.message, **problem.advice))

    def result(self, value: object, text: str = "") -> None:
        """Give the result: `text` goes to stdout for people, or `value` as one JSON line with --json.

        `value` is a frozen dataclass or a mapping; what was left out is added to it as "skipped".
        """
        if not self.reporter.json:
            self.reporter.result(None, text)
            return
        document = json_output.plain(value)
        if isinstance(document, dict) and self.reporter.skipped:
            document.setdefault("skipped", json_output.plain(self.reporter.skipped))
        self.reporter.result(document, text)
