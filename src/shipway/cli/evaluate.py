"""`shipway evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import shipway
from shipway.cli.command import run_action
from shipway.cli.options import JsonFlag
from shipway.cli.show import show_metrics, show_result

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Measure quality on labelled data."


def command(
    target: Annotated[
        str, typer.Argument(metavar="BUNDLE|URL", help="A bundle, or the address of a live model.")
    ],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help="Labelled data (.npz).")],
    as_json: JsonFlag = False,
) -> None:
    """Measure accuracy, precision, recall and F1 on labelled data."""
    run_action(lambda terminal: shipway.evaluate(target, data, observer=terminal), _show, as_json=as_json)


def _show(outcome: Outcome, console: Console) -> None:
    show_metrics(outcome, console)
    show_result(outcome, console)
