"""A metric that the user wrote, `module.py:function`: run in a confined child, with an interval as any."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from shipway.bundle.evidence import Estimate
from shipway.errors import SourceNotFoundError, UsageError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Limits, Progress
from shipway.sources.child import WORKERS, Scratch, Task, run
from shipway.sources.detect import factory_of
from shipway.types import Array

REPLICATES = 1_000
FEWEST_REPLICATES = 100
"""Below, the ends of a 95 % interval are the noise of the drawing."""
SECONDS = 60.0


def measure_user_metric(
    path_and_name: str,
    labels: Array,
    outputs: Mapping[str, Array],
    *,
    taken: Collection[str] = (),
    python: Path | None,
    limits: Limits,
    progress: Progress,
) -> tuple[dict[str, Estimate], tuple[str, ...]]:
    """What `function(labels, outputs)` of the file returns: a number, or numbers by name; and notes.

    `labels` are as stored, `[rows, ...]`; `outputs` the answers: an array for a model with one output, else
    a dict by name. The interval is the percentile bootstrap over rows, up to 1,000 times within a minute.
    `taken` are names of figures that are there already. Raises `UsageError` (one of those, no such
    function, it fails, or returns something else), `SourceNotFoundError`,
    `WorkerError`.
    """
    found = factory_of(Path(path_and_name))
    if found is None:
        raise UsageError(
            f"The metric {path_and_name!r} is not of the form module.py:function.",
            hint="Write a function (labels, outputs) that returns a number: --metric metrics.py:cost.",
        )
    file, function = found
    if not file.is_file():
        raise SourceNotFoundError(f"No file {file}.", hint="Check the path given to --metric.")
    scratch = Scratch(limits.scratch)
    try:
        arrays = scratch.path / "arrays.npz"
        with os_errors_as_ours("write the answers for the metric", arrays):
            np.savez(arrays, allow_pickle=False, **_plain(labels, outputs))
        done = run(
            WORKERS / "metric_function.py",
            [
                Task(
                    "measure",
                    {
                        "file": str(file.resolve()),
                        "function": function,
                        "arrays": str(arrays),
                        "replicates": REPLICATES,
                        "seconds": SECONDS,
                    },
                )
            ],
            folder=scratch.folder("work"),
            limits=limits,
            progress=progress,
            python=python,
            extra="",
            temporary=scratch.path,
        )
        estimates, notes = _estimates(done.outcomes[0].unwrap())
    finally:
        scratch.close()
    twice = sorted(set(estimates) & set(taken))
    if twice:
        raise UsageError(
            f"The metric {path_and_name} returns {', '.join(twice)}, which Shipway computes itself.",
            hint="Give it another name.",
        )
    return estimates, notes


def _plain(labels: Array, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Texts as fixed width, so that nothing is pickled."""
    given = {"labels": labels, **{f"output/{name}": array for name, array in outputs.items()}}
    return {key: array.astype(np.str_) if array.dtype == object else array for key, array in given.items()}


def _estimates(
    result: Mapping[str, Mapping[str, object]],
) -> tuple[dict[str, Estimate], tuple[str, ...]]:
    estimates: dict[str, Estimate] = {}
    notes = []
    for name, value in result["values"].items():
        drawn = np.asarray(result["replicates"][name], np.float64)
        if not isinstance(value, float | int):
            estimates[name] = Estimate(None)
            notes.append(f"{name} is undefined: the function returned no finite number")
        elif len(drawn) < FEWEST_REPLICATES:
            estimates[name] = Estimate(float(value))
            notes.append(f"{name} has no interval: {len(drawn)} draws came to a number within a minute")
        else:
            low, high = np.percentile(drawn, [2.5, 97.5])
            estimates[name] = Estimate(float(value), min(float(low), value), max(float(high), value))
    return estimates, tuple(notes)
