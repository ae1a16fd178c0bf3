"""`evaluate`: how good a bundle, or a live endpoint, is on labelled data."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from shipway.actions.judging import Judging, Quality, end_evaluation, judge_quality, require_labels
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import BundleRef, Outcome
from shipway.actions.running import Run, explain_answer
from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import EndpointAnswerError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset, load_dataset
from shipway.runtimes.base import Session
from shipway.runtimes.opening import open_variant
from shipway.targets.endpoint import Endpoint
from shipway.types import Array, Signature, Tensors


def evaluate(
    target: Path | str,
    data: Path | str,
    *,
    reading: Reading | None = None,
    judging: Judging | None = None,
    observer: Observer = SILENT,
) -> Outcome:
    """Judges every row of `data` with the bundle or the endpoint `target`.

    `target` is the path of a bundle, or `http://HOST:PORT` of a server with one model, or
    `http://HOST:PORT/v2/models/NAME`; `data` a file or folder with labels, or `module.py:function` (see
    `docs/reference/data.md`). `reading` says how the data is read, `judging` what is asked of it. Raises
    `BundleError`, `DataError`, `EndpointError`, `UsageError`.
    """
    asked = judging or Judging()
    told = asked.reading(reading)
    with ExitStack() as stack:
        observer.begin("evaluate")
        bundle: Bundle | None = None
        run: Run
        if str(target).startswith(("http://", "https://")):
            endpoint = stack.enter_context(Endpoint(str(target)))
            observer.doing(f"asking {endpoint.url}")
            run, signature, subject = _asking(endpoint), endpoint.signature, endpoint.model
        else:
            bundle = open_bundle(Path(target))
            signature, subject = bundle.manifest.signature, bundle.manifest.name
            asked = asked.of_bundle(bundle.manifest)
        dataset = stack.enter_context(load_data(Path(data), signature, observer, reading=told))
        require_labels(dataset, asked)
        if bundle is not None:
            session = open_session(bundle)
            stack.callback(session.close)
            run, signature = session.run, session.signature
        quality = judge_quality(
            run, signature, dataset, subject=subject, judging=asked, reading=told, observer=observer
        )
        end_evaluation(quality, observer)
    return _outcome(quality, None if bundle is None else BundleRef.of(bundle))


def open_session(bundle: Bundle) -> Session:
    """The variant that is run here. Raises `SessionLoadError`, `MissingDependencyError`."""
    return open_variant(bundle)[1]


def load_data(
    path: Path, signature: Signature, observer: Observer, *, reading: Reading | None = None
) -> Dataset:
    """Rows that fit the signature, or requests for a model without rows. Raises `DataError`."""
    dataset = load_dataset(path, signature.inputs, has_rows=signature.has_rows, reading=reading)
    for note in dataset.notes:
        observer.note(note)
    return dataset


def _asking(endpoint: Endpoint) -> Run:
    """Answers that keep what the server's own metadata promise; others raise `EndpointAnswerError`."""

    def ask(inputs: Tensors) -> dict[str, Array]:
        found = endpoint.predict(inputs)
        problem = explain_answer(found, endpoint.signature, rows=len(next(iter(inputs.values()))))
        if problem:
            raise EndpointAnswerError(
                f"{endpoint.url}: the answer of {endpoint.model!r} is not as its own metadata say: {problem}.",
                hint="Report it to whoever runs the server.",
            )
        return found

    return ask


def _outcome(quality: Quality, bundle: BundleRef | None) -> Outcome:
    return Outcome(
        verdicts=quality.verdicts, metrics=quality.metrics, bundle=bundle, details=quality.details()
    )
