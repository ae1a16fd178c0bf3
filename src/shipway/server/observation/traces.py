"""Traces: a span for a request with one for each of its stages, sent to an OpenTelemetry collector.

Spans are made after the request, in a thread, from the times that the metrics need anyway; the exporter has a
thread and a bounded queue of its own. The SDK is imported only where traces are wanted: it takes 0.3 s.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from shipway.errors import MissingDependencyError
from shipway.server.observation.background import Background
from shipway.server.observation.span import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_NANOSECONDS: Final = 10**9
_MOST_WAITING: Final = 10_000
_EXPORT_SECONDS: Final = 3.0
_SAMPLED: Final = 1
"""The flag of W3C Trace Context, 3.2: the caller records this trace."""


class Traces:
    """Belongs to one event loop."""

    def __init__(self, endpoint: str, share: float) -> None:
        """Raises `MissingDependencyError`."""
        self._share = share
        self._provider = _make_provider(endpoint)
        self._tracer = self._provider.get_tracer("shipway.server")
        self._making = Background(self._make, name="shipway-traces", most=_MOST_WAITING)

    @property
    def dropped(self) -> int:
        """Spans that found too many waiting."""
        return self._making.dropped

    def offer(self, span: Span) -> None:
        """Takes a request's span where its caller records the trace, or else a share of them."""
        sampled = is_sampled(span.traceparent)
        if sampled or (sampled is None and random.random() < self._share):  # noqa: S311 - no secret
            self._making.offer(span)

    def close(self) -> None:
        """Sends what waits. Blocks for seconds at most."""
        self._making.close(1.0)
        # In a thread that holds nothing up: the SDK goes on trying while a collector is gone.
        sending = threading.Thread(target=self._provider.shutdown, name="shipway-last-traces", daemon=True)
        sending.start()
        sending.join(_EXPORT_SECONDS)

    def _make(self, spans: Sequence[Span]) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        for told in spans:
            carrier = {"traceparent": told.traceparent.decode("latin-1")}
            if told.tracestate:
                carrier["tracestate"] = told.tracestate.decode("latin-1")
            path = told.target.partition("?")[0]
            span = self._tracer.start_span(
                f"{told.method} {path}" if told.stages else told.method,
                context=propagator.extract(carrier),
                kind=SpanKind.SERVER,
                attributes=_attributes(told, path),
                start_time=_nanoseconds(told.started),
            )
            if told.status >= 500:  # semantic conventions: a 4xx is no error of the server
                span.set_status(Status(StatusCode.ERROR, told.message))
            self._make_stages(told, span)
            span.end(_nanoseconds(told.ended))

    def _make_stages(self, told: Span, parent: object) -> None:
        from opentelemetry.trace import Span as OpenSpan
        from opentelemetry.trace import set_span_in_context

        assert isinstance(parent, OpenSpan)
        context = set_span_in_context(parent)
        for stage, (started, ended) in told.stages.items():
            child = self._tracer.start_span(stage, context=context, start_time=_nanoseconds(started))
            child.end(_nanoseconds(ended))


def is_sampled(traceparent: bytes) -> bool | None:
    """Whether the caller records this trace; None where it says nothing that can be understood.

    W3C Trace Context, 3.2.2: `00-` 32 hex digits `-` 16 hex digits `-` 2 hex digits.
    """
    parts = traceparent.strip().split(b"-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    try:
        numbers = [int(part, 16) for part in parts[:4]]
    except ValueError:
        return None
    return bool(numbers[3] & _SAMPLED) if numbers[1] and numbers[2] else None


def _attributes(told: Span, path: str) -> dict[str, str | int]:
    """By the semantic conventions for HTTP servers, and what is ours under `shipway.`."""
    found: dict[str, str | int] = {
        "http.request.method": told.method,
        "url.path": path,
        "http.response.status_code": told.status,
        "error.type": told.code,
        "shipway.request_id": told.request_id,
        "shipway.call_id": told.call_id,
        "shipway.model": told.model,
        "shipway.version": told.version,
        "shipway.rows": told.rows,
        "shipway.batch_requests": told.batch_requests,
    }
    return {name: value for name, value in found.items() if value not in ("", 0)}


def _make_provider(endpoint: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError as error:
        raise MissingDependencyError(
            f"traces_endpoint is set, and the OpenTelemetry SDK is not installed: {error}.",
            hint="Install it: pip install 'shipway[traces]'",
        ) from error
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "shipway"}))
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
