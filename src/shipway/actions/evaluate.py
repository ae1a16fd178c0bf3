"""`evaluate`: how good a bundle, or a live endpoint, is on labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import BundleRef, Outcome
from shipway.actions.running import Run, explain_answer, run_blocks
from shipway.bundle.evidence import Estimate, Json, Verdict
from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import EndpointAnswerError
from shipway.evaluation.data.dataset import Dataset, load_dataset
from shipway.evaluation.metrics.classification import ClassificationReport, classification_metrics
from shipway.evaluation.metrics.decisions import decide
from shipway.evaluation.metrics.label_fit import label_fit
from shipway.runtimes.base import Session
from shipway.runtimes.opening import open_variant
from shipway.targets.endpoint import Endpoint
from shipway.types import Array, Signature, Tensors


@dataclass(frozen=True)
class Quality:
    """What evaluation found."""

    report: ClassificationReport
    verdict: Verdict
    """Whether the labels count the classes as the model does."""

    def to_json(self) -> dict[str, Json]:
        """As evidence and `--json` hold it, beside the metrics."""
        found = self.report.to_json()
        del found["metrics"]
        return {"task": "classification", **found}


def evaluate(
    target: Path | str,
    data: Path | str,
    *,
    observer: Observer = SILENT,
) -> Outcome:
    """Judges every row of `data` (`.npz` with labels) with the bundle or the endpoint `target`.

    `target` is the path of a bundle, or `http://HOST:PORT` of a server with one model, or
    `http://HOST:PORT/v2/models/NAME`. Raises `BundleError`, `DataError`, `EndpointError`.
    """
    if str(target).startswith(("http://", "https://")):
        return _evaluate_endpoint(str(target), Path(data), observer)
    bundle = open_bundle(Path(target))
    observer.begin("evaluate")
    dataset = load_labelled(Path(data), bundle.manifest.signature, observer)
    session = open_session(bundle)
    try:
        quality = judge_quality(
            session.run, session.signature, dataset, subject=bundle.manifest.name, observer=observer
        )
    finally:
        session.close()
    observer.end(summarize(quality), quality.verdict.result)
    return _outcome(quality, dataset, BundleRef.of(bundle))


def open_session(bundle: Bundle) -> Session:
    """The variant that is run here. Raises `SessionLoadError`, `MissingDependencyError`."""
    return open_variant(bundle)[1]


def load_labelled(path: Path, signature: Signature, observer: Observer) -> Dataset:
    """The data, which must have labels. Raises `DataError`."""
    dataset = load_data(path, signature, observer)
    dataset.require_labels()
    return dataset


def load_data(path: Path, signature: Signature, observer: Observer) -> Dataset:
    """Rows that fit the signature, or requests for a model without rows. Raises `DataError`."""
    dataset = load_dataset(path, signature.inputs, has_rows=signature.has_rows)
    for note in dataset.notes:
        observer.note(note)
    return dataset


def judge_quality(
    run: Run, signature: Signature, dataset: Dataset, *, subject: str, observer: Observer
) -> Quality:
    """Runs all rows and computes the metrics. Raises `LabelError`, `DataMismatchError`."""
    observer.doing(f"predicting {dataset.rows} rows")
    outputs = run_blocks(run, signature, dataset.blocks())
    return quality_of(outputs, signature, dataset, subject=subject, observer=observer)


def quality_of(
    outputs: Tensors, signature: Signature, dataset: Dataset, *, subject: str, observer: Observer
) -> Quality:
    """The metrics of answers that were given already. Raises `LabelError`, `DataMismatchError`."""
    decisions = decide(outputs, signature)
    labels = dataset.require_labels()
    observer.doing("computing metrics")
    report = classification_metrics(labels, decisions)
    verdict = label_fit(labels, decisions.predicted, class_count=len(report.class_names), subject=subject)
    observer.verdict(verdict)
    return Quality(report=report, verdict=verdict)


def summarize(quality: Quality) -> str:
    """In one line."""
    metrics = quality.report.metrics
    return (
        f"{quality.report.rows} rows: accuracy {_percent(metrics['accuracy'])}, "
        f"F1 (macro) {_percent(metrics['f1_macro'])}"
    )


def _evaluate_endpoint(url: str, data: Path, observer: Observer) -> Outcome:
    with Endpoint(url) as endpoint:
        observer.begin("evaluate")
        observer.doing(f"asking {endpoint.url}")
        dataset = load_labelled(data, endpoint.signature, observer)
        quality = judge_quality(
            lambda inputs: _ask(endpoint, inputs),
            endpoint.signature,
            dataset,
            subject=endpoint.model,
            observer=observer,
        )
        observer.end(summarize(quality), quality.verdict.result)
    return _outcome(quality, dataset, None)


def _ask(endpoint: Endpoint, inputs: Tensors) -> dict[str, Array]:
    """The answer, when it keeps what the server's own metadata promise. Raises `EndpointAnswerError`."""
    found = endpoint.predict(inputs)
    problem = explain_answer(found, endpoint.signature, rows=len(next(iter(inputs.values()))))
    if problem:
        raise EndpointAnswerError(
            f"{endpoint.url}: the answer of {endpoint.model!r} is not as its own metadata say: {problem}.",
            hint="Report it to whoever runs the server.",
        )
    return found


def _outcome(quality: Quality, dataset: Dataset, bundle: BundleRef | None) -> Outcome:
    return Outcome(
        verdicts=(quality.verdict,),
        metrics=quality.report.metrics,
        bundle=bundle,
        details={"evaluation": quality.to_json(), "data": {"sha256": dataset.sha256, "rows": dataset.rows}},
    )


def _percent(estimate: Estimate) -> str:
    return "undefined" if estimate.value is None else f"{estimate.value:.1%}"
