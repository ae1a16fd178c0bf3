"""What is told about single requests beside the counts: lines, traces, captured requests. Off, it costs nothing.

Answers come here one by one as they are sent, and runs as they end; what belongs together is joined by its job.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from shipway.errors import ShipwayError, UsageError
from shipway.server.http.exchange import Exchange
from shipway.server.models.model import ServedModel
from shipway.server.observation.logs import RequestLog, check_settings
from shipway.server.observation.span import Span
from shipway.server.scheduling.jobs import Job
from shipway.server.settings import ServerSettings

if TYPE_CHECKING:  # few want them, and they are imported for those
    from shipway.server.observation.capture import Capture
    from shipway.server.observation.traces import Traces

_CLOSE_SECONDS = 5.0


class Observation:
    """Belongs to one event loop."""

    def __init__(
        self, *, log: RequestLog | None, logs_all: bool, traces: Traces | None, capture: Capture | None
    ) -> None:
        self.capture = capture
        self._log = log
        self._logs_all = logs_all
        self._traces = traces
        self.watches_all = logs_all or traces is not None or capture is not None
        """False: errors only, so that every other answer costs nothing."""
        self._epoch = time.time() - time.perf_counter()
        self._answered: dict[Job, Span] = {}
        """What was answered out of the run that is being written."""

    def on_answer(self, exchange: Exchange, status: int) -> None:
        """An answer that is none of the errors is about to be sent."""
        job = exchange.job
        if self.capture is not None:
            self.capture.name_current(exchange.request_id, exchange.head.headers)
        span = self._span(exchange, status)
        if job is None:
            self._tell(span)
        else:
            self._answered[job] = span

    def on_failure(self, exchange: Exchange, status: int, error: ShipwayError) -> None:
        """An error is about to be sent."""
        span = self._span(exchange, status)
        span.code, span.message = error.code, error.message
        if exchange.job is not None:
            span.started = self._epoch + exchange.job.asked_at
        if self._log is not None:
            self._log.tell_error(_fields(span))
        if self._traces is not None:
            self._traces.offer(span)

    def watch(self, model: ServedModel) -> None:
        """A version is put into service: from now on its runs are told, where that is wanted."""
        if self.watches_all:
            model.metrics.on_run = partial(self._on_run, model.card.name, model.card.version)

    def dropped(self) -> dict[str, int]:
        """Records that were left out, because more came than could be written."""
        parts = {"log": self._log, "traces": self._traces, "capture": self.capture}
        return {name: part.dropped for name, part in parts.items() if part is not None}

    async def close(self) -> None:
        """Writes and sends what waits, within seconds."""
        closing: list[Callable[[], None]] = [
            part.close for part in (self._log, self._traces, self.capture) if part is not None
        ]
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(None, close) for close in closing]
        if work:
            await asyncio.wait(work, timeout=_CLOSE_SECONDS)

    def _on_run(
        self, model: str, version: str, jobs: Sequence[Job], started: float, ended: float, written: float
    ) -> None:
        answered = self._answered
        for job in jobs:
            span = answered.pop(job, None)
            if span is not None:
                span.model, span.version = model, version
                span.rows, span.batch_requests = job.rows, len(jobs)
                epoch = self._epoch
                span.started, span.ended = epoch + job.asked_at, epoch + written
                span.stages = {
                    "input": (span.started, epoch + job.queued_at),
                    "queue": (epoch + job.queued_at, epoch + started),
                    "infer": (epoch + started, epoch + ended),
                    "output": (epoch + ended, epoch + written),
                }
                self._tell(span)

    def _span(self, exchange: Exchange, status: int) -> Span:
        head = exchange.head
        now = self._epoch + time.perf_counter()
        return Span(
            method=head.method.decode("latin-1"),
            target=head.target.decode("latin-1"),
            request_id=exchange.request_id.decode("ascii"),
            call_id=exchange.call_id,
            traceparent=head.headers.get(b"traceparent", b""),
            tracestate=head.headers.get(b"tracestate", b""),
            status=status,
            started=now,
            ended=now,
        )

    def _tell(self, span: Span) -> None:
        if self._log is not None and self._logs_all:
            self._log.tell(_fields(span))
        if self._traces is not None and span.stages:
            self._traces.offer(span)


def _fields(span: Span) -> dict[str, Any]:
    """A line's fields, in the order in which they are read."""
    if not span.model:
        span.model, span.version = model_in(span.target)
    level = "info" if not span.code else "error" if span.status >= 500 else "warning"
    fields: dict[str, Any] = {"time": span.ended, "level": level, "event": "request"}
    given = {
        "message": span.message,
        "code": span.code,
        "status": span.status,
        "method": span.method,
        "target": span.target[:500],
        "request_id": span.request_id,
        "id": span.call_id,
        "model": span.model,
        "version": span.version,
        "rows": span.rows,
        "batch_requests": span.batch_requests,
    }
    fields |= {name: value for name, value in given.items() if value not in ("", 0)}
    if span.stages:
        times = {**span.stages, "total": (span.started, span.ended)}
        fields["ms"] = {stage: round((end - start) * 1000, 3) for stage, (start, end) in times.items()}
    return fields


def model_in(target: str) -> tuple[str, str]:
    """Model and version that a request target of either protocol names; empty where it names none."""
    path = target.partition("?")[0].strip("/").split("/")
    if len(path) < 3 or path[0] not in ("v1", "v2") or path[1] != "models":
        return "", ""
    version = path[4].partition(":")[0] if len(path) > 4 and path[3] == "versions" else ""
    return path[2].partition(":")[0], version


def make_observation(settings: ServerSettings) -> Observation:
    """As the settings have it. Raises `UsageError`, `MissingDependencyError`, `PermissionDeniedError`."""
    check_settings(settings.log_format, settings.log_requests)
    for name in ("traces_share", "capture_share"):
        if not 0 <= getattr(settings, name) <= 1:
            raise UsageError(f"{name}: expected 0 to 1, found {getattr(settings, name):g}.")
    log = RequestLog(settings.log_format) if settings.log_requests != "none" else None
    traces = capture = None
    if settings.traces_endpoint:
        from shipway.server.observation.traces import Traces  # here, and below: for those who want it

        traces = Traces(settings.traces_endpoint, settings.traces_share)
    if settings.capture_folder and settings.capture_share:
        from shipway.server.observation.capture import Capture

        capture = Capture(settings)
    return Observation(log=log, logs_all=settings.log_requests == "all", traces=traces, capture=capture)
