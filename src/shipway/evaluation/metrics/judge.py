"""One entry for all tasks: labels and a model's answers in, every figure and the evaluation document out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shipway.errors import DataMismatchError
from shipway.evaluation.data.labels import class_indices
from shipway.evaluation.metrics.classes import judge_classes
from shipway.evaluation.metrics.decisions import choose_each_rule, decide, read_output
from shipway.evaluation.metrics.judged import Judged
from shipway.evaluation.metrics.multilabel import judge_multilabel
from shipway.evaluation.metrics.regression import judge_regression
from shipway.evaluation.metrics.slices import slice_report
from shipway.evaluation.metrics.task import check_task, find_task
from shipway.types import Array, Signature


def judge(
    labels: Array,
    outputs: Mapping[str, Array],
    signature: Signature,
    *,
    task: str = "auto",
    class_names: Sequence[str] = (),
    slices: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Judged:
    """Judges a model's answers (`[rows, ...]` by name, those of `signature`) by labels.

    Labels: class indices, names among `class_names` or one-hot rows; 0 and 1 for each class `[rows, classes]`;
    numbers `[rows]` or `[rows, outputs]`. `task` is `auto` (see `find_task`), `classification`, `multilabel` or
    `regression`; `class_names` name a regression's outputs too. `slices` are masks `[rows]` by name. Raises
    `LabelError`, `UsageError`, `DataEmptyError`, `DataMismatchError`.
    """
    check_task(task)
    if labels.dtype == object and all(isinstance(value, str) for value in labels.ravel()):
        labels = labels.astype(np.str_)
    _check_rows(labels, outputs)
    chosen = find_task(labels, outputs, signature) if task == "auto" else task
    judged = _judge_task(chosen, labels, outputs, signature, class_names)
    if not slices:
        return judged
    found, notes = slice_report(slices, judged.correct, metric=judged.main_metric)
    return replace(judged, slices=found, notes=(*judged.notes, *notes))


def _judge_task(
    task: str,
    labels: Array,
    outputs: Mapping[str, Array],
    signature: Signature,
    class_names: Sequence[str],
) -> Judged:
    if task == "regression":
        name, values = read_output(outputs, signature)
        rule = f"the value of output {name!r}"
        return judge_regression(labels, values, decision_rule=rule, output_names=class_names)
    if task == "multilabel":
        rule_of_each = choose_each_rule(outputs, signature)
        return judge_multilabel(labels, rule_of_each.apply(outputs), class_names=class_names)
    indices = class_indices(labels, class_names=class_names)
    return judge_classes(indices, decide(outputs, signature), class_names=class_names)


def _check_rows(labels: Array, outputs: Mapping[str, Array]) -> None:
    for name, values in outputs.items():
        if values.ndim and len(values) != len(labels):
            raise DataMismatchError(
                f"There are {len(labels)} labels for {len(values)} rows of output {name!r}.",
                hint="Give one label for each row.",
            )
