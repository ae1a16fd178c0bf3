"""What a person sees: stages with a spinner on a terminal, plain lines elsewhere, verdicts in color."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from shipway.bundle.evidence import Result, Verdict

COLORS = {Result.PASS: "green", Result.FAIL: "bold red", Result.INCONCLUSIVE: "yellow"}
MARKS = {Result.PASS: "✓", Result.FAIL: "✗", Result.INCONCLUSIVE: "?"}


class _Now:
    """What the spinner says: stage, what it does, and for how long by now; drawn anew with every frame."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.doing = ""
        self.began = time.monotonic()

    def __rich__(self) -> str:
        seconds = int(time.monotonic() - self.began)
        elapsed = f" {seconds} s" if seconds else ""
        return f"[bold]{self.stage:<9}[/] [dim]{escape(self.doing)}{elapsed}[/]"


class Terminal:
    """Shows what an action does (`shipway.Observer`). A context manager, so that the spinner always ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._now = _Now("")
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_spinner()

    def begin(self, stage: str) -> None:
        """A stage begins."""
        self._stop_spinner()
        self._now = _Now(stage)
        if self.console.is_terminal:
            self._status = self.console.status(self._now, spinner="dots")
            self._status.start()
        else:
            self._line(f"{stage} …")

    def doing(self, text: str) -> None:
        """What the stage does now."""
        self._now.doing = text
        if self._status is None and self._now.stage:
            self._line(f"  {text}")

    def note(self, text: str) -> None:
        """Something to know."""
        self.console.print(f"  [cyan]note[/]  {escape(text)}", soft_wrap=True, highlight=False)

    def verdict(self, verdict: Verdict) -> None:
        """A verdict, in one line."""
        self.console.print(
            f"  [{COLORS[verdict.result]}]{verdict.result}[/]  {escape(verdict.rule)}: {escape(verdict.reason)}"
            f" [dim]({escape(verdict.subject)})[/]",
            soft_wrap=True,
            highlight=False,
        )

    def end(self, summary: str, result: Result = Result.PASS) -> None:
        """The stage is done."""
        self._stop_spinner()
        mark = f"[{COLORS[result]}]{MARKS[result]}[/]"
        seconds = time.monotonic() - self._now.began
        self.console.print(
            f"{mark} [bold]{self._now.stage:<9}[/] {escape(summary)} [dim]{seconds:.1f} s[/]",
            soft_wrap=True,
            highlight=False,
        )
        self._now = _Now("")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _stop_spinner(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
