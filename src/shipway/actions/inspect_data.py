"""`inspect_data`: what is odd about labelled data, as a model takes it; runs nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

from shipway.actions.asking import Asked, ask, load_data, load_trained
from shipway.actions.inspecting import inspect_rows, judge_data
from shipway.actions.judging import Judging
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import Outcome
from shipway.errors import DataError, UsageError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.metrics.decisions import choose_rule
from shipway.evaluation.metrics.task import Task, check_task, find_task
from shipway.targets.credentials import Credentials


def inspect_data(
    target: Path | str,
    data: Path | str,
    *,
    reading: Reading | None = None,
    judging: Judging | None = None,
    train_data: Path | str | None = None,
    credentials: Credentials | None = None,
    observer: Observer = SILENT,
) -> Outcome:
    """Looks at the rows of `data` as `target`'s model takes them, and runs nothing.

    Arguments as `evaluate`'s. What is found stands in `details["data"]["findings"]`; the verdict is FAIL where
    one of it is an error. Rows that cannot be used are findings here, and no errors. Raises what `evaluate`
    raises.
    """
    asked = judging or Judging()
    told = replace(asked.reading(reading), drop_bad=True)
    with ExitStack() as stack:
        observer.begin("inspect")
        asking = ask(target, stack, observer, credentials=credentials)
        asked = asking.with_names(asked)
        told = asking.with_missing(told)
        dataset = stack.enter_context(load_data(Path(data), asking.signature, observer, reading=told))
        task = _task(dataset, asking, asked)
        trained = load_trained(train_data, asking.signature, stack, told)
        findings = inspect_rows(
            dataset,
            asking.signature.inputs,
            task=task,
            class_names=asked.class_names,
            class_count=_class_count(asking) if task != "regression" else None,
            golden=asking.golden,
            trained=trained,
        )
        verdict = judge_data(findings, subject=dataset.path.name)
        observer.verdict(verdict)
        observer.end(f"{dataset.rows + len(dataset.dropped.rows)} rows", verdict.result)
    document = {**dataset.to_json(), "findings": [finding.to_json() for finding in findings]}
    return Outcome(verdicts=(verdict,), bundle=asking.reference, details={"data": document})


def _task(dataset: Dataset, asking: Asked, judging: Judging) -> Task:
    """As told, else by the labels and the golden answers, else by the labels alone."""
    check_task(judging.task)
    if judging.task != "auto":
        return cast(Task, judging.task)
    if dataset.labels is None:
        return "classification"
    golden = asking.golden
    try:
        return find_task(dataset.labels, {} if golden is None else golden.outputs, asking.signature)
    except (UsageError, DataError):  # what cannot be told is said by `evaluate`, where it matters
        return "classification"


def _class_count(asking: Asked) -> int | None:
    golden = asking.golden
    if golden is None or not golden.has_rows:
        return None
    try:
        rule = choose_rule(golden.outputs, asking.signature)
    except (UsageError, DataError):
        return None
    return rule.class_count
