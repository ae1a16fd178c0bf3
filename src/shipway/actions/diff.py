"""`diff`: two models on the same data, side by side, with a verdict on whether B may stand in for A."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shipway.actions.asking import load_data
from shipway.actions.judging import Judging
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import BundleRef, Outcome
from shipway.actions.running import run_blocks, run_requests
from shipway.actions.sides import Side, open_side
from shipway.bundle.evidence import Estimate, Json, Result, Verdict, overall
from shipway.errors import UsageError
from shipway.evaluation.comparison.agreement import compare_outputs
from shipway.evaluation.comparison.compare import (
    Comparison,
    Terms,
    compare_labelled,
    compare_unlabelled,
    explain_shapes,
    judged_outputs,
)
from shipway.evaluation.comparison.latency import LatencyRatio, measure_ratio
from shipway.evaluation.comparison.non_inferiority import MARGIN
from shipway.evaluation.comparison.signatures import compare_signatures
from shipway.evaluation.comparison.user_metrics import with_user_metrics
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.metrics.predicates import parse_predicate
from shipway.evaluation.metrics.task import check_task
from shipway.targets.credentials import Credentials
from shipway.types import Tensors

_LATENCY_SECONDS = 3.0


@dataclass(frozen=True)
class _Found:
    """What was compared, as far as the two let themselves be compared."""

    verdicts: tuple[Verdict, ...]
    comparison: Comparison | None = None
    dataset: Dataset | None = None
    latency: LatencyRatio | None = None
    notes: tuple[str, ...] = ()


def diff(
    a: Path | str,
    b: Path | str,
    *,
    data: Path | str,
    margin: float = MARGIN,
    reading: Reading | None = None,
    judging: Judging | None = None,
    measure_latency: bool = True,
    credentials: Credentials | None = None,
    accept: Collection[Result] = (),
    observer: Observer = SILENT,
) -> Outcome:
    """Compares B with A on `data`: signature, manifest, size, quality, decisions, numbers, latency.

    `a` and `b` are bundles, `BUNDLE#VARIANT`, or addresses (`http://HOST:PORT`, with `/v2/models/NAME` where a
    server has several models). With labels the rule `quality-non-inferiority` judges: `margin` is what B's
    accuracy may fall (0.01: one point), or what its MAE and RMSE may grow as a share of A's (0.01: one per cent).
    Without labels `decision-parity` judges classifiers, and other models are compared but not judged. `reading`
    says how the data is read, `judging` what is asked of it: the task, slices, metrics of the user's own.
    `credentials` are shown to both servers where both are addresses. The metrics of the outcome are B's. Raises
    `BundleError`, `EndpointError`, `DataError`, `SessionError`, `UsageError`.
    """
    _check_margin(margin)
    asked = judging or Judging()
    check_task(asked.task)
    told = asked.reading(reading)
    with ExitStack() as stack:
        observer.begin("diff")
        sides = (
            open_side(a, stack, observer, credentials=credentials),
            open_side(b, stack, observer, credentials=credentials),
        )
        terms = Terms(
            signature=sides[0].signature,
            subject=f"{sides[1].called} against {sides[0].called}",
            reference=sides[0].called,
            margin=margin,
            task=asked.task,
            class_names=tuple(asked.class_names) or sides[0].class_names or sides[1].class_names,
            tolerances=sides[0].tolerances,
            output=asked.output,
        )
        told = sides[0].asked.with_missing(told)
        found = _compare(sides, Path(data), terms, asked, told, stack, observer)
        if found.comparison is not None and found.dataset is not None and measure_latency:
            observer.doing("measuring latency in turn")
            found = replace(found, latency=_measure(sides, found.dataset))
        for verdict in found.verdicts:
            observer.verdict(verdict)
        observer.end(_summarize(found), overall(found.verdicts))
    return _outcome(sides, found, margin, frozenset(accept))


def _compare(
    sides: tuple[Side, Side],
    data: Path,
    terms: Terms,
    judging: Judging,
    reading: Reading,
    stack: ExitStack,
    observer: Observer,
) -> _Found:
    signatures = compare_signatures(sides[0].signature, sides[1].signature)
    if not signatures.is_comparable:
        note = "the signatures are too unlike to ask both the same rows: nothing else was compared"
        return _Found((signatures.verdict(terms.subject),), notes=(note,))
    dataset = stack.enter_context(load_data(data, terms.signature, observer, reading=reading))
    before, after = (_answers(side, dataset, observer) for side in sides)
    unlike = explain_shapes(before, after)
    if unlike:
        signatures = replace(
            signatures,
            breaches=(*signatures.breaches, *unlike),
            differences=(*signatures.differences, *unlike),
        )
        note = "the answers are of unlike shapes: nothing else was compared"
        return _Found((signatures.verdict(terms.subject),), dataset=dataset, notes=(note,))
    observer.doing("comparing answers")
    terms = replace(terms, row_numbers=dataset.row_numbers, slices=_slices(judging, dataset))
    comparison = _compare_answers(dataset, before, after, terms)
    if judging.metrics or judging.slices:
        answers = judged_outputs(before, terms), judged_outputs(after, terms)
        comparison = _with_asked(comparison, dataset, answers, judging, reading, observer)
    verdicts = (signatures.verdict(terms.subject), *comparison.verdicts)
    return _Found(verdicts, comparison, dataset)


def _with_asked(
    comparison: Comparison,
    dataset: Dataset,
    answers: tuple[Tensors, Tensors],
    judging: Judging,
    reading: Reading,
    observer: Observer,
) -> Comparison:
    """With the user's own metrics; a note where there are no labels for them."""
    if comparison.quality is None:
        note = "slices and metrics of your own need labels, and are left out"
        return replace(comparison, notes=(*comparison.notes, note))
    quality = with_user_metrics(
        comparison.quality,
        judging.metrics,
        dataset.stored_labels(),
        *answers,
        python=reading.python,
        progress=observer.doing,
    )
    return replace(comparison, quality=quality, notes=quality.notes)


def _slices(judging: Judging, dataset: Dataset) -> dict[str, NDArray[np.bool_]]:
    found: dict[str, NDArray[np.bool_]] = {}
    for text in judging.slices if dataset.has_rows else ():
        found.update(parse_predicate(text).slices(dataset.columns))
    return found


def _answers(side: Side, dataset: Dataset, observer: Observer) -> dict[str, np.ndarray]:
    observer.doing(f"predicting {dataset.rows} rows with {side.called}")
    if not dataset.has_rows:
        return run_requests(side.run, dataset.inputs)
    return run_blocks(side.run, side.signature, dataset.blocks())


def _compare_answers(dataset: Dataset, a: Tensors, b: Tensors, terms: Terms) -> Comparison:
    if not dataset.has_rows:
        note = "the models take whole requests: only numbers are compared, and quality is not judged"
        return Comparison(compare_outputs(a, b), notes=(note,))
    if dataset.labels is None:
        return compare_unlabelled(a, b, terms)
    named = terms.class_names or dataset.class_names
    return compare_labelled(dataset.labels, a, b, replace(terms, class_names=named))


def _measure(sides: tuple[Side, Side], dataset: Dataset) -> LatencyRatio:
    """One row a request, as most callers send it, or as many as a model insists on."""
    requests = [side.request(_one_request(side, dataset)) for side in sides]
    return measure_ratio(*requests, seconds=_LATENCY_SECONDS)


def _one_request(side: Side, dataset: Dataset) -> Tensors:
    if not dataset.has_rows:
        return {name: array[0, ...] for name, array in dataset.inputs.items()}
    return dataset.take(np.arange(side.signature.rows_per_request) % dataset.rows).inputs


def _check_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise UsageError(
            f"A margin is a share above 0 and below 1; found {margin:g}.",
            hint="0.01 is one point of accuracy, or one per cent of A's error.",
        )


def _summarize(found: _Found) -> str:
    if found.comparison is None:
        return "not comparable"
    parts = []
    quality, flips = found.comparison.quality, found.comparison.flips
    if quality is not None:
        name = quality.a.main_metric
        values = [side.metrics[name].value for side in (quality.a, quality.b)]
        shown = ["undefined" if value is None else f"{value:.4g}" for value in values]
        parts.append(f"{name} {shown[0]} → {shown[1]}")
    if flips is not None:
        parts.append(f"{flips.flips} of {flips.rows} decisions differ")
    if found.latency is not None:
        parts.append(f"latency × {found.latency.ratio:.2f}")
    return ", ".join(parts) or "numbers compared"


def _outcome(sides: tuple[Side, Side], found: _Found, margin: float, accepted: frozenset[Result]) -> Outcome:
    comparison, latency = found.comparison, found.latency
    facts = [side.facts() for side in sides]
    document: dict[str, Json] = {
        "a": sides[0].to_json(),
        "b": sides[1].to_json(),
        "differences": [
            {"field": field, "a": facts[0][field], "b": facts[1][field]}
            for field in facts[0]
            if field in facts[1] and facts[0][field] != facts[1][field]
        ],
        "margin": margin,
        "rows": None if found.dataset is None else found.dataset.rows,
        **(comparison or Comparison(())).to_json(),
        "latency": None if latency is None else latency.to_json(),
    }
    document["notes"] = [*document["notes"], *found.notes, *_latency_notes(sides, latency)]
    metrics: dict[str, Estimate] = {}
    if comparison is not None and comparison.quality is not None:
        metrics = comparison.quality.b.metrics
    elif comparison is not None and comparison.embeddings is not None:
        metrics = comparison.embeddings.metrics
    bundle = sides[1].asked.bundle
    return Outcome(
        verdicts=found.verdicts,
        metrics=metrics,
        measurements=_measurements(latency),
        bundle=None if bundle is None else BundleRef.of(bundle),
        details={
            "diff": document,
            **({} if found.dataset is None else {"data": found.dataset.to_json()}),
        },
        accepted=accepted,
    )


def _measurements(latency: LatencyRatio | None) -> dict[str, Json]:
    if latency is None:
        return {}
    ratio = {"value": latency.ratio, "low": latency.low, "high": latency.high}
    return {"latency_a_ms": latency.a_ms, "latency_b_ms": latency.b_ms, "latency_ratio": ratio}


def _latency_notes(sides: tuple[Side, Side], latency: LatencyRatio | None) -> list[str]:
    kinds = {side.asked.endpoint is None for side in sides}
    if latency is None or len(kinds) == 1:
        return []
    return ["latency: one of the two runs in this process and the other is asked over HTTP"]
