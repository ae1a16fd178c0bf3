"""What is odd about the rows themselves, whatever a model answers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shipway.bundle.evidence import Result, Verdict
from shipway.bundle.golden import Golden
from shipway.evaluation.data.base import Finding
from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.inspection.copies import leakage
from shipway.evaluation.inspection.inspector import Inspector, Task
from shipway.types import TensorSpec

DATA_SOUNDNESS = "data-soundness"


def inspect_rows(
    dataset: Dataset,
    specs: tuple[TensorSpec, ...],
    *,
    task: Task,
    class_names: Sequence[str] = (),
    class_count: int | None = None,
    golden: Golden | None = None,
    trained: Dataset | None = None,
) -> tuple[Finding, ...]:
    """One pass over the rows, errors first.

    `golden` tells the ranges of training, where its rows are real; rows that `trained` holds too are leakage.
    """
    inspector = Inspector(
        specs,
        class_names=class_names,
        task=task,
        class_count=class_count,
        column_names=dataset.column_names,
    )
    inspector.note_problems(dataset.dropped.problems, dataset.dropped.counts)
    first = 0
    for block in dataset.blocks():
        rows = slice(first, first + len(next(iter(block.values()))))
        labels = None if dataset.labels is None else dataset.labels[rows]
        inspector.see(block, labels, dataset.hashes[rows], dataset.row_numbers[rows])
        first = rows.stop
    reader = dataset.reader
    leaked: tuple[Finding, ...] = ()
    if trained is not None:
        leaked = leakage(
            dataset.hashes, trained.hashes, row_numbers=dataset.row_numbers, called=trained.path.name
        )
    found = inspector.findings(
        trained=_trained_ranges(golden),
        sizes=getattr(reader, "sizes", None),
        modes=getattr(reader, "modes", None),
        dtype_notes=dataset.casts,
        total=dataset.rows + len(dataset.dropped.rows),
    )
    if dataset.allows_missing:
        found = tuple(
            replace(finding, severity="note", remedy="Nothing: the model takes missing values.")
            if finding.kind == "not-finite"
            else finding
            for finding in found
        )
    return (*leaked, *found)


def judge_data(findings: Sequence[Finding], *, subject: str) -> Verdict:
    """FAIL where a finding is an error: rows that cannot be used, or that cannot be what training saw."""
    errors = [finding for finding in findings if finding.severity == "error"]
    warnings = sum(finding.severity == "warning" for finding in findings)
    if errors:
        reason = " ".join(finding.words for finding in errors[:3]) + (" …" if len(errors) > 3 else "")
        return Verdict(DATA_SOUNDNESS, subject, Result.FAIL, reason, {"errors": len(errors)})
    reason = f"no error, {warnings} warning{'' if warnings == 1 else 's'}, in what was looked for"
    return Verdict(DATA_SOUNDNESS, subject, Result.PASS, reason, {"errors": 0, "warnings": warnings})


def _trained_ranges(golden: Golden | None) -> Mapping[str, tuple[float, float, float]]:
    if golden is None or golden.origin != "data" or not golden.has_rows:
        return {}
    return {
        name: (float(known.min()), float(known.max()), float(known.mean(dtype=np.float64)))
        for name, array in golden.inputs.items()
        if array.dtype.kind in "iuf" and (known := array[np.isfinite(array)]).size
    }
