"""Counts and times of one served version, recorded once per run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shipway.server.scheduling.jobs import Job


class ModelMetrics:
    """Belongs to one event loop."""

    def __init__(self, *, queue: Callable[[], tuple[int, int]]) -> None:
        self.queue = queue
        self.reset()

    def reset(self) -> None:
        """Forgets all: the proof's own requests do not count."""
        self.executions = 0
        self.last_inference_at = 0.0
        self.failures: dict[str, int] = {}
        self.cache_hits = self.cache_misses = 0

    def record_run(self, jobs: Sequence[Job], started: float, ended: float, written: float) -> None:
        """These jobs ran together; times are `time.perf_counter` seconds."""
        self.executions += 1

    def count_failure(self, code: str) -> None:
        """A job got an error with this code instead of an answer."""
        self.failures[code] = self.failures.get(code, 0) + 1

    def count_cache_hit(self) -> None:
        """An answer came from the cache."""
        self.cache_hits += 1

    def count_cache_miss(self) -> None:
        """It did not."""
        self.cache_misses += 1
