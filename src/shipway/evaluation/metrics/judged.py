"""What a judgement found, whatever the task: the figures, and the document that reports are made from.

`docs/reference/evaluation.md` describes the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.evidence import Estimate, Json
from shipway.types import Array

MOST_WORST = 20


@dataclass(frozen=True)
class Judged:
    """One model on one set of labelled rows."""

    task: str
    """`"classification"`, `"multilabel"` or `"regression"`."""
    metrics: dict[str, Estimate]
    rows: int
    decision_rule: str
    correct: NDArray[np.float64]
    """`[rows]`, larger is better: 1 or 0 (the decision is the label; with several labels a row, all of them),
    or minus the absolute error, averaged over the outputs."""
    labels: Array
    """As judged: int64 `[rows]`, int64 `[rows, classes]` of 0 and 1, or float64 `[rows, outputs]`."""
    predicted: Array
    """In the form of `labels`."""
    names: tuple[str, ...]
    """The classes, or the outputs of a regression."""
    notes: tuple[str, ...] = ()
    sections: dict[str, Json] = field(default_factory=dict)
    """The task's own part of the document."""
    slices: tuple[dict[str, Json], ...] = ()

    @property
    def main_metric(self) -> str:
        """What one line about the model tells, and what slices compare."""
        return {"classification": "accuracy", "multilabel": "exact_match", "regression": "mae"}[self.task]

    def to_json(self) -> dict[str, Json]:
        """The evaluation document; the figures themselves stand beside it, in `metrics`."""
        return {
            "task": self.task,
            "rows": self.rows,
            "decision_rule": self.decision_rule,
            "notes": list(self.notes),
            **self.sections,
            "slices": [dict(one) for one in self.slices],
        }


def worst_first(losses: NDArray[np.float64], among: NDArray[np.bool_] | None = None) -> list[int]:
    """The rows of the largest losses (`[rows]`), at most 20, the first of equal ones first."""
    rows = np.arange(len(losses)) if among is None else np.flatnonzero(among)
    count = min(MOST_WORST, len(rows))
    if not count:
        return []
    # Everything from the last place on is sorted, so that equal losses keep the order of their rows.
    least = np.partition(losses[rows], len(rows) - count)[len(rows) - count]
    rows = rows[losses[rows] >= least]
    above = rows[losses[rows] > least]
    level = rows[losses[rows] == least][: count - len(above)]
    chosen = np.concatenate([above[np.argsort(-losses[above], kind="stable")], level])
    return [int(row) for row in chosen]


def worst_entry(
    row: int,
    label: str | float,
    decision: str | float,
    loss: float,
    *,
    score: float | None = None,
    confidence: float | None = None,
) -> dict[str, Json]:
    """One of the document's `worst`: `score` is the probability given to the label."""
    return {
        "row": row,
        "label": label,
        "decision": decision,
        "loss": loss,
        "score": score,
        "confidence": confidence,
    }


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names in one line, cut after `most`."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
