"""`shipway doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import shipway
from shipway.cli.exit_codes import ENVIRONMENT, FINE
from shipway.cli.options import JsonFlag
from shipway.cli.reporting import errors_reported, print_document

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Say what is installed and what is missing."


def command(
    part: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="NAME", help="Only this source, runtime or target (exit 3 if missing)."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what is installed, and the exact line that installs what is missing."""
    with errors_reported(as_json=as_json):
        outcome = shipway.doctor(part)
        if as_json:
            print_document(outcome.to_json())
        else:
            _show(outcome, Console())
        lacking = part is not None and not all(item["is_ready"] for item in outcome.details["parts"])
        raise typer.Exit(ENVIRONMENT if lacking else FINE)


def _show(outcome: Outcome, console: Console) -> None:
    machine = outcome.details["machine"]
    console.print(
        f"Python {machine['python']} on {machine['system']} {machine['machine']}, {machine['cpus']} CPUs",
        highlight=False,
    )
    table = Table()
    for column in ("part", "kind", "needs", "state"):
        table.add_column(column, overflow="fold")
    for part in outcome.details["parts"]:
        needs = "\n".join(
            f"{need['package']} {_state(need)} [dim]({escape(need['wanted'])})[/]" for need in part["needs"]
        )
        state = "[green]ready[/]" if part["is_ready"] else "[yellow]not ready[/]"
        table.add_row(f"{part['name']}\n[dim]{part['purpose']}[/]", part["kind"], needs, state)
    console.print(table)
    for part in outcome.details["parts"]:
        if part["install"]:
            console.print(f"{part['name']}: {part['install']}", markup=False, highlight=False, soft_wrap=True)


def _state(need: dict[str, Any]) -> str:
    if need["installed"] is None:
        return "[red]missing[/]"
    return str(need["installed"]) if need["fits"] else f"[red]{need['installed']} does not fit[/]"
