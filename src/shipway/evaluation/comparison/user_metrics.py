"""Metrics that the user wrote, of two models side by side, and their difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shipway.bundle.evidence import Estimate
from shipway.evaluation.comparison.differences import UNBOUNDED, PairedDifference
from shipway.evaluation.comparison.quality import QualityComparison
from shipway.evaluation.metrics.judged import listed
from shipway.evaluation.metrics.user_metric import measure_user_metric
from shipway.sources.base import Limits, Progress
from shipway.types import Array


def with_user_metrics(
    quality: QualityComparison,
    metrics: Sequence[str],
    labels: Array,
    a: Mapping[str, Array],
    b: Mapping[str, Array],
    *,
    python: Path | None,
    progress: Progress,
) -> QualityComparison:
    """The comparison with each `module.py:function` of `metrics` added, which is given labels as stored,
    `[rows, ...]`, and a model's answers.

    A difference has no interval: the function is called for one model at a time. Raises what
    `measure_user_metric` raises, and `UsageError` where a name is taken.
    """
    for path_and_name in metrics:
        sides, told = [], []
        for judged, outputs in ((quality.a, a), (quality.b, b)):
            found, notes = measure_user_metric(
                path_and_name,
                labels,
                outputs,
                taken=judged.metrics,
                python=python,
                limits=Limits(),
                progress=progress,
            )
            sides.append(found)
            told.append(notes)
        quality = _with(quality, sides, told)
    return quality


def _with(
    quality: QualityComparison,
    sides: Sequence[Mapping[str, Estimate]],
    told: Sequence[Sequence[str]],
) -> QualityComparison:
    names = list({**sides[0], **sides[1]})
    nothing = Estimate(None)
    own = tuple(
        PairedDifference(
            name, sides[0].get(name, nothing).value, sides[1].get(name, nothing).value, UNBOUNDED
        )
        for name in names
    )
    note = f"{listed(names)}: your metric is measured for one model at a time: its difference has no interval"
    notes = [f"{side}: {line}" for side, lines in zip("AB", told, strict=True) for line in lines]
    return replace(
        quality,
        a=replace(quality.a, metrics={**quality.a.metrics, **sides[0]}),
        b=replace(quality.b, metrics={**quality.b.metrics, **sides[1]}),
        differences=(*quality.differences, *own),
        notes=(*quality.notes, *notes, *([note] if names else [])),
    )
