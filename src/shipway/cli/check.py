"""`shipway check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import shipway
from shipway.cli.command import run_action
from shipway.cli.options import AcceptOption, JsonFlag, accepted
from shipway.cli.show import show_metrics, show_result, show_speed

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Judge what a live endpoint answers."


def command(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server's address: http://HOST:PORT.")],
    bundle: Annotated[
        Path, typer.Option("--bundle", metavar="BUNDLE", help="The bundle it should answer as.")
    ],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DATA", help="Labelled data (.npz) to ask.")
    ] = None,
    accept: AcceptOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask a live endpoint, and judge whether it answers as the bundle's model does, and how fast."""
    verdicts = accepted(accept)
    run_action(
        lambda terminal: shipway.check(url, bundle, data=data, accept=verdicts, observer=terminal),
        _show,
        as_json=as_json,
    )


def _show(outcome: Outcome, console: Console) -> None:
    show_metrics(outcome, console)
    show_speed(outcome, console)
    show_result(outcome, console)
