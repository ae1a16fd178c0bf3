"""What a report is made of: the document that `--json` prints, samples, and where and when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from shipway.bundle.evidence import Json
from shipway.evaluation.report.markup import Nodes


@dataclass(frozen=True)
class Sample:
    """One row to look at, and what the model made of it."""

    row: int
    """In the data, from 0."""
    kind: Literal["image", "text", "values"]
    label: str | float
    decision: str | float
    png: bytes | None = None
    """Of an image."""
    text: str | None = None
    """Of a text; of values, one `name: value` a line."""
    loss: float | None = None
    score: float | None = None
    """The probability given to the label."""
    confidence: float | None = None
    """The probability given to the decision."""


@dataclass(frozen=True)
class Section:
    """A part of the page, with its heading."""

    id: str
    title: str
    lead: Nodes
    """One or two sentences on how to read it."""
    body: Nodes


@dataclass(frozen=True)
class Contents:
    """All that sections are made from."""

    document: Mapping[str, Json]
    samples: tuple[Sample, ...]
    title: str
    machine: Mapping[str, str]
    command: str | None
    made_at: datetime

    @cached_property
    def evaluation(self) -> Mapping[str, Json]:
        """Empty where the document has none."""
        return self.document.get("evaluation") or {}

    @cached_property
    def data(self) -> Mapping[str, Json]:
        """Empty where the document has none."""
        return self.document.get("data") or {}

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, float | None]]:
        """Name → `{value, low, high}`."""
        return self.document.get("metrics") or {}

    @cached_property
    def verdicts(self) -> tuple[Mapping[str, Json], ...]:
        """In the order in which they were reached."""
        return tuple(self.document.get("verdicts") or ())

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names by index; empty for a regression."""
        return tuple(str(name) for name in self.evaluation.get("classes") or ())

    @cached_property
    def class_index(self) -> Mapping[str, int]:
        """Name → index, by which figures of one class find each other."""
        return {name: index for index, name in enumerate(self.classes)}

    @property
    def task(self) -> str:
        """`classification`, `multilabel`, `regression`, or empty."""
        return str(self.evaluation.get("task") or "")

    @property
    def result(self) -> str:
        """`PASS`, `FAIL`, `INCONCLUSIVE`, or `DONE` where nothing was judged."""
        return str(self.document.get("result") or "DONE")

    def metric_of(self, metric: str, subject: str) -> Mapping[str, float | None] | None:
        """The figure of one class or output: `metric[NAME]`."""
        return self.metrics.get(f"{metric}[{subject}]")
