"""What the commands that run an action share: the watcher, and the outcome for people or machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from shipway.cli.exit_codes import FINE, NOT_PASS
from shipway.cli.reporting import errors_reported, print_document
from shipway.cli.terminal import Terminal

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

Action = Callable[[Terminal], "Outcome"]
Show = Callable[["Outcome", Console], None]


def run_action(action: Action, show: Show, *, as_json: bool) -> None:
    """Runs `action`, prints its outcome for people or machines, and ends the command with its exit code."""
    console = Console(stderr=as_json)
    with errors_reported(as_json=as_json), Terminal(console) as terminal:
        outcome = action(terminal)
        if as_json:
            print_document(outcome.to_json())
        else:
            show(outcome, console)
        raise typer.Exit(FINE if outcome.is_fine else NOT_PASS)
