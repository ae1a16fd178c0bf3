"""`shipway conformance`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import shipway
from shipway.cli.command import run_action
from shipway.cli.options import (
    ApiKeyOption,
    CaOption,
    ClientCertOption,
    ClientKeyOption,
    JsonFlag,
    given_credentials,
)
from shipway.cli.show import show_result

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Try an inference protocol, sentence by sentence, on any server."
_MARKS = ("FAIL", "INCONCLUSIVE", "PASS", "SKIPPED")
"""The gravest first: what a line shows that stands for several models."""
_COLORS = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow", "SKIPPED": "dim"}
Check = Mapping[str, Any]


def command(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="The server's address: http://HOST:PORT or https://HOST:PORT."),
    ],
    protocol: Annotated[
        str, typer.Option("--protocol", metavar="PROTOCOL", help="Which to try: v2, tfs or all.")
    ] = "v2",
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Try this model; may be repeated. Otherwise all."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DATA", help="Inputs to ask: an .npz with an array for each input."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="GLOB", help="Only checks of such names: 'core.infer.*'."),
    ] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Also unload and load models, one after the other.")
    ] = False,
    api_key: ApiKeyOption = None,
    ca: CaOption = None,
    client_cert: ClientCertOption = None,
    client_key: ClientKeyOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Limit for each answer.")
    ] = 10,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the findings as JUnit XML.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Try an inference protocol on any running server, and judge sentence by sentence whether it keeps it."""
    credentials = given_credentials(api_key, ca, client_cert, client_key)
    run_action(
        lambda terminal: shipway.check_conformance(
            url,
            protocol=protocol,
            models=model or (),
            data=data,
            only=only or (),
            allow_changes=allow_changes,
            credentials=credentials,
            timeout_seconds=timeout,
            junit=junit,
            observer=terminal,
        ),
        _show,
        as_json=as_json,
    )


def _show(outcome: Outcome, console: Console) -> None:
    document: Mapping[str, Any] = outcome.details["conformance"]
    by_id: dict[str, list[Check]] = {}
    for check in document["checks"]:
        by_id.setdefault(check["id"], []).append(check)
    group = ""
    for name, checks in by_id.items():
        if name.rpartition(".")[0] != group:
            group = name.rpartition(".")[0]
            console.print(f"\n[bold]{group}[/]", highlight=False)
        _show_check(checks, console)
    _show_summary(document["summary"], console)
    show_result(outcome, console)


def _show_check(checks: Sequence[Check], console: Console) -> None:
    """One line for a check, however many models it was tried on; below it what it found wrong."""
    marks = [check["result"] for check in checks]
    mark = next(mark for mark in _MARKS if mark in marks)
    first = next(check for check in checks if check["result"] == mark)
    if mark == "SKIPPED" or (mark == "PASS" and len(checks) == 1 and first["reason"]):
        words = f" [dim]({escape(first['reason'])})[/]"
    else:
        words = ""
    level = "" if first["level"] == "required" else f" [cyan]{first['level']}[/]"
    name = first["id"].rpartition(".")[2]
    console.print(
        f"  [{_color(first)}]{mark:<12}[/] {name:<18} {escape(first['rule'])}{level}{words}",
        highlight=False,
        soft_wrap=True,
    )
    for check in checks:
        if check["result"] in ("FAIL", "INCONCLUSIVE"):
            _show_trouble(check, console)


def _show_trouble(check: Check, console: Console) -> None:
    where = "" if check["model"] is None else f"{check['model']}: "
    _line(console, f"{where}{check['reason']}")
    _line(console, f"see {check['source']}")
    if check["request"]:
        _line(console, f"asked    {_first_lines(check['request'])}")
    if check["answer"]:
        _line(console, f"answered {_first_lines(check['answer'])}")


def _line(console: Console, text: str) -> None:
    console.print(f"      {text}", markup=False, highlight=False, soft_wrap=True)


def _first_lines(text: str) -> str:
    """Line and body, without the headers between: those are in the document."""
    head, _, body = text.partition("\n\n")
    return f"{head.partition(chr(10))[0]}  {' '.join(body.split())}"[:300]


def _color(check: Check) -> str:
    if check["result"] == "FAIL" and check["level"] == "recommended":
        return "yellow"
    return _COLORS[check["result"]]


def _show_summary(summary: Mapping[str, Mapping[str, int]], console: Console) -> None:
    table = Table()
    for column in ("level", "PASS", "FAIL", "INCONCLUSIVE", "SKIPPED"):
        table.add_column(column, justify="left" if column == "level" else "right")
    for level, counts in summary.items():
        table.add_row(
            level, *(str(counts.get(mark, 0)) for mark in ("PASS", "FAIL", "INCONCLUSIVE", "SKIPPED"))
        )
    console.print()
    console.print(table)
