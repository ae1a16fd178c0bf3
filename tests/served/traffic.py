"""Connections that ask without pause and account for every request: it got its answer, once, or it is lost."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from served.marked import Asked


@dataclass
class Ledger:
    """What all connections of a test saw."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """The first of the answers that were not what was asked for."""
    wrong_count: int = 0
    lost: int = 0
    """Requests whose connection ended before their answer."""
    told_to_repeat: int = 0
    """Requests behind an answer that said `Connection: close`: they were not worked on (RFC 9112, 9.6)."""
    dropped: int = 0
    """Requests that the client itself gave up."""
    refused_connections: int = 0
    is_ending: bool = False
    """The server was told to end: a connection that it resets before any answer came as it closed its socket, and
    is as good as refused."""
    latencies: list[tuple[float, float]] | None = None
    """Where a test wants them: when an answer came, and how long it took, in seconds."""

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    def add_wrong(self, what: str) -> None:
        self.wrong_count += 1
        if len(self.wrong) < 10:
            self.wrong.append(what)

    def assert_right(self) -> None:
        """Nothing lost, nothing wrong, every request accounted for once."""
        assert not self.wrong, f"{self.wrong_count} of {self.answered} answers are wrong: {self.wrong}"
        assert not self.lost, f"{self.lost} of {self.sent} requests got no answer; answered: {self.statuses}"
        assert self.sent == self.answered + self.told_to_repeat + self.dropped


class Talker(asyncio.Protocol):
    """One connection with up to `depth` requests under way; answers come in the order of the requests."""

    def __init__(self, ledger: Ledger, next_request: Callable[[], Asked | None], *, depth: int = 1) -> None:
        self._ledger = ledger
        self._next = next_request
        self._depth = depth
        self._owed: deque[tuple[Asked, float]] = deque()
        self._left = b""
        self.is_last = False
        """The server has said that it closes, or there is nothing more to ask."""
        self._was_answered = False
        self.was_told = False
        """By the server, in an answer: no other follows."""
        self.has_dropped = False
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self._fill()

    def data_received(self, data):
        self._left += data
        while self._take():
            pass
        self._fill()

    def connection_lost(self, exc):  # noqa: ARG002 - asyncio's signature
        if self.has_dropped:
            self._ledger.dropped += len(self._owed)
        elif self.was_told:
            self._ledger.told_to_repeat += len(self._owed)
        elif self._ledger.is_ending and not self._was_answered and self._owed:
            self._ledger.refused_connections += 1
            self._ledger.told_to_repeat += len(self._owed)
        else:
            self._ledger.lost += len(self._owed)
        if not self.gone.done():
            self.gone.set_result(None)

    def drop(self) -> None:
        """Goes away in the middle, as clients do."""
        self.has_dropped = True
        self.transport.abort()

    def _take(self) -> bool:
        left = self._left
        end = left.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = left[:end].lower()
        start = head.index(b"content-length:") + 15
        line_end = head.find(b"\r\n", start)
        length = int(head[start:] if line_end < 0 else head[start:line_end])
        if len(left) < end + 4 + length:
            return False
        self._left = left[end + 4 + length :]
        self._judge(int(head[9:12]), head, left[end + 4 : end + 4 + length])
        return True

    def _judge(self, status: int, head: bytes, body: bytes) -> None:
        self._ledger.statuses[status] += 1
        self._was_answered = True
        if b"\r\nconnection: close" in head:
            self.is_last = self.was_told = True
        if not self._owed:
            self._ledger.add_wrong(f"an answer that nobody asked for: {body[:200]!r}")
            return
        asked, sent_at = self._owed.popleft()
        if self._ledger.latencies is not None:
            self._ledger.latencies.append((now := perf_counter(), now - sent_at))
        problem = asked.judge(status, head, body)
        if problem:
            self._ledger.add_wrong(problem)

    def _fill(self) -> None:
        batch: list[bytes] = []
        while not self.is_last and len(self._owed) < self._depth:
            asked = self._next()
            if asked is None:
                self.is_last = True
                break
            self._owed.append((asked, perf_counter()))
            batch.append(asked.data)
        if batch:
            self._ledger.sent += len(batch)
            self.transport.write(b"".join(batch))
        elif self.is_last and not self._owed:
            self.transport.close()


async def connect(
    port: int, ledger: Ledger, next_request: Callable[[], Asked | None], *, depth: int = 1
) -> Talker:
    loop = asyncio.get_running_loop()
    return (
        await loop.create_connection(lambda: Talker(ledger, next_request, depth=depth), "127.0.0.1", port)
    )[1]
