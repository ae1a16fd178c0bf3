"""The exam that every converted model takes: cases made once, answered once by the framework itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shipway.actions.observer import Observer
from shipway.actions.running import run_cases
from shipway.actions.subject import Subject, without_rows
from shipway.bundle.evidence import Result, Verdict
from shipway.bundle.golden import Golden, stack_answers
from shipway.errors import DataError, DataMismatchError, SessionRunError, SourceUnsupportedError, UsageError
from shipway.evaluation.metrics.decisions import DecisionRule, choose_rule
from shipway.evaluation.metrics.task import find_task
from shipway.evaluation.parity.flips import decision_parity
from shipway.evaluation.parity.noise import Noise, measure_noise
from shipway.evaluation.parity.numeric import CaseOutputs, numeric_parity
from shipway.evaluation.parity.probes import Cases, kind_of, make_cases
from shipway.evaluation.parity.requests import make_requests
from shipway.runtimes.base import Session
from shipway.sources.base import Reference
from shipway.sources.workers.edge import Edge
from shipway.sources.workers.loaded import is_request
from shipway.types import Array, Tensors

SOURCE_MEANING = "source-meaning"
_GOLDEN_ROWS = 32
_GOLDEN_BYTES = 4 * 2**20
_MADE_UP = ("edge", "generated")
_TRACE_ROWS = 2
"""Exporters that trace bake a batch of 1 into the graph (pytorch/pytorch#157621)."""


@dataclass(frozen=True)
class Exam:
    """Cases, the framework's answers to them, and the measured noise of those answers."""

    subject: str
    """As verdicts call the source: `digits.keras`."""
    cases: Cases
    reference: Reference
    noise: Noise
    decides: DecisionRule | None
    """None where the outputs do not read as classes."""

    doubts: tuple[str, ...] = ()
    """Why the source's own answers may not be those of the model that was trained."""

    def answers_of(self, session: Session) -> tuple[CaseOutputs, str | None]:
        """A session's answers to every case that it can run, and why it cannot run the first of the others.

        The source answered them all, so a case that cannot be run is a fault of the converted file.
        """
        answers: dict[str, dict[str, Array]] = {}
        refusal = None
        for case, inputs in self.cases.inputs.items():
            try:
                answers |= run_cases(session.run, session.signature, {case: inputs})
            except SessionRunError as error:
                refusal = refusal or f"case {case!r} cannot be run: {error.message.splitlines()[0]}"
        return answers, refusal

    def judge(self, found: CaseOutputs, *, subject: str, breach: str | None = None) -> tuple[Verdict, ...]:
        """Judges a candidate's answers to every case; `breach` says how its file breaks the source's contract."""
        doubts = tuple(
            Verdict(SOURCE_MEANING, self.subject, Result.INCONCLUSIVE, doubt) for doubt in self.doubts
        )
        return (*self._compare(found, subject, breach), *doubts)

    def _compare(self, found: CaseOutputs, subject: str, breach: str | None) -> tuple[Verdict, ...]:
        numeric = numeric_parity(
            self.reference.outputs, found, noise=self.noise, subject=subject, inputs=self.cases.described
        )
        if breach is not None:
            return (replace(numeric, result=Result.FAIL, reason=breach),)
        if not self.cases.has_data:
            numeric = replace(numeric, reason=f"{numeric.reason}; on generated inputs, no data was given")
        if self.decides is None or numeric.result is Result.INCONCLUSIVE:
            return (numeric,)
        try:
            decided = self.decides.apply(self.cases.main_rows(found))
        except (DataMismatchError, KeyError, ValueError):
            return (numeric,)  # of another form than the source's answers, which numeric parity has named
        decisions = decision_parity(
            self.decides.apply(self.cases.main_rows(self.reference.outputs)),
            decided,
            numeric=numeric.result,
            tolerance=self.noise.tolerance(self.decides.output),
            subject=subject,
        )
        return (numeric, decisions)

    @property
    def has_rows(self) -> bool:
        """False: every case is one request, asked whole."""
        return not is_request(self.cases.main)

    def samples(self) -> Tensors:
        """Two rows for exporters that trace, or one whole request."""
        return self.few(_TRACE_ROWS)[0]

    def few(self, rows: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """The first rows of the main case and the source's answers to them; a request is given whole."""
        inputs, outputs = self.cases.inputs[self.cases.main], self.reference.outputs[self.cases.main]
        if not self.has_rows:
            return dict(inputs), dict(outputs)
        first = {name: array[:rows] for name, array in inputs.items()}
        count = len(next(iter(first.values())))
        return first, {name: array[:count] for name, array in outputs.items()}

    def golden(self) -> Golden:
        """Some of the rows, real ones where there are, with the framework's answers and the tolerances."""
        inputs, outputs = self._main_samples()
        rows = len(next(iter(inputs.values())))
        row_bytes = max(1, sum(array.nbytes for array in (*inputs.values(), *outputs.values())) // rows)
        count = min(rows, _GOLDEN_ROWS, max(4, _GOLDEN_BYTES // row_bytes))
        chosen = np.linspace(0, rows, count, endpoint=False).astype(int)
        return Golden(
            inputs={name: array[chosen] for name, array in inputs.items()},
            outputs={name: array[chosen] for name, array in outputs.items()},
            tolerances={name: self.noise.tolerance(name) for name in outputs},
            origin="data" if self.cases.has_data else "generated",
            has_rows=self.has_rows,
        )

    def _main_samples(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """Inputs and answers along one first axis: all rows, or the requests that are answered in one form."""
        if self.has_rows:
            return self.cases.main_rows(self.cases.inputs), self.cases.main_rows(self.reference.outputs)
        asked = self.cases.main_like(self.cases.inputs)
        answered = self.cases.main_like(self.reference.outputs)
        forms = [{name: array.shape for name, array in answer.items()} for answer in answered]
        alike = [number for number, form in enumerate(forms) if form == forms[0]]
        return stack_answers([asked[n] for n in alike]), stack_answers([answered[n] for n in alike])


def prepare_exam(subject: Subject, observer: Observer, *, ahead: Edge | None = None) -> Exam:
    """Asks the source's own framework; `ahead` is the conversion that may run beside it.

    Raises `WorkerError`, `MissingDependencyError`, `SourceError`.
    """
    try:
        cases, reference = _ask(subject, _make(subject), observer, ahead)
    except SourceUnsupportedError:
        found = without_rows(subject, observer)
        if found is None:
            raise
        subject = found
        cases, reference = _ask(subject, _make(subject), observer, ahead)
    if not subject.has_rows:
        _require_ranks(subject, reference)
    return Exam(
        subject=subject.source.path.name,
        cases=cases,
        reference=reference,
        noise=measure_noise(reference),
        decides=_decision_rule(subject, cases, reference),
        doubts=tuple(subject.description.details.get("meaning_doubts") or ()),
    )


def _make(subject: Subject) -> Cases:
    make = make_cases if subject.has_rows else make_requests
    return make(subject.inputs, subject.dataset, value_ranges=subject.description.value_ranges)


def _ask(subject: Subject, cases: Cases, observer: Observer, ahead: Edge | None) -> tuple[Cases, Reference]:
    """The answers to all cases that the source takes.

    Sizes that nobody asked for may be too small for the model itself (a pooled image of 2 × 2), and values that
    are not the user's may be none that it knows (a category that was not trained).
    """
    observer.doing("asking the trained model itself")
    made = frozenset(name for name in cases.inputs if cases.has_data and kind_of(name) in _MADE_UP)
    # An index into the rows of another input holds for the request that it came with, and for no other size.
    sizes = frozenset(name for name in cases.inputs if is_request(name) and kind_of(name) == "batch")
    ladder = (
        (cases.optional, "the shortest or longest sizes of its free dimensions"),
        (cases.optional | sizes, "other sizes of its first axes"),
        (cases.optional | made, "values that are not in the data"),
        (cases.optional | made | sizes, "other sizes of its first axes, and values that are not in the data"),
    )
    try:
        return cases, subject.source.reference(cases.inputs, observer.doing, ahead=ahead)
    except DataMismatchError as error:
        refusal = error
    for dropped, what in ladder:
        kept = {name: inputs for name, inputs in cases.inputs.items() if name not in dropped}
        if len(kept) == len(cases.inputs):
            continue
        try:
            reference = subject.source.reference(kept, observer.doing, ahead=ahead)
        except DataMismatchError as error:
            refusal = error
            continue
        observer.note(f"the model refuses {what}; judged without them")
        return replace(cases, inputs=kept), reference
    raise refusal


def _require_ranks(subject: Subject, reference: Reference) -> None:
    """Raises `SourceUnsupportedError` where an output has not the axes that the file says.

    A rank that is not told reads as a scalar's.
    """
    for outputs in reference.outputs.values():
        for spec in reference.signature.outputs:
            found = outputs[spec.name].shape
            if len(found) != len(spec.shape):
                raise SourceUnsupportedError(
                    f"{subject.source.path}: output {spec.name!r} is {spec} by the file, and its answer has the "
                    f"shape {list(found)}.",
                    hint="Export the model with the shapes of its outputs.",
                )


def _decision_rule(subject: Subject, cases: Cases, reference: Reference) -> DecisionRule | None:
    if not subject.has_rows:
        return None
    labels = None if subject.dataset is None else subject.dataset.labels
    outputs = cases.main_rows(reference.outputs)
    try:
        rule = choose_rule(outputs, reference.signature)
        if labels is not None:
            is_classes = find_task(labels, outputs, reference.signature) == "classification"
            return rule if is_classes else None
    except (UsageError, DataError):
        return None
    # One value a row may as well be a regression; only labels tell.
    return rule if rule.kind == "argmax" else None
