"""`shipway evaluate`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

import shipway
from shipway.cli.command import run_action
from shipway.cli.data_options import (
    DATA_HELP,
    AllowMissingFlag,
    ClassesOption,
    DropBadFlag,
    LabelOption,
    MetricOption,
    OutputOption,
    PartOption,
    PixelsOption,
    ResizeOption,
    SliceOption,
    TaskOption,
    given_judging,
    given_reading,
)
from shipway.cli.options import (
    ApiKeyOption,
    CaOption,
    ClientCertOption,
    ClientKeyOption,
    JsonFlag,
    PythonOption,
    command_line,
    given_credentials,
)
from shipway.cli.show import show_result
from shipway.cli.show_findings import show_findings
from shipway.cli.show_quality import show_metrics

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Measure quality on labelled data."


def command(
    target: Annotated[
        str, typer.Argument(metavar="BUNDLE|URL", help="A bundle, or the address of a live model.")
    ],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help=DATA_HELP)],
    label: LabelOption = None,
    pixels: PixelsOption = None,
    resize: ResizeOption = None,
    allow_missing: AllowMissingFlag = False,
    drop_bad: DropBadFlag = False,
    part: PartOption = None,
    task: TaskOption = "auto",
    slices: SliceOption = None,
    metric: MetricOption = None,
    output: OutputOption = None,
    classes: ClassesOption = None,
    python: PythonOption = None,
    train_data: Annotated[
        Path | None,
        typer.Option(
            "--train-data",
            metavar="DATA",
            help="The data of the training: rows that are also in it are found.",
        ),
    ] = None,
    inspect_data: Annotated[
        bool,
        typer.Option(
            "--inspect-data",
            help="Only look at the data: what is odd about it, and what to do. Runs no model.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", help="Write a page to look at: figures, charts, rows."),
    ] = None,
    api_key: ApiKeyOption = None,
    ca: CaOption = None,
    client_cert: ClientCertOption = None,
    client_key: ClientKeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure quality on labelled data: every usual figure of the task, each with its 95 % interval."""
    reading = given_reading(
        label=label,
        pixels=pixels,
        resize=resize,
        allow_missing=allow_missing,
        drop_bad=drop_bad,
        part=part,
        python=python,
    )
    judging = given_judging(task=task, slices=slices, metrics=metric, output=output, classes=classes)
    credentials = given_credentials(api_key, ca, client_cert, client_key)
    if inspect_data:
        run_action(
            lambda terminal: shipway.inspect_data(
                target,
                data,
                reading=reading,
                judging=judging,
                train_data=train_data,
                credentials=credentials,
                observer=terminal,
            ),
            _show_findings,
            as_json=as_json,
        )
        return
    run_action(
        lambda terminal: shipway.evaluate(
            target,
            data,
            reading=reading,
            judging=judging,
            train_data=train_data,
            credentials=credentials,
            report=report,
            command=command_line(sys.argv[1:]),
            observer=terminal,
        ),
        partial(_show, report=report),
        as_json=as_json,
    )


def _show_findings(outcome: Outcome, console: Console) -> None:
    show_findings(outcome, console)
    show_result(outcome, console)


def _show(outcome: Outcome, console: Console, *, report: Path | None) -> None:
    show_metrics(outcome, console)
    if report is not None:
        console.print(f"Report: {escape(str(report))}", highlight=False, soft_wrap=True)
    show_result(outcome, console)
