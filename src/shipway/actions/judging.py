"""How good a model's answers to labelled data are: figures, the rule on the labels, what the rows were."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shipway.actions.inspecting import inspect_rows
from shipway.actions.observer import Observer
from shipway.actions.running import Run, run_blocks
from shipway.bundle.evidence import Estimate, Json, Verdict, overall
from shipway.bundle.golden import Golden
from shipway.bundle.manifest import Manifest
from shipway.errors import DataEmptyError, UsageError
from shipway.evaluation.data.base import Finding, Problem, Reading
from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.inspection.summary import short
from shipway.evaluation.metrics.class_names import names_from_answers
from shipway.evaluation.metrics.decisions import decide
from shipway.evaluation.metrics.judge import judge
from shipway.evaluation.metrics.judged import Judged
from shipway.evaluation.metrics.label_fit import label_fit
from shipway.evaluation.metrics.predicates import parse_predicate
from shipway.evaluation.metrics.task import Task, check_task
from shipway.evaluation.metrics.user_metric import measure_user_metric
from shipway.sources.base import Limits
from shipway.types import Array, DType, Signature, Tensors, TensorSpec

_SECONDS_BETWEEN_WORDS = 5.0


@dataclass(frozen=True)
class Judging:
    """What the user asks of an evaluation beyond the data."""

    task: str = "auto"
    """`classification`, `multilabel` or `regression`; `auto` tells by the labels and the outputs."""
    slices: Sequence[str] = ()
    """Columns or predicates: `age`, `age >= 60 and site in (A, B)`."""
    metrics: Sequence[str] = ()
    """The user's own, `module.py:function`."""
    output: str | None = None
    """The output to judge, where several could be meant."""
    class_names: Sequence[str] = ()
    """In the order of the model's outputs; labels may then be these names."""

    def of_bundle(self, manifest: Manifest) -> Judging:
        """With the bundle's names of classes, where the user gave none."""
        return self if self.class_names else replace(self, class_names=manifest.labels or ())

    def reading(self, reading: Reading | None) -> Reading:
        """How the data is read so that the slices can be made. Raises `UsageError` on one that does not read."""
        columns = [condition.column for text in self.slices for condition in parse_predicate(text).conditions]
        told = reading or Reading()
        return replace(told, columns=tuple(dict.fromkeys((*told.columns, *columns))))


@dataclass(frozen=True)
class Quality:
    """What judging found."""

    judged: Judged
    dataset: Dataset
    """The rows that were judged."""
    findings: tuple[Finding, ...] | None = None
    """About the rows; None where nobody looked."""
    verdicts: tuple[Verdict, ...] = ()
    """Whether the labels count the classes as the model does."""

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Every figure by name, with its 95 % interval."""
        return self.judged.metrics

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Where classes have names other than their indices."""
        names = self.judged.names
        is_named = names != tuple(map(str, range(len(names))))
        return names if is_named and self.judged.task != "regression" else None

    def to_json(self) -> dict[str, Json]:
        """The evaluation document; rows are numbered as in the file."""
        found = self.judged.to_json()
        numbers = self.dataset.row_numbers
        worst = [{**entry, "row": int(numbers[entry["row"]])} for entry in found.get("worst", ())]
        return {**found, "worst": worst} if worst else found

    def details(self) -> dict[str, Json]:
        """The document's parts on quality and data."""
        data = self.dataset.to_json()
        if self.findings is not None:
            data["findings"] = [finding.to_json() for finding in self.findings]
        return {"evaluation": self.to_json(), "data": data}

    def summary(self) -> str:
        """In one line."""
        as_shares = self.judged.task != "regression"
        shown = ", ".join(
            f"{words} {_short(self.metrics[name], as_share=as_shares)}"
            for name, words in _SUMMARIES[self.judged.task].items()
        )
        return f"{self.judged.rows} rows: {shown}"


def missing_allowed(reading: Reading, manifest: Manifest) -> Reading:
    """NaN is taken where the bundle was made of a model that takes it."""
    source = manifest.provenance.get("source") or {}
    return replace(reading, allow_missing=True) if source.get("takes_missing") else reading


_SUMMARIES = {
    "classification": {"accuracy": "accuracy", "f1_macro": "F1 (macro)"},
    "multilabel": {"exact_match": "exact match", "f1_macro": "F1 (macro)"},
    "regression": {"mae": "MAE", "rmse": "RMSE", "r2": "R²"},
}


def judge_quality(
    run: Run,
    signature: Signature,
    dataset: Dataset,
    *,
    subject: str,
    judging: Judging,
    reading: Reading,
    observer: Observer,
    golden: Golden | None = None,
    trained: Dataset | None = None,
) -> Quality:
    """Runs all rows, judges the answers, and looks at the rows. Raises what `quality_of` raises."""
    observer.doing(f"predicting {dataset.rows} rows")
    outputs = run_blocks(run, signature, _told(dataset, observer))
    quality = quality_of(
        outputs, signature, dataset, subject=subject, judging=judging, reading=reading, observer=observer
    )
    observer.doing("looking at the data")
    judged = quality.judged
    findings = inspect_rows(
        quality.dataset,
        signature.inputs,
        task=cast(Task, judged.task),
        class_names=quality.class_names or (),
        class_count=len(judged.names),
        golden=golden,
        trained=trained,
    )
    line = short(findings)
    if line:
        observer.note(line)
    return replace(quality, findings=findings)


def quality_of(
    outputs: Tensors,
    signature: Signature,
    dataset: Dataset,
    *,
    subject: str,
    judging: Judging,
    reading: Reading,
    observer: Observer,
) -> Quality:
    """Judges answers that were given already. Raises `LabelError`, `DataMismatchError`, `UsageError`."""
    observer.doing("computing metrics")
    labels = dataset.stored_labels()
    if judging.output is not None:
        outputs, signature = _only(judging.output, outputs, signature)
    names = judging.class_names or dataset.class_names
    if not names and labels.dtype.kind in "OSU":
        names = names_from_answers(outputs, labels)
    if reading.drop_bad:
        keep = _usable(labels, outputs, signature, judging.task, names)
        dataset, labels, outputs = _without_bad_labels(dataset, labels, outputs, keep)
    slices: dict[str, NDArray[np.bool_]] = {}
    for text in judging.slices:
        slices.update(parse_predicate(text).slices(dataset.columns))
    judged = judge(
        labels,
        outputs,
        signature,
        task=judging.task,
        class_names=names,
        slices=slices,
    )
    judged = _with_user_metrics(judged, labels, outputs, judging, reading, observer)
    verdicts: tuple[Verdict, ...] = ()
    if judged.task == "classification":
        verdicts = (
            label_fit(judged.labels, judged.predicted, class_count=len(judged.names), subject=subject),
        )
    for verdict in verdicts:
        observer.verdict(verdict)
    return Quality(judged, dataset, verdicts=verdicts)


def _only(name: str, outputs: Tensors, signature: Signature) -> tuple[Tensors, Signature]:
    """What is judged where the user says which output. Raises `UsageError`."""
    chosen = tuple(spec for spec in signature.outputs if spec.name == name)
    if not chosen or name not in outputs:
        known = ", ".join(repr(spec.name) for spec in signature.outputs)
        raise UsageError(f"The model has no output {name!r}.", hint=f"Its outputs are {known}.")
    return {name: outputs[name]}, Signature(signature.inputs, chosen)


def _with_user_metrics(
    judged: Judged, labels: Array, outputs: Tensors, judging: Judging, reading: Reading, observer: Observer
) -> Judged:
    for path_and_name in judging.metrics:
        found, notes = measure_user_metric(
            path_and_name,
            labels,
            outputs,
            taken=judged.metrics,
            python=reading.python,
            limits=Limits(),
            progress=observer.doing,
        )
        judged = replace(judged, metrics={**judged.metrics, **found}, notes=(*judged.notes, *notes))
    return judged


def require_labels(
    dataset: Dataset, judging: Judging, outputs: Sequence[TensorSpec], *, drop_bad: bool = False
) -> None:
    """What can be said before any model runs. Raises `LabelError`, `DataMismatchError`, `UsageError`.

    `outputs` are those of the model as far as they are known: one of texts may name the classes. With `drop_bad`
    names that are no class are left out later, and no error.
    """
    check_task(judging.task)
    labels = dataset.stored_labels()
    if drop_bad and (judging.class_names or dataset.class_names):
        return
    if labels.dtype.kind in "OSU" and outputs and all(spec.dtype is not DType.BYTES for spec in outputs):
        dataset.require_labels(class_names=judging.class_names)


def end_evaluation(quality: Quality, observer: Observer) -> None:
    """Tells the observer what came of it."""
    observer.end(quality.summary(), overall(quality.verdicts))


def _told(dataset: Dataset, observer: Observer) -> Iterator[dict[str, Array]]:
    """The blocks; of a long run it is said from time to time how far it is."""
    done, last = 0, time.monotonic()
    for block in dataset.blocks():
        if time.monotonic() - last > _SECONDS_BETWEEN_WORDS:
            observer.doing(f"predicting {dataset.rows} rows, {done / dataset.rows:.0%} done")
            last = time.monotonic()
        yield block
        done += len(next(iter(block.values())))


def _without_bad_labels(
    dataset: Dataset, labels: Array, outputs: Tensors, keep: NDArray[np.bool_]
) -> tuple[Dataset, Array, Tensors]:
    """Leaves out rows whose label is missing or no class of the model, for `--drop-bad`."""
    if keep.all():
        return dataset, labels, outputs
    if not keep.any():
        raise DataEmptyError(
            f"No row of {dataset.path} has a label that the model can answer.", hint="Check the labels."
        )
    bad = deepcopy(dataset.dropped)
    for row in np.flatnonzero(~keep).tolist():
        words = f"label {labels[row : row + 1].tolist()[0]!r} is missing or no class of the model"
        bad.note(Problem(int(dataset.row_numbers[row]), "labels", "label", words))
    kept = replace(dataset.select(keep), dropped=bad)
    return kept, labels[keep], {name: array[keep] for name, array in outputs.items()}


def _usable(
    labels: Array, outputs: Tensors, signature: Signature, task: str, class_names: Sequence[str]
) -> NDArray[np.bool_]:
    rows = len(labels)
    if labels.dtype.kind in "OSU" and class_names and labels.size == rows:
        known_names = {*class_names, *(name.encode() for name in class_names)}
        return np.array([label in known_names for label in labels.reshape(rows).tolist()], bool)
    if labels.dtype.kind not in "iuf":
        return np.ones(rows, bool)
    flat = labels.reshape(rows, -1)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(flat).all(axis=1))
    known = flat[finite]
    has_classes = task in ("auto", "classification") and flat.shape[1] == 1
    if not has_classes or not known.size or (known != np.floor(known)).any():
        return finite
    count = _class_count(outputs, signature, task)
    return finite if count is None else np.asarray(finite & (flat[:, 0] >= 0) & (flat[:, 0] < count))


def _class_count(outputs: Mapping[str, Array], signature: Signature, task: str) -> int | None:
    rule = decide(outputs, signature).rule
    # One number may be a quantity; one in [0, 1], which decides above 0.5, is a probability.
    is_sure = rule.kind == "argmax" or rule.threshold > 0 or task == "classification"
    return rule.class_count if is_sure else None


def _short(estimate: Estimate, *, as_share: bool) -> str:
    if estimate.value is None:
        return "undefined"
    return f"{estimate.value:.1%}" if as_share else f"{estimate.value:.4g}"
