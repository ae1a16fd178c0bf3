"""One request and its answer, in the order of its connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from shipway.errors import ShipwayError
from shipway.server.http.connections import Connections, UsualHead
from shipway.server.http.heads import Head
from shipway.server.http.statuses import PHRASES, RETRY_AFTER_SECONDS, status_of
from shipway.server.scheduling.jobs import Job

JSON: Final = b"application/json"
OCTETS: Final = b"application/octet-stream"
SHORT_BYTES: Final = 512
"""Shorter answers are never compressed: they fit in one packet as they are."""
_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\nContent-Type: " % (status, phrase.encode())
    for status, phrase in PHRASES.items()
}
_MOST_USUAL_HEADS = 1024


class Line(Protocol):
    """The connection, as far as an answer needs it."""

    connections: Connections
    exchanges: deque[Exchange]
    """Requests whose answers are owed, in their order."""

    def flush(self) -> None:
        """Sends every answer whose turn it is."""
        ...

    def is_quiet(self) -> bool:
        """No further request is on its way here, as far as can be told."""
        ...

    def compress(self, exchange: Exchange, body: bytes, then: Callable[[bytes, bytes], None]) -> None:
        """Calls `then` with the body in a coding that the client accepts, and the header that names it."""
        ...


class Exchange:
    """A complete request; `answer` or `fail` is called once, then or later."""

    __slots__ = ("_id", "body", "call_id", "head", "is_last", "job", "line", "payload")

    def __init__(self, line: Line, head: Head, body: bytes) -> None:
        self.line = line
        self.head = head
        self.body = body
        self.is_last = head.is_last
        """The connection ends with this answer."""
        self.payload: bytes | None = None
        """The answer's bytes, head and body, once they are there."""
        self.job: Job | None = None
        """What runs for it; dropped when the client goes away."""
        self.call_id = ""
        """What the protocol's own document calls the request."""
        self._id = b""

    @property
    def request_id(self) -> bytes:
        """What the client calls this request, or else a name made here; the answer's `X-Request-Id`."""
        if not self._id:
            connections = self.line.connections
            own = self.head.request_id
            self._id = own or b"%b%x" % (connections.id_prefix, next(connections.numbers))
        return self._id

    def answer(self, status: int, body: bytes, *, kind: bytes = JSON, headers: bytes = b"") -> None:
        """Sends the answer when its turn comes. `headers` are whole lines with their line ends."""
        head, connections = self.head, self.line.connections
        may_compress = head.accepts_coding and len(body) >= SHORT_BYTES
        if status == 200 and head.is_usual and not may_compress and connections.is_usual:
            self.job = None
            key = len(body), kind, headers
            usual = connections.usual_heads.get(key) or _make_usual_head(connections, key)
            self.payload = b"%b%x\r\n\r\n%b" % (usual, next(connections.numbers), body)
            self.line.flush()
            return
        watcher = connections.watcher
        if watcher is not None and watcher.watches_all:
            watcher.on_answer(self, status)
        self._send(status, body, kind, headers)

    def fail(self, error: ShipwayError, *, headers: bytes = b"") -> None:
        """Sends `{"error": …}` with the status that the error has."""
        status = status_of(error)
        retry_seconds = getattr(error, "retry_seconds", None) or RETRY_AFTER_SECONDS.get(status)
        if status == 401:
            headers += b"WWW-Authenticate: Bearer\r\n"  # RFC 9110, 15.5.2: it must be there
        if retry_seconds:
            headers += b"Retry-After: %d\r\n" % retry_seconds
        text = f"{error.message} {error.hint}".rstrip()
        connections = self.line.connections
        connections.metrics.count_refusal(status, error.code)
        if connections.watcher is not None:
            connections.watcher.on_failure(self, status, error)
        self._send(status, msgspec.json.encode({"error": text, "code": error.code}), JSON, headers)

    def _send(self, status: int, body: bytes, kind: bytes, headers: bytes) -> None:
        self.job = None
        if self.head.accepts_coding and len(body) >= SHORT_BYTES:
            self.line.compress(
                self, body, lambda coded, header: self._finish(status, coded, kind, headers + header)
            )
        else:
            self._finish(status, body, kind, headers)

    def _finish(self, status: int, body: bytes, kind: bytes, headers: bytes) -> None:
        line = self.line
        connections = line.connections
        # A drain ends a connection with the last answer that it owes.
        if self.is_last or (connections.is_draining and line.exchanges[-1] is self and line.is_quiet()):
            self.is_last = True
            headers += b"Connection: close\r\n"
        elif self.head.is_http_10:
            headers += b"Connection: keep-alive\r\n"
        shown = b"" if self.head.method == b"HEAD" else body
        self.payload = b"%b%b\r\nContent-Length: %d\r\n%b%bX-Request-Id: %b\r\n\r\n%b" % (
            *(_STATUS_LINES[status], kind, len(body), connections.date_line),
            *(headers, self.request_id, shown),
        )
        line.flush()


def _make_usual_head(connections: Connections, key: UsualHead) -> bytes:
    """The head of a common answer up to the request's number: 200, so many bytes of a kind, and its headers."""
    size, kind, headers = key
    heads = connections.usual_heads
    if len(heads) >= _MOST_USUAL_HEADS:
        heads.clear()
    head = heads[key] = b"%b%b\r\nContent-Length: %d\r\n%b%bX-Request-Id: %b" % (
        *(_STATUS_LINES[200], kind, size, connections.date_line),
        *(headers, connections.id_prefix),
    )
    return head
