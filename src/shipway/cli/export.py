"""`shipway export`."""

from __future__ import annotations

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
    DropBadFlag,
    LabelOption,
    PixelsOption,
    ResizeOption,
    given_reading,
)
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
    given_formats,
    given_hints,
)
from shipway.cli.show import show_result

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Convert, verify, and write a bundle."


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The bundle to write: NAME.bundle.")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="Formats, one variant each: onnx (served; the default), torchscript, pt2, savedmodel, keras, "
            "litert, openvino.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DATA", help=f"Real inputs to take the verdicts on. {DATA_HELP}"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The model's name (default: the file's stem).")
    ] = None,
    python: PythonOption = None,
    timeout: TimeoutOption = 900.0,
    memory_limit: MemoryOption = None,
    disk_limit: DiskOption = None,
    label: LabelOption = None,
    pixels: PixelsOption = None,
    resize: ResizeOption = None,
    allow_missing: AllowMissingFlag = False,
    drop_bad: DropBadFlag = False,
    given: InputOption = None,
    signature: SignatureOption = None,
    weights: WeightsOption = None,
    trust: TrustFlag = False,
    accept: AcceptOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Convert MODEL, verify that it is still the same model, and write a bundle."""
    verdicts, hints = accepted(accept), given_hints(given, signature, weights, trust)
    reading = given_reading(
        label=label,
        pixels=pixels,
        resize=resize,
        allow_missing=allow_missing,
        drop_bad=drop_bad,
        python=python,
    )
    run_action(
        lambda terminal: shipway.export(
            model,
            out,
            to=given_formats(to),
            data=data,
            name=name,
            python=python,
            limits=child_limits(timeout, memory_limit, disk_limit),
            hints=hints,
            reading=reading,
            accept=verdicts,
            observer=terminal,
        ),
        _show,
        as_json=as_json,
    )


def _show(outcome: Outcome, console: Console) -> None:
    assert outcome.bundle is not None
    console.print(
        f"Bundle: {escape(str(outcome.bundle.path))}  [dim]{outcome.bundle.id}[/]",
        soft_wrap=True,
        highlight=False,
    )
    show_result(outcome, console)
