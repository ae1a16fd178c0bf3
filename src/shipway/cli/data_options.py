"""The options that say how data is read and what is asked of it, shared by all commands that take `--data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipway.actions.judging import Judging
    from shipway.evaluation.data.base import Reading

DATA_HELP = (
    "Labelled data: .npz, .csv, .parquet, .jsonl, a folder of images by class, or module.py:function that yields "
    "batches."
)
_PANEL = "Data"
LabelOption = Annotated[
    str | None,
    typer.Option("--label", metavar="COLUMN", help="The column of the labels.", rich_help_panel=_PANEL),
]
PixelsOption = Annotated[
    str | None,
    typer.Option(
        "--pixels",
        metavar="SCALE",
        help="How images become floats: 0..255, 0..1, -1..1 or imagenet; as in training.",
        rich_help_panel=_PANEL,
    ),
]
ResizeOption = Annotated[
    str | None,
    typer.Option(
        "--resize",
        metavar="FILTER",
        help="Bring images to the model's size as in training: bilinear, bicubic, nearest, lanczos, box.",
        rich_help_panel=_PANEL,
    ),
]
AllowMissingFlag = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="NaN and empty cells are values that the model takes (boosted trees, imputers).",
        rich_help_panel=_PANEL,
    ),
]
DropBadFlag = Annotated[
    bool,
    typer.Option(
        "--drop-bad",
        help="Go on without rows that cannot be used (NaN, missing values, unreadable images, labels that are no "
        "class), and record which.",
        rich_help_panel=_PANEL,
    ),
]
PartOption = Annotated[
    str | None,
    typer.Option(
        "--part",
        metavar="PART",
        help="Only these rows of the split by content: calibration (20 %), tuning (20 %) or gate (60 %).",
        rich_help_panel=_PANEL,
    ),
]
TaskOption = Annotated[
    str,
    typer.Option(
        "--task",
        metavar="TASK",
        help="classification, multilabel or regression; auto tells by labels and outputs.",
        rich_help_panel=_PANEL,
    ),
]
SliceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slice",
        metavar="SLICE",
        help="Judge a part of the rows beside the rest: a column, or 'age >= 60 and site in (A, B)'. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="FILE.py:FUNCTION",
        help="A metric of your own: FUNCTION(labels, outputs) returns a number, or a dict of them. Repeatable.",
        rich_help_panel=_PANEL,
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="NAME",
        help="The output to judge, of a model with several heads.",
        rich_help_panel=_PANEL,
    ),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="NAMES",
        help="Names of the classes, in the order of the model's outputs: cat,dog.",
        rich_help_panel=_PANEL,
    ),
]


def given_reading(
    *,
    label: str | None,
    pixels: str | None,
    resize: str | None,
    allow_missing: bool,
    drop_bad: bool,
    part: str | None = None,
    python: str | None = None,
) -> Reading:
    """What the options say of the data. Raises `typer.BadParameter`."""
    from shipway.evaluation.data.base import (  # inside: `shipway --help` loads no rooms but cli
        PIXELS,
        Reading,
    )

    scale = next((known for known in PIXELS if known == pixels), None)
    if pixels is not None and scale is None:
        raise typer.BadParameter(f"{pixels!r}: expected {', '.join(PIXELS)}.", param_hint="--pixels")
    return Reading(
        label=label,
        pixels=scale,
        resize=resize,
        python=None if python is None else Path(python),
        allow_missing=allow_missing,
        drop_bad=drop_bad,
        part=part,
    )


def given_judging(
    *,
    task: str,
    slices: list[str] | None,
    metrics: list[str] | None,
    output: str | None,
    classes: str | None,
) -> Judging:
    """What the options ask of the data."""
    from shipway.actions.judging import Judging  # inside: as above

    return Judging(
        task=task,
        slices=tuple(slices or ()),
        metrics=tuple(metrics or ()),
        output=output,
        class_names=tuple(name.strip() for name in classes.split(",")) if classes else (),
    )
