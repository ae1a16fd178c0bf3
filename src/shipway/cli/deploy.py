"""`shipway deploy`: the main job."""

from __future__ import annotations

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
    PixelsOption,
    ResizeOption,
    SliceOption,
    TaskOption,
    given_judging,
    given_reading,
)
from shipway.cli.exit_codes import FINE, NOT_PASS
from shipway.cli.options import (
    MODEL_HELP,
    AcceptOption,
    DiskOption,
    InputOption,
    JsonFlag,
    MemoryOption,
    PythonOption,
    SignatureOption,
    TimeoutOption,
    TrustFlag,
    WeightsOption,
    accepted,
    child_limits,
    given_hints,
)
from shipway.cli.reporting import errors_reported, print_document
from shipway.cli.show import show_result, show_speed
from shipway.cli.show_quality import show_metrics
from shipway.cli.terminal import Terminal

if TYPE_CHECKING:
    from shipway.actions.deploy import Deployment
    from shipway.actions.outcome import Outcome

SUMMARY = "Take a model all the way to a checked endpoint."


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    data: Annotated[Path, typer.Option("--data", metavar="DATA", help=DATA_HELP)],
    name: Annotated[
        str | None, typer.Option("--name", help="The model's name (default: the file's stem).")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where NAME.bundle is written.")] = Path(),
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 8080,
    once: Annotated[bool, typer.Option("--once", help="Stop the endpoint after the check.")] = False,
    python: PythonOption = None,
    timeout: TimeoutOption = 900.0,
    memory_limit: MemoryOption = None,
    disk_limit: DiskOption = None,
    label: LabelOption = None,
    pixels: PixelsOption = None,
    resize: ResizeOption = None,
    allow_missing: AllowMissingFlag = False,
    drop_bad: DropBadFlag = False,
    task: TaskOption = "auto",
    slices: SliceOption = None,
    metric: MetricOption = None,
    output: OutputOption = None,
    classes: ClassesOption = None,
    given: InputOption = None,
    signature: SignatureOption = None,
    weights: WeightsOption = None,
    trust: TrustFlag = False,
    accept: AcceptOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take MODEL all the way: export, verify, evaluate, bundle, serve and check.

    The endpoint stays up until Ctrl-C; with --once it stops after the check.
    """
    console = Console(stderr=as_json)
    verdicts, hints = accepted(accept), given_hints(given, signature, weights, trust)
    reading = given_reading(
        label=label,
        pixels=pixels,
        resize=resize,
        allow_missing=allow_missing,
        drop_bad=drop_bad,
        python=python,
    )
    judging = given_judging(task=task, slices=slices, metrics=metric, output=output, classes=classes)
    with errors_reported(as_json=as_json):
        with Terminal(console) as terminal:
            deployment = shipway.deploy(
                model,
                data,
                name=name,
                out=out,
                host=host,
                port=port,
                python=python,
                limits=child_limits(timeout, memory_limit, disk_limit),
                hints=hints,
                reading=reading,
                judging=judging,
                accept=verdicts,
                observer=terminal,
            )
        with deployment:
            if once:
                deployment.stop()
            if as_json:
                print_document(deployment.outcome.to_json())
            else:
                _show(deployment.outcome, console)
            if deployment.server is not None:
                _stay(deployment, console)
        raise typer.Exit(FINE if deployment.outcome.is_fine else NOT_PASS)


def _show(outcome: Outcome, console: Console) -> None:
    show_metrics(outcome, console)
    show_speed(outcome, console)
    show_result(outcome, console)


def _stay(deployment: Deployment, console: Console) -> None:
    request = deployment.outcome.details.get("request")
    console.print(f"\nServing at [bold]{deployment.url}[/]. Ask it:\n", highlight=False)
    if request:
        console.print(request["curl"], markup=False, highlight=False, soft_wrap=True)
    console.print("\n[dim]Ctrl-C stops it.[/]")
    try:
        deployment.wait()
    except KeyboardInterrupt:
        console.print("Stopping; what was accepted is answered first.")
