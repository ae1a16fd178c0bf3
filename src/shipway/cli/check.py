"""`shipway check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

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
    AcceptOption,
    ApiKeyOption,
    CaOption,
    ClientCertOption,
    ClientKeyOption,
    JsonFlag,
    PythonOption,
    accepted,
    given_credentials,
)
from shipway.cli.show import show_result, show_speed
from shipway.cli.show_quality import show_metrics

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Judge what a live endpoint answers."


def command(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="The server's address: http://HOST:PORT or https://HOST:PORT."),
    ],
    bundle: Annotated[
        Path, typer.Option("--bundle", metavar="BUNDLE", help="The bundle it should answer as.")
    ],
    data: Annotated[Path | None, typer.Option("--data", metavar="DATA", help=DATA_HELP)] = None,
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
    api_key: ApiKeyOption = None,
    ca: CaOption = None,
    client_cert: ClientCertOption = None,
    client_key: ClientKeyOption = None,
    accept: AcceptOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask a live endpoint, and judge whether it answers as the bundle's model does, and how fast."""
    verdicts = accepted(accept)
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
    run_action(
        lambda terminal: shipway.check(
            url,
            bundle,
            data=data,
            reading=reading,
            judging=judging,
            credentials=credentials,
            accept=verdicts,
            observer=terminal,
        ),
        _show,
        as_json=as_json,
    )


def _show(outcome: Outcome, console: Console) -> None:
    show_metrics(outcome, console)
    show_speed(outcome, console)
    show_result(outcome, console)
