"""Counts and times of one served version, recorded once per run and read when somebody asks.

The hot path only appends numbers to lists; they are folded into histograms some thousand at a time, with numpy.
At batches of 8 that costs about 0.3 µs a request in all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from shipway.errors import OverloadedError, ShipwayError
from shipway.server.observation.histogram import COUNT_BOUNDS, SECONDS_BOUNDS, Histogram
from shipway.server.scheduling.jobs import Job

STAGES: Final = ("input", "queue", "infer", "output", "total")
"""Of a request's way: read and checked, waited, ran, answer written; and all of it. Whoever shares a run has its
whole `infer` time, and an equal share of the time in which its answers were written."""
_FOLD_AT = 2048
"""Requests: folding them takes about half a millisecond, and they hold 0.2 MB until then."""
_MOST_SIZES = 128
"""Batch sizes that are told apart; further ones count in the histograms alone."""


RunCallback = Callable[[Sequence[Job], float, float, float], None]
"""What is told about runs beside the counts, where logs or traces are wanted: jobs, started, ended, written."""


class ModelMetrics:
    """Belongs to one event loop."""

    def __init__(self, *, queue: Callable[[], tuple[int, int]]) -> None:
        self.queue = queue
        """Rows and bytes that wait, now."""
        self.on_run: RunCallback | None = None
        self._epoch = time.time() - time.perf_counter()
        """What makes a time of the performance counter one of the calendar."""
        self.reset()

    def reset(self) -> None:
        """Forgets all: the proof's own requests do not count."""
        self._executions = self._answered = 0
        self._last_ended = 0.0
        self._failures: dict[str, int] = {}
        self._cache_hits = self._cache_misses = 0
        self._rows_total = 0
        self._stages = {stage: Histogram(SECONDS_BOUNDS) for stage in STAGES}
        self._batch_rows = Histogram(COUNT_BOUNDS)
        self._batch_requests = Histogram(COUNT_BOUNDS)
        self._sizes: dict[int, _BatchSize] = {}
        # Not folded yet: one number per request, and one per run.
        self._asked: list[float] = []
        self._queued: list[float] = []
        self._rows: list[int] = []
        self._lengths: list[int] = []
        self._started: list[float] = []
        self._ended: list[float] = []
        self._written: list[float] = []

    def record_run(
        self, jobs: Sequence[Job], started: float, ended: float, written: float, answered: int
    ) -> None:
        """These jobs ran together; times are `time.perf_counter` seconds.

        `answered`: of how many of them somebody got the outputs; the others failed, or nobody waits any more.
        """
        asked = self._asked
        for job in jobs:
            asked.append(job.asked_at)
            self._queued.append(job.queued_at)
            self._rows.append(job.rows)
        self._lengths.append(len(jobs))
        self._started.append(started)
        self._ended.append(ended)
        self._written.append(written)
        self._answered += answered
        if len(asked) >= _FOLD_AT:
            self._fold()
        if self.on_run is not None:
            self.on_run(jobs, started, ended, written)

    def count_failure(self, code: str) -> None:
        """A request got an error with this code instead of an answer."""
        self._failures[code] = self._failures.get(code, 0) + 1

    def count_refusal(self, error: ShipwayError) -> None:
        """A transport refuses a request to this version with what was raised on the way to its queue.

        What the queue itself refuses it has counted, for all transports.
        """
        if not isinstance(error, OverloadedError):
            self.count_failure(error.code)

    def count_unwritten(self, code: str) -> None:
        """The model answered, and its answer could not be put into the form that was asked for."""
        self._answered -= 1
        self.count_failure(code)

    def count_cache_hit(self) -> None:
        """An answer came from the cache."""
        self._cache_hits += 1

    def count_cache_miss(self) -> None:
        """It did not."""
        self._cache_misses += 1

    def snapshot(self) -> dict[str, Any]:
        """Everything, as JSON can hold it; `merging.py` adds up those of several processes."""
        self._fold()
        rows, size_bytes = self.queue()
        return {
            "success": self._answered + self._cache_hits,
            "failures": dict(self._failures),
            "executions": self._executions,
            "rows": self._rows_total,
            "cache_hits": self._cache_hits,
            "cache_misses": self._cache_misses,
            "last_inference_ms": int((self._epoch + self._last_ended) * 1000) if self._last_ended else 0,
            "queue_rows": rows,
            "queue_bytes": size_bytes,
            "stages": {stage: histogram.snapshot() for stage, histogram in self._stages.items()},
            "batch_rows": self._batch_rows.snapshot(),
            "batch_requests": self._batch_requests.snapshot(),
            "batch_sizes": {str(rows): size.snapshot() for rows, size in sorted(self._sizes.items())},
        }

    def _fold(self) -> None:
        if not self._lengths:
            return
        lengths, started = np.array(self._lengths), np.array(self._started)
        ended, written = np.array(self._ended), np.array(self._written)
        asked, queued, rows = np.array(self._asked), np.array(self._queued), np.array(self._rows)
        pending = (self._asked, self._queued, self._rows, self._lengths, self._started, self._ended)
        for numbers in (*pending, self._written):
            numbers.clear()
        outputs = (written - ended) / lengths
        reading = queued - asked
        stages = self._stages
        stages["input"].fold(reading)
        stages["queue"].fold(np.repeat(started, lengths) - queued)
        stages["infer"].fold(ended - started, lengths)
        stages["output"].fold(outputs, lengths)
        stages["total"].fold(np.repeat(written, lengths) - asked)
        starts = np.cumsum(lengths) - lengths
        rows_of_runs = np.add.reduceat(rows, starts)
        self._batch_rows.fold(rows_of_runs.astype(np.float64))
        self._batch_requests.fold(lengths.astype(np.float64))
        self._executions += len(lengths)
        self._rows_total += int(rows.sum())
        self._last_ended = float(ended[-1])
        inputs = np.add.reduceat(reading, starts)
        for size in np.unique(rows_of_runs).tolist():
            chosen = rows_of_runs == size
            found = self._sizes.get(size)
            if found is None:
                if len(self._sizes) >= _MOST_SIZES:
                    continue
                found = self._sizes[size] = _BatchSize()
            found.executions += int(chosen.sum())
            found.input_seconds += float(inputs[chosen].sum())
            found.infer_seconds += float((ended - started)[chosen].sum())
            found.output_seconds += float((written - ended)[chosen].sum())


class _BatchSize:
    """The runs of one number of rows."""

    __slots__ = ("executions", "infer_seconds", "input_seconds", "output_seconds")

    def __init__(self) -> None:
        self.executions = 0
        self.input_seconds = self.infer_seconds = self.output_seconds = 0.0

    def snapshot(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in self.__slots__}
