"""`top`: what a running server does right now, from what its counts grew by between two looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, Final

from shipway.actions.exposed import Page, ask_page
from shipway.targets.credentials import Credentials

STAGES: Final = ("input", "queue", "infer", "output", "total")
_REQUESTS = "shipway_inference_requests_total"
_SECONDS = "shipway_inference_stage_seconds"


@dataclass(frozen=True)
class ModelView:
    """One version, over the time between two looks. None: nothing to tell it from."""

    model: str
    version: str
    state: str
    requests_per_second: float
    errors_per_second: float
    errors: Mapping[str, float]
    """By code, a second."""
    p50_ms: Mapping[str, float | None]
    """By stage."""
    p99_ms: Mapping[str, float | None]
    rows_per_run: float | None
    queue_rows: int
    queue_bytes: int


@dataclass(frozen=True)
class View:
    """All of a server between two looks."""

    seconds: float
    workers: int
    uptime_seconds: float
    connections: int
    resident_bytes: int
    cpu_percent: float
    """100: one processor."""
    refusals_per_second: float
    refusals: Mapping[str, float]
    """By code, a second; also those that a model counts."""
    models: Sequence[ModelView]

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def top(
    url: str,
    *,
    interval_seconds: float = 2.0,
    credentials: Credentials | None = None,
    wait: Callable[[float], bool] = _sleep,
) -> Iterator[View]:
    """Looks at a server's `/metrics` again and again; each view is of the time since the look before.

    `credentials` are what the server is shown. `wait` lets so many seconds go by; True from it ends the watch.
    Raises `UsageError`, `EndpointUnreachableError` and `EndpointAnswerError`.
    """
    before = ask_page(url, credentials=credentials)
    while True:
        if wait(interval_seconds):
            return
        after = ask_page(url, credentials=credentials)
        yield compare(before, after)
        before = after


def compare(before: Page, after: Page) -> View:
    """What happened between two pages."""
    seconds = max(after.at - before.at, 1e-9)
    refusals = _rates(before, after, "shipway_http_refusals_total", "code", seconds)
    cpu = _growth(before, after, "shipway_process_cpu_seconds_total")
    return View(
        seconds=seconds,
        workers=int(after.total("shipway_workers")),
        uptime_seconds=max(0.0, time.time() - after.total("shipway_process_start_time_seconds")),
        connections=int(after.total("shipway_connections")),
        resident_bytes=int(after.total("shipway_process_resident_memory_bytes")),
        cpu_percent=100 * cpu / seconds,
        refusals_per_second=sum(refusals.values()),
        refusals=refusals,
        models=[
            _model(before, after, labels["model"], labels["version"], labels["state"], seconds)
            for labels, _ in sorted(
                after.of("shipway_model_state"), key=lambda sample: (sample[0]["model"], sample[0]["version"])
            )
        ],
    )


def _model(before: Page, after: Page, model: str, version: str, state: str, seconds: float) -> ModelView:
    which = {"model": model, "version": version}
    outcomes = _rates(before, after, _REQUESTS, "outcome", seconds, **which)
    success = outcomes.pop("success", 0.0)
    runs = _growth(before, after, "shipway_inference_executions_total", **which)
    rows = _growth(before, after, "shipway_inference_rows_total", **which)
    times = {stage: _bucket_growth(before, after, stage=stage, **which) for stage in STAGES}
    return ModelView(
        model=model,
        version=version,
        state=state,
        requests_per_second=success + sum(outcomes.values()),
        errors_per_second=sum(outcomes.values()),
        errors=outcomes,
        p50_ms={stage: _milliseconds(quantile(found, 0.5)) for stage, found in times.items()},
        p99_ms={stage: _milliseconds(quantile(found, 0.99)) for stage, found in times.items()},
        rows_per_run=rows / runs if runs else None,
        queue_rows=int(after.total("shipway_queue_rows", **which)),
        queue_bytes=int(after.total("shipway_queue_bytes", **which)),
    )


def _growth(before: Page, after: Page, name: str, **labels: str) -> float:
    """Of a counter. One that is smaller than before has begun anew: a version or a process was replaced."""
    old, new = before.total(name, **labels), after.total(name, **labels)
    return new - old if new >= old else new


def _rates(before: Page, after: Page, name: str, by: str, seconds: float, **labels: str) -> dict[str, float]:
    """A second, by the values of one label; those that did not grow are left out."""
    values = dict.fromkeys(found[by] for found, _ in after.of(name, **labels))
    grown = {value: _growth(before, after, name, **{**labels, by: value}) for value in values}
    return {value: growth / seconds for value, growth in grown.items() if growth}


def _bucket_growth(before: Page, after: Page, **labels: str) -> list[tuple[float, float]]:
    """Upper bounds and how many more values lie at or below each, ascending."""
    name = f"{_SECONDS}_bucket"
    old = {found["le"]: value for found, value in before.of(name, **labels)}
    new = {found["le"]: value for found, value in after.of(name, **labels)}
    if any(value < old.get(edge, 0) for edge, value in new.items()):
        old = {}
    return sorted((float(edge), value - old.get(edge, 0)) for edge, value in new.items())


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """The value below which that share lies, as Prometheus' `histogram_quantile` reads it; None without values.

    Within a bucket values are taken to lie evenly; above the last bound, at that bound.
    """
    count = buckets[-1][1] if buckets else 0
    if not count:
        return None
    rank = share * count
    low_bound = low_count = 0.0
    for bound, reached in buckets:
        if reached >= rank:
            if bound == inf:
                return low_bound
            inside = (rank - low_count) / (reached - low_count) if reached > low_count else 1.0
            return low_bound + (bound - low_bound) * inside
        low_bound, low_count = bound, reached
    return low_bound


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
