"""Who watches an action: told of stages, progress and verdicts as they happen; prints nothing itself."""

from __future__ import annotations

from typing import Protocol

from shipway.bundle.evidence import Result, Verdict


class Observer(Protocol):
    """The command line shows these on the terminal; a notebook may do something else."""

    def begin(self, stage: str) -> None:
        """A stage begins: `"export"`, `"verify"`, `"evaluate"`, `"bundle"`, `"serve"`, `"check"`."""

    def doing(self, text: str) -> None:
        """What the current stage does now, in a few words."""

    def note(self, text: str) -> None:
        """Something that the user should know, and that is no verdict."""

    def verdict(self, verdict: Verdict) -> None:
        """A verdict was reached."""

    def end(self, summary: str, result: Result = Result.PASS) -> None:
        """The current stage is done; `summary` says what came of it, `result` whether the line may go on."""


class Silent:
    """Nobody watches."""

    def begin(self, stage: str) -> None:
        """Nothing."""

    def doing(self, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def verdict(self, verdict: Verdict) -> None:
        """Nothing."""

    def end(self, summary: str, result: Result = Result.PASS) -> None:
        """Nothing."""


SILENT: Observer = Silent()
