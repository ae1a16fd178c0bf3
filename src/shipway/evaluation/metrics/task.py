"""Which task data and model are for, where nobody says it.

Read from the labels first, then from the model's output; what could be two things is an error, not a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast, get_args

import numpy as np

from shipway.errors import LabelError, UsageError
from shipway.evaluation.metrics.decisions import read_output
from shipway.evaluation.metrics.scores import QUANTIZATION
from shipway.types import Array, Signature

Task = Literal["classification", "multilabel", "regression"]
TASKS: tuple[str, ...] = get_args(Task)
_FLAG = "Say which with --task classification, --task multilabel or --task regression."


def check_task(name: str) -> None:
    """Raises `UsageError` for a name that is no task and not `auto`."""
    if name not in ("auto", *TASKS):
        raise UsageError(
            f"There is no task {name!r}.",
            hint=f"The tasks are auto, {', '.join(TASKS[:-1])} and {TASKS[-1]}.",
        )


def find_task(labels: Array, outputs: Mapping[str, Array], signature: Signature) -> Task:
    """The task of `labels` (`[rows]` or `[rows, k]`) and the model's answers.

    Several classes a row: rows of 0 and 1 that are not all one-hot, or an output of as many values in [0, 1]
    whose rows do not sum to 1. Regression: labels that are not whole, or more than two whole numbers where the
    model answers one number outside [0, 1]. Else classification. Raises `LabelError` where it could be either.
    """
    if labels.dtype.kind not in "biuf":
        return "classification"
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _of_rows(labels, outputs, signature)
    if not _is_whole(labels):
        return "regression"
    values = read_output(outputs, signature)[1]
    if values.dtype.kind != "f" or values.shape[1] > 1 or _is_share(values):
        return "classification"
    distinct = np.unique(labels)
    if distinct.size > 2:
        return "regression"
    if np.isin(distinct, (-1, 0, 1)).all():
        return "classification"
    raise LabelError(
        f"The labels are {' and '.join(f'{value:g}' for value in distinct.tolist())}, and the model answers one "
        "number: that may be two classes or a quantity.",
        hint=_FLAG,
    )


def _of_rows(labels: Array, outputs: Mapping[str, Array], signature: Signature) -> Task:
    is_binary = bool(np.isin(labels, (0, 1)).all())
    if is_binary and not bool((labels.sum(axis=1) == 1).all()):
        return "multilabel"
    values = read_output(outputs, signature, several=True)[1]
    same_width = values.shape[1] == labels.shape[1]
    if is_binary:
        sums = values.sum(axis=1, dtype=np.float64) if values.dtype.kind == "f" else np.ones(1)
        return (
            "multilabel"
            if same_width and _is_share(values) and np.abs(sums - 1).max(initial=0) > QUANTIZATION
            else "classification"
        )
    shares = bool((labels >= 0).all()) and bool(np.allclose(labels.sum(axis=1), 1, atol=1e-3))
    if same_width and not shares:
        return "regression"
    found = (
        "sum to 1 as shares of classes do" if shares else f"do not fit the model's {values.shape[1]} values"
    )
    raise LabelError(
        f"The labels are {labels.dtype}{list(labels.shape)} and {found}: which task they are for cannot be told.",
        hint=f"{_FLAG} Shares of classes are not judged as such: give each row its class.",
    )


def _is_whole(labels: Array) -> bool:
    """NaN and infinity are no fractions: what is wrong with them is said where labels are read."""
    if labels.dtype.kind != "f":
        return True
    finite = labels[np.isfinite(labels)]
    return bool((finite == np.floor(finite)).all())


def _is_share(values: Array) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def as_task(name: str) -> Task:
    """A checked name as the type that it is."""
    check_task(name)
    return cast(Task, name)
