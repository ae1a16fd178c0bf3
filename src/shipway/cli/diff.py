"""`shipway diff`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import shipway
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
from shipway.cli.exit_codes import FINE, NOT_PASS
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
from shipway.cli.reporting import errors_reported, print_document
from shipway.cli.show_diff import show_diff
from shipway.cli.terminal import Terminal

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Compare two models on the same data."
_STANDARD_OUTPUT = "-"


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="The model that is: BUNDLE, BUNDLE#VARIANT or URL.")],
    b: Annotated[
        str, typer.Argument(metavar="B", help="The model that may take its place, in the same forms.")
    ],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help=f"{DATA_HELP} Labels may be missing.")],
    margin: Annotated[
        str,
        typer.Option(
            "--margin",
            metavar="MARGIN",
            help="What B may be worse by: points of accuracy (1pt), or per cent of A's error (1%).",
        ),
    ] = "1pt",
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
    no_latency: Annotated[bool, typer.Option("--no-latency", help="Do not measure latency.")] = False,
    markdown: Annotated[
        str | None,
        typer.Option(
            "--markdown", metavar="FILE", help="Write a section for a pull request; -: to standard output."
        ),
    ] = None,
    api_key: ApiKeyOption = None,
    ca: CaOption = None,
    client_cert: ClientCertOption = None,
    client_key: ClientKeyOption = None,
    accept: AcceptOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare B with A on the same data, and judge whether B may take A's place."""
    if as_json and markdown == _STANDARD_OUTPUT:
        raise typer.BadParameter("--json has standard output already.", param_hint="--markdown")
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
    share, verdicts = parse_margin(margin), accepted(accept)
    console = Console(stderr=as_json or markdown == _STANDARD_OUTPUT)
    with errors_reported(as_json=as_json), Terminal(console) as terminal:
        outcome = shipway.diff(
            a,
            b,
            data=data,
            margin=share,
            reading=reading,
            judging=judging,
            measure_latency=not no_latency,
            credentials=credentials,
            accept=verdicts,
            observer=terminal,
        )
        if markdown is not None:
            _write_markdown(outcome, markdown)
        if as_json:
            print_document(outcome.to_json())
        else:
            show_diff(outcome, console)
        raise typer.Exit(FINE if outcome.is_fine else NOT_PASS)


def parse_margin(text: str) -> float:
    """`1pt` and `1%` as 0.01. Raises `typer.BadParameter`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:pt|%)\s*", text)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share < 1:
        raise typer.BadParameter(
            f"{text!r}: expected points of accuracy as 1pt or 0.5pt, or per cent of A's error as 1%.",
            param_hint="--margin",
        )
    return share


def _write_markdown(outcome: Outcome, target: str) -> None:
    from shipway.evaluation.comparison.markdown import (
        render_markdown,
    )  # inside: `--help` loads no rooms but cli
    from shipway.os_errors import os_errors_as_ours

    text = render_markdown(outcome.to_json())
    if target == _STANDARD_OUTPUT:
        typer.echo(text, nl=False)
        return
    with os_errors_as_ours("write the Markdown", Path(target)):
        Path(target).write_text(text, encoding="utf-8")
