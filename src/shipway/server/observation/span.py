"""One request as lines and traces tell it: what was asked, what was answered, and when each stage ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Span:
    """One request as it is told. Times are seconds since the epoch."""

    method: str
    target: str
    request_id: str
    status: int
    started: float
    ended: float
    call_id: str = ""
    """The protocol's own `id`."""
    traceparent: bytes = b""
    tracestate: bytes = b""
    code: str = ""
    message: str = ""
    model: str = ""
    version: str = ""
    rows: int = 0
    batch_requests: int = 0
    stages: dict[str, tuple[float, float]] = field(default_factory=dict)
