"""Two models' answers to the same rows: numbers, decisions, figures and verdicts, with labels or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.evidence import Json, Result, Verdict
from shipway.bundle.golden import Tolerance
from shipway.errors import DataMismatchError, UsageError
from shipway.evaluation.comparison.agreement import (
    Flips,
    OutputDifference,
    compare_outputs,
    find_flips,
)
from shipway.evaluation.comparison.parts import compare_slices
from shipway.evaluation.comparison.quality import (
    QualityComparison,
    compare_classes,
    compare_label_sets,
    compare_numbers,
)
from shipway.evaluation.data.labels import class_indices
from shipway.evaluation.metrics.class_names import names_from_answers
from shipway.evaluation.metrics.classification import unique_names
from shipway.evaluation.metrics.decisions import (
    DecisionRule,
    choose_each_rule,
    choose_rule,
    read_output,
)
from shipway.evaluation.metrics.embeddings import EmbeddingAgreement, embedding_agreement
from shipway.evaluation.metrics.label_fit import label_fit
from shipway.evaluation.metrics.scores import read_scores
from shipway.evaluation.metrics.task import find_task
from shipway.evaluation.parity.flips import decision_parity
from shipway.types import Array, Signature, Tensors


@dataclass(frozen=True)
class Terms:
    """What a comparison is made by."""

    signature: Signature
    """A's."""
    subject: str
    """Of the verdicts on the two."""
    reference: str
    """A, as verdicts on the data call it."""
    margin: float
    """Points of accuracy, or a share of A's error."""
    task: str = "auto"
    class_names: Sequence[str] = ()
    row_numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of each row in the file."""
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    """How far A's outputs may lie from their source's, where that is known."""
    output: str | None = None
    """The one to judge, where several could be meant."""
    slices: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Parts of the rows, masks `[rows]` by name."""


@dataclass(frozen=True)
class Comparison:
    """What the answers say."""

    outputs: tuple[OutputDifference, ...]
    verdicts: tuple[Verdict, ...] = ()
    quality: QualityComparison | None = None
    flips: Flips | None = None
    embeddings: EmbeddingAgreement | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The document's part on answers."""
        return {
            "task": None if self.quality is None else self.quality.task,
            "metrics": [] if self.quality is None else self.quality.to_json()["metrics"],
            "classes": [] if self.quality is None else self.quality.to_json()["classes"],
            "slices": [] if self.quality is None else self.quality.to_json()["slices"],
            "decisions": None if self.flips is None else self.flips.to_json(),
            "embeddings": None if self.embeddings is None else self.embeddings.to_json(),
            "outputs": [output.to_json() for output in self.outputs],
            "are_same": are_same(self.outputs),
            "notes": list(self.notes),
        }


def explain_shapes(a: Tensors, b: Tensors) -> list[str]:
    """Outputs that differ in shape, as only answers tell where sizes are free: another number of classes."""
    return [
        f"output {name!r} is {list(a[name].shape)} in A and {list(b[name].shape)} in B"
        for name in a
        if name in b and a[name].shape != b[name].shape
    ]


def are_same(outputs: Sequence[OutputDifference]) -> bool:
    """Every answer is equal, bit by bit."""
    return bool(outputs) and all(output.is_same for output in outputs)


def compare_labelled(labels: Array, a: Tensors, b: Tensors, terms: Terms) -> Comparison:
    """Compares answers, `[rows, ...]` by name with equal shapes, on labelled rows.

    The task and the rule that decides are read from A's answers and applied to both. Raises `LabelError`,
    `DataMismatchError`, `UsageError`.
    """
    names = terms.class_names
    if not names and labels.dtype.kind in "OSU":
        names = names_from_answers(a, labels)
    outputs = compare_outputs(a, b)
    terms = replace(terms, signature=judged_signature(terms))
    a, b = (judged_outputs(side, terms) for side in (a, b))
    task = find_task(labels, a, terms.signature) if terms.task == "auto" else terms.task
    if task == "regression":
        return _regression(labels, a, b, outputs, terms)
    choose = choose_each_rule if task == "multilabel" else choose_rule
    rule = choose(a, terms.signature)
    before, after = rule.apply(a), rule.apply(b)
    compare = compare_label_sets if task == "multilabel" else compare_classes
    known = labels if task == "multilabel" else class_indices(labels, class_names=names)
    quality = compare(
        known,
        before,
        after,
        class_names=names,
        margin=terms.margin,
        subject=terms.subject,
        are_same=are_same(outputs),
    )
    flips = find_flips(
        before, after, labels=quality.a.labels, names=quality.a.names, row_numbers=terms.row_numbers
    )
    quality = _with_slices(quality, terms)
    verdicts = quality.verdicts
    if task == "classification":
        fit = label_fit(
            quality.a.labels, quality.a.predicted, class_count=len(quality.a.names), subject=terms.reference
        )
        verdicts = (fit, *verdicts)
    return Comparison(outputs, verdicts, quality, flips, notes=quality.notes)


def _regression(
    labels: Array, a: Tensors, b: Tensors, outputs: tuple[OutputDifference, ...], terms: Terms
) -> Comparison:
    name, before = read_output(a, terms.signature)
    quality = compare_numbers(
        labels,
        before,
        read_output(b, terms.signature, output=name)[1],
        decision_rule=f"the value of output {name!r}",
        output_names=terms.class_names,
        margin=terms.margin,
        subject=terms.subject,
        are_same=are_same(outputs),
    )
    quality = _with_slices(quality, terms)
    return Comparison(outputs, quality.verdicts, quality, notes=quality.notes)


def judged_signature(terms: Terms) -> Signature:
    """A's, with the output to judge alone where one was named. Raises `UsageError` where A has no such output."""
    if terms.output is None:
        return terms.signature
    chosen = tuple(spec for spec in terms.signature.outputs if spec.name == terms.output)
    if not chosen:
        known = ", ".join(repr(spec.name) for spec in terms.signature.outputs)
        raise UsageError(f"The models have no output {terms.output!r}.", hint=f"Their outputs are {known}.")
    return Signature(terms.signature.inputs, chosen)


def judged_outputs(answers: Tensors, terms: Terms) -> Tensors:
    """The answers that are judged, by name."""
    return answers if terms.output is None else {terms.output: answers[terms.output]}


def _with_slices(quality: QualityComparison, terms: Terms) -> QualityComparison:
    if not terms.slices:
        return quality
    a, b = quality.a, quality.b
    found, notes = compare_slices(terms.slices, a.correct, b.correct, metric=a.main_metric)
    return replace(quality, slices=found, notes=(*quality.notes, *notes))


def compare_unlabelled(a: Tensors, b: Tensors, terms: Terms) -> Comparison:
    """Compares answers, `[rows, ...]` by name with equal shapes, where no label tells which is right.

    Where they are decisions (probabilities, class indices, or the user says so), the rate of flips is judged by
    `decision-parity`; other vectors are compared by their angles and neighbors, and not judged.
    """
    outputs = compare_outputs(a, b)
    terms = replace(terms, signature=judged_signature(terms))
    a, b = (judged_outputs(side, terms) for side in (a, b))
    try:
        rule = choose_rule(a, terms.signature)
    except (UsageError, DataMismatchError):  # several outputs that might decide, or none
        note = "no single output reads as classes or vectors: only numbers are compared"
        return Comparison(outputs, notes=(note,))
    if _decides(rule, a, terms):
        return _decisions(rule, a, b, outputs, terms)
    before, after = rule.apply(a).scores, rule.apply(b).scores
    if before.shape[1] < 2:
        note = "no labels, and one number a row: only numbers are compared, and quality is not judged"
        return Comparison(outputs, notes=(note,))
    note = (
        f"no labels, and output {rule.output!r} holds no probabilities: it is compared as vectors, and quality "
        "is not judged; if it holds classes, say so: --task classification"
    )
    found = embedding_agreement(before, after)
    return Comparison(outputs, embeddings=found, notes=(note, *found.notes))


def _decides(rule: DecisionRule, a: Tensors, terms: Terms) -> bool:
    if terms.task == "regression":
        return False
    is_told = terms.task == "classification" or bool(terms.class_names)
    return is_told or rule.kind == "label" or read_scores(rule.apply(a)).kind == "probabilities"


def _decisions(
    rule: DecisionRule, a: Tensors, b: Tensors, outputs: tuple[OutputDifference, ...], terms: Terms
) -> Comparison:
    before, after = rule.apply(a), rule.apply(b)
    names = unique_names(terms.class_names, max(before.class_count, after.class_count))
    flips = find_flips(before, after, labels=None, names=names, row_numbers=terms.row_numbers)
    verdict = decision_parity(
        before,
        after,
        numeric=Result.PASS if are_same(outputs) else Result.FAIL,
        tolerance=terms.tolerances.get(rule.output, Tolerance(scale=1.0, budget=0.0)),
        subject=terms.subject,
    )
    note = "no labels: it is judged whether the two decide alike, not whether they are right"
    return Comparison(outputs, (verdict,), flips=flips, notes=(note,))
