"""Metrics as text: Prometheus' format 0.0.4, and OpenMetrics 1.0 for those who ask for it.

Written here, and checked in tests with `prometheus_client`'s own parsers. That package writes what lives in its
own registry; what is here comes as a document that several processes have added up, and importing the package
would take a tenth of the server's start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from shipway.server.observation.histogram import COUNT_BOUNDS, SECONDS_BOUNDS
from shipway.server.observation.merging import Snapshot

TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Family:
    """One metric: its name without suffix, what it is, and where its samples are in a snapshot."""

    name: str
    kind: str
    """counter, gauge or histogram."""
    help: str
    unit: str = ""

    @property
    def sample_name(self) -> str:
        """A counter's samples end in `_total`, in both formats."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


REQUESTS = Family(
    "shipway_inference_requests",
    "counter",
    "Inference requests by what became of them: success, or the code of the error.",
)
STAGE_SECONDS = Family(
    "shipway_inference_stage_seconds",
    "histogram",
    "Seconds of a request by stage: input (read and checked), queue, infer, output (written), and total.",
    unit="seconds",
)
EXECUTIONS = Family("shipway_inference_executions", "counter", "Runs of the model; requests may share one.")
ROWS = Family("shipway_inference_rows", "counter", "Rows that were run.")
BATCH_ROWS = Family("shipway_batch_rows", "histogram", "Rows of a run.")
BATCH_REQUESTS = Family("shipway_batch_requests", "histogram", "Requests that shared a run.")
CACHE_HITS = Family("shipway_cache_hits", "counter", "Requests answered from the response cache.")
CACHE_MISSES = Family("shipway_cache_misses", "counter", "Requests that the response cache did not know.")
QUEUE_ROWS = Family("shipway_queue_rows", "gauge", "Rows that wait for a run, now.")
QUEUE_BYTES = Family("shipway_queue_bytes", "gauge", "Bytes of the inputs that wait.", unit="bytes")
LAST_INFERENCE = Family(
    "shipway_last_inference_timestamp_seconds",
    "gauge",
    "When the last run ended, in seconds since the epoch; 0: none has.",
    unit="seconds",
)
MODEL_STATE = Family(
    "shipway_model_state",
    "gauge",
    "1 for the state of a known version: ready, loading, unloading or unavailable.",
)
LOADS = Family("shipway_model_loads", "counter", "Versions loaded, proven and put into service.")
UNLOADS = Family("shipway_model_unloads", "counter", "Versions taken out of service.")
EVICTIONS = Family("shipway_model_evictions", "counter", "Versions unloaded to keep max_model_bytes.")
REFUSALS = Family("shipway_http_refusals", "counter", "Answers that are errors, by status and code.")
ABANDONED = Family(
    "shipway_http_abandoned_requests", "counter", "Requests whose client went away before the answer."
)
DROPPED = Family(
    "shipway_observation_dropped",
    "counter",
    "Log lines, spans and captured requests that were left out because too many waited, by part.",
)
CONNECTIONS = Family("shipway_connections", "gauge", "Open connections.")
ACCEPTED = Family("shipway_connections_accepted", "counter", "Connections since the start.")
WORKERS = Family("shipway_workers", "gauge", "Worker processes that told of themselves.")
WORKER_DEATHS = Family("shipway_worker_deaths", "counter", "Worker processes that ended and were replaced.")
WORKER_REFUSALS = Family(
    "shipway_worker_refusals", "counter", "Requests answered with 503 because their worker process ended."
)
TAKEN_OVER = Family(
    "shipway_worker_taken_over_connections",
    "counter",
    "Connections that another worker process went on with.",
)
START_TIME = Family(
    "shipway_process_start_time_seconds", "gauge", "When the oldest process began.", unit="seconds"
)
RESIDENT = Family(
    "shipway_process_resident_memory_bytes", "gauge", "Memory that the processes hold.", unit="bytes"
)
CPU_SECONDS = Family("shipway_process_cpu_seconds", "counter", "CPU time of the processes.", unit="seconds")


def expose(snapshot: Snapshot, *, is_open_metrics: bool = False) -> bytes:
    """A (merged) snapshot as text."""
    lines: list[str] = []
    for family, samples in _families(snapshot):
        lines += _head(family, is_open_metrics=is_open_metrics)
        lines += samples
    if is_open_metrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def accepts_open_metrics(accept: bytes | None) -> bool:
    """Whether a request's Accept header names OpenMetrics 1.0 at all; Prometheus prefers what it names first."""
    return accept is not None and b"application/openmetrics-text" in accept


def _head(family: Family, *, is_open_metrics: bool) -> list[str]:
    # The older format names a counter by its samples, the newer one by its family.
    name = family.name if is_open_metrics else family.sample_name
    lines = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
    return [*lines, f"# UNIT {name} {family.unit}"] if is_open_metrics and family.unit else lines


def _families(snapshot: Snapshot) -> Iterator[tuple[Family, list[str]]]:
    models: list[tuple[Labels, Mapping[str, Any]]] = [
        ((("model", name), ("version", version)), told)
        for name, versions in snapshot["models"].items()
        for version, told in versions.items()
    ]
    yield REQUESTS, [line for labels, told in models for line in _outcomes(labels, told)]
    yield (
        STAGE_SECONDS,
        [
            line
            for labels, told in models
            for stage, histogram in told["stages"].items()
            for line in _histogram(STAGE_SECONDS, (*labels, ("stage", stage)), histogram, SECONDS_BOUNDS)
        ],
    )
    for family, key in ((BATCH_ROWS, "batch_rows"), (BATCH_REQUESTS, "batch_requests")):
        found = (_histogram(family, labels, told[key], COUNT_BOUNDS) for labels, told in models)
        yield family, [line for lines in found for line in lines]
    for family, key in _PER_MODEL:
        yield family, [_sample(family, labels, told[key]) for labels, told in models]
    yield (
        LAST_INFERENCE,
        [_sample(LAST_INFERENCE, labels, told["last_inference_ms"] / 1000) for labels, told in models],
    )
    yield (
        MODEL_STATE,
        [
            _sample(MODEL_STATE, (("model", name), ("version", version), ("state", state)), 1)
            for name, versions in snapshot["states"].items()
            for version, state in versions.items()
        ],
    )
    refusals = ([*key.split(" ", 1), count] for key, count in snapshot["refusals"].items())
    yield (
        REFUSALS,
        [_sample(REFUSALS, (("status", status), ("code", code)), count) for status, code, count in refusals],
    )
    yield DROPPED, [_sample(DROPPED, (("part", part),), count) for part, count in snapshot["dropped"].items()]
    for family, room, key in _PER_SERVER:
        yield family, [_sample(family, (), snapshot[room][key])]
    supervisor = snapshot.get("supervisor", {})  # a single process has none
    for family, key in _PER_SUPERVISOR:
        yield family, [_sample(family, (), supervisor.get(key, 0))]


_PER_MODEL = (
    (EXECUTIONS, "executions"),
    (ROWS, "rows"),
    (CACHE_HITS, "cache_hits"),
    (CACHE_MISSES, "cache_misses"),
    (QUEUE_ROWS, "queue_rows"),
    (QUEUE_BYTES, "queue_bytes"),
)
_PER_SERVER = (
    (LOADS, "repository", "loads"),
    (UNLOADS, "repository", "unloads"),
    (EVICTIONS, "repository", "evictions"),
    (ABANDONED, "connections", "abandoned"),
    (CONNECTIONS, "connections", "open"),
    (ACCEPTED, "connections", "accepted"),
    (WORKERS, "process", "workers"),
    (START_TIME, "process", "start_time_seconds"),
    (RESIDENT, "process", "resident_bytes"),
    (CPU_SECONDS, "process", "cpu_seconds"),
)
_PER_SUPERVISOR = (
    (WORKER_DEATHS, "worker_deaths"),
    (WORKER_REFUSALS, "refused_for_dead_worker"),
    (TAKEN_OVER, "taken_over_connections"),
)


def _outcomes(labels: Labels, told: Mapping[str, Any]) -> list[str]:
    counts = {"success": told["success"], **told["failures"]}
    return [_sample(REQUESTS, (*labels, ("outcome", outcome)), count) for outcome, count in counts.items()]


def _histogram(
    family: Family, labels: Labels, told: Mapping[str, Any], bounds: Sequence[float]
) -> Iterable[str]:
    running = list(accumulate(told["counts"]))
    edges = [*map(_number, bounds), "+Inf"]
    for edge, count in zip(edges, running, strict=True):
        yield _line(f"{family.name}_bucket", (*labels, ("le", edge)), count)
    yield _line(f"{family.name}_sum", labels, told["sum"])
    yield _line(f"{family.name}_count", labels, running[-1])


def _sample(family: Family, labels: Labels, value: float) -> str:
    return _line(family.sample_name, labels, value)


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join([f'{label}="{_escape(text)}"' for label, text in labels])
    return f"{name}{{{shown}}} {_number(value)}" if shown else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
