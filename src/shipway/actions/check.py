"""`check`: asks a live endpoint, and judges whether it answers as the bundle's model does, and how fast."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shipway.actions.asking import load_data, open_session
from shipway.actions.judging import Judging, Quality, missing_allowed, quality_of, require_labels
from shipway.actions.observer import SILENT, Observer
from shipway.actions.outcome import BundleRef, Outcome
from shipway.actions.running import Run, explain_answer, join_rows, run_blocks, run_requests, run_rows
from shipway.bundle.evidence import Json, Result, Verdict, overall
from shipway.bundle.golden import Golden
from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import BundleFormatError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset
from shipway.evaluation.parity.numeric import answer_parity
from shipway.planning.measure import Speed, measure_speed
from shipway.targets.connection import open_connection, request_bytes
from shipway.targets.credentials import Credentials
from shipway.targets.endpoint import Endpoint
from shipway.types import Array, Signature, Tensors

SIGNATURE_RULE = "signature"
_SPEED_SECONDS = 3.0


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    verdicts: tuple[Verdict, ...]
    speed: Speed | None
    quality: Quality | None


def check(
    url: str,
    bundle: Path | str,
    *,
    data: Path | str | None = None,
    reading: Reading | None = None,
    judging: Judging | None = None,
    credentials: Credentials | None = None,
    accept: Collection[Result] = (),
    observer: Observer = SILENT,
) -> Outcome:
    """Asks the endpoint at `url` the bundle's golden samples and, when given, every row of `data`.

    The golden samples are asked alone and in one batch (alone only for a model without rows), and judged
    against what the trained model's own framework answered; the rows of `data` against the bundle's model in
    this process, and by their labels; for a model without rows `data` holds requests and needs no labels.
    `credentials` are what the server is shown.
    Raises `EndpointError`, `BundleError`, `DataError`.
    """
    opened = open_bundle(Path(bundle))
    asked = (judging or Judging()).of_bundle(opened.manifest)
    told = missing_allowed(asked.reading(reading), opened.manifest)
    with ExitStack() as stack:
        dataset = None
        if data is not None:
            dataset = load_data(Path(data), opened.manifest.signature, observer, reading=told)
            stack.enter_context(dataset)
            if dataset.has_rows:
                outputs = opened.manifest.signature.outputs
                require_labels(dataset, asked, outputs, drop_bad=told.drop_bad)
        endpoint = stack.enter_context(Endpoint(url, opened.manifest.name, credentials=credentials))
        checked = check_endpoint(endpoint, opened, dataset, observer, judging=asked, reading=told)
    return Outcome(
        verdicts=checked.verdicts,
        metrics=checked.quality.metrics if checked.quality else {},
        measurements=checked.speed.to_json() if checked.speed else {},
        bundle=BundleRef.of(opened),
        details={"url": url, **(checked.quality.details() if checked.quality else {})},
        accepted=frozenset(accept),
    )


def check_endpoint(
    endpoint: Endpoint,
    bundle: Bundle,
    dataset: Dataset | None,
    observer: Observer,
    *,
    judging: Judging,
    reading: Reading,
) -> Checked:
    """The check itself; speed is measured only where the answers are right."""
    observer.begin("check")
    golden = bundle.golden()
    if golden is None:
        raise BundleFormatError(
            f"{bundle.path} holds no golden samples to ask.", hint="Export the model again."
        )
    where = f"{endpoint.url} {endpoint.model}"
    verdicts = [_judge_signature(endpoint.signature, bundle.manifest.signature, where)]
    observer.verdict(verdicts[0])
    quality = None
    if verdicts[0].result is Result.PASS:
        for verdict in _ask_golden(endpoint, golden, where, observer):
            observer.verdict(verdict)
            verdicts.append(verdict)
        if dataset is not None:
            answers, verdict = _ask_data(endpoint, bundle, dataset, golden, where, observer)
            observer.verdict(verdict)
            verdicts.append(verdict)
            if dataset.has_rows and not explain_answer(answers, bundle.manifest.signature, rows=dataset.rows):
                quality = quality_of(
                    answers,
                    bundle.manifest.signature,
                    dataset,
                    subject=where,
                    judging=judging,
                    reading=reading,
                    observer=observer,
                )
                verdicts.extend(quality.verdicts)
    speed = None
    if all(verdict.result is Result.PASS for verdict in verdicts):
        observer.doing("measuring latency and throughput")
        speed = _measure(endpoint, golden)
    observer.end(_summarize(verdicts, speed), overall(verdicts))
    return Checked(verdicts=tuple(verdicts), speed=speed, quality=quality)


def _judge_signature(found: Signature, expected: Signature, where: str) -> Verdict:
    def form(signature: Signature) -> dict[str, Json]:
        return {
            side: {
                spec.name: [str(spec.dtype), [dim if isinstance(dim, int) else -1 for dim in spec.shape]]
                for spec in specs
            }
            for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }

    same = form(found) == form(expected)
    reason = (
        "names, dtypes and shapes are the bundle's"
        if same
        else f"the endpoint's inputs and outputs are {form(found)}, the bundle's {form(expected)}"
    )
    return Verdict(SIGNATURE_RULE, where, Result.PASS if same else Result.FAIL, reason)


def _ask_golden(endpoint: Endpoint, golden: Golden, where: str, observer: Observer) -> list[Verdict]:
    observer.doing(f"asking {golden.count} golden samples")
    if not golden.has_rows:
        answers = run_requests(endpoint.predict, golden.inputs)
        return [_judge(golden, answers, f"{where}, golden requests one by one")]
    if not endpoint.signature.batch_axis:
        answers = run_rows(endpoint.predict, endpoint.signature, golden.inputs)
        return [_judge(golden, answers, where)]
    alone = [endpoint.predict(golden.take(slice(row, row + 1)).inputs) for row in range(golden.count)]
    return [
        _judge(golden, join_rows(alone), f"{where}, golden samples one by one"),
        _judge(golden, endpoint.predict(golden.inputs), f"{where}, golden samples in one batch"),
    ]


def _ask_data(
    endpoint: Endpoint, bundle: Bundle, dataset: Dataset, golden: Golden, where: str, observer: Observer
) -> tuple[dict[str, Array], Verdict]:
    """The endpoint's answers to all rows, judged against the bundle's model run in this process."""
    size = f"{dataset.rows} {'labelled rows' if dataset.has_rows else 'requests'}"
    observer.doing(f"asking {size}")

    def ask(run: Run, signature: Signature) -> dict[str, Array]:
        if not dataset.has_rows:
            return run_requests(run, dataset.inputs)
        return run_blocks(run, signature, dataset.blocks())

    session = open_session(bundle)
    try:
        expected = ask(session.run, session.signature)
    finally:
        session.close()
    found = ask(endpoint.predict, endpoint.signature)
    verdict = answer_parity(expected, found, tolerances=golden.tolerances, subject=f"{where}, {size}")
    return found, verdict


def _judge(expected: Golden, found: Tensors, subject: str) -> Verdict:
    return answer_parity(expected.outputs, found, tolerances=expected.tolerances, subject=subject)


def _measure(endpoint: Endpoint, golden: Golden) -> Speed:
    """One row a request, as most callers send it."""
    body, headers = endpoint.encode(one_request(endpoint.signature, golden))
    client = endpoint.client
    headers |= client.credentials.headers
    request = request_bytes(endpoint.url, endpoint.infer_path, body, headers)
    return measure_speed(
        lambda: open_connection(endpoint.url, request, credentials=client.credentials, tls=client.tls),
        seconds=_SPEED_SECONDS,
    )


def one_request(signature: Signature, golden: Golden) -> Tensors:
    """One row of the golden samples, as many as the model insists on where its batch is fixed; or one request."""
    if not golden.has_rows:
        return golden.request(0)
    rows = np.arange(signature.rows_per_request) % golden.count
    return {name: array[rows] for name, array in golden.inputs.items()}


def _summarize(verdicts: list[Verdict], speed: Speed | None) -> str:
    if speed is None:
        return f"{overall(verdicts)}"
    p99 = speed.p99
    bound = "" if p99.high_ms is None else f" (at most {p99.high_ms:.1f})"
    return (
        f"p50 {speed.p50.value_ms:.1f} ms, p99 {p99.value_ms:.1f} ms{bound}, "
        f"{speed.throughput_per_second:.0f} requests/s with {speed.clients} clients"
    )
