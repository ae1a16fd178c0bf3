"""What a format of data files is to the rest: columns with names, and their rows in order, a block at a time.

A reader says what stands in the file and hands out values; which column is which input, and whether values fit,
is `dataset.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from shipway.types import Array

Pixels = Literal["0..255", "0..1", "-1..1", "imagenet"]
"""How an image's bytes become a model's numbers; `imagenet`: 0..1, then the channels' usual mean and spread."""
PIXELS: tuple[Pixels, ...] = get_args(Pixels)


@dataclass(frozen=True)
class Reading:
    """What the user says of the data beyond its path."""

    label: str | None = None
    """The column that holds the labels, where it has no usual name."""
    pixels: Pixels | None = None
    resize: str | None = None
    """The filter that brings images to the model's size (`bilinear`, `nearest`, …); None: they must have it."""
    python: Path | None = None
    """The interpreter that runs `module.py:function`."""
    columns: tuple[str, ...] = ()
    """Columns to keep beside inputs and labels, one value a row: what slices are made of."""
    allow_missing: bool = False
    """NaN, and empty cells of number columns, are values that the model takes (boosted trees, imputers)."""
    drop_bad: bool = False
    """Go on without rows that cannot be used, instead of refusing the data."""
    part: str | None = None
    """Only the rows of this part of the split (`split.py`)."""


@dataclass(frozen=True)
class Column:
    """One column of the data: what each row of it holds."""

    name: str
    dtype: np.dtype[Any]
    """`object` for texts of any length (and for what is pickled, which is never read)."""
    row_shape: tuple[int, ...] = ()
    rows: int | None = None
    """None where only reading tells; all columns of one file need the same."""
    is_scalar: bool = False
    """One value for the whole file: it has no rows."""
    called: str = ""
    """As messages have it, where the name alone would not do."""

    def __str__(self) -> str:
        return (
            self.called or f"{self.name} {self.dtype}[rows{''.join(f', {size}' for size in self.row_shape)}]"
        )


@dataclass(frozen=True)
class Problem:
    """A row that cannot be used: its place, and why."""

    row: int
    """In the file, from 0."""
    column: str
    kind: str
    """`missing`, `unreadable`, `not-a-number`: one word that findings are grouped by."""
    words: str
    """What stands there, for people: `'abc' is no number`, `cat/7.png is no image`."""


@dataclass(frozen=True)
class Block:
    """Some rows, in the file's order."""

    first_row: int
    """In the file, from 0."""
    arrays: dict[str, Array]
    """Column → `[rows, *row_shape]`; rows with a problem are there too, with a value that stands for nothing."""
    problems: tuple[Problem, ...] = ()


class Reader(Protocol):
    """An open data set."""

    format: str
    """`npz`, `csv`, `parquet`, `jsonl`, `images`, `python`."""
    path: Path
    columns: Mapping[str, Column]
    """In the file's order."""
    label_names: tuple[str, ...]
    """Names by which this format's label column goes, the likeliest first."""
    class_names: tuple[str, ...]
    """Of the label column's indices, where the format tells them (folders of images); else empty."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed in reading, a line each; complete when all rows were read."""

    def blocks(
        self, names: tuple[str, ...], dtypes: Mapping[str, np.dtype[Any]], *, rows: int
    ) -> Iterator[Block]:
        """The named columns, at most `rows` rows at a time; may be asked again, each time from the first row.

        `dtypes` are what formats of texts (CSV) shall read a column as; formats that know their dtypes give what
        they have. Raises `DataFormatError` where the file is damaged, `DataMismatchError` on ragged rows.
        """

    def sha256(self) -> str:
        """Of the file's bytes, or of all files' names and bytes."""

    def close(self) -> None:
        """Lets go of files and of what was written for the reading."""


@dataclass(frozen=True)
class Finding:
    """One thing about the data that its owner should know."""

    kind: str
    """`missing`, `not-finite`, `constant`, `range`, `duplicates`, `near-duplicates`, `leakage`, `class-balance`,
    `absent-class`, `label-range`, `unreadable`, `image-size`, `image-mode`, …"""
    severity: Literal["error", "warning", "note"]
    where: str
    """The input, column or class."""
    count: int
    of: int
    examples: tuple[str, ...]
    """At most five: `row 17`, `rows 3 and 90`."""
    words: str
    """What was found, one sentence."""
    remedy: str
    """What to do, one sentence or line of code."""

    def to_json(self) -> dict[str, Any]:
        """As `details["data"]["findings"]` holds it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "where": self.where,
            "count": self.count,
            "of": self.of,
            "examples": list(self.examples),
            "words": self.words,
            "remedy": self.remedy,
        }
