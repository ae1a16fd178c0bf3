"""Latencies of a fast model at a constant rate of arrivals, alone or while a slow model is asked without pause.

    python open_loop.py PORT SECONDS PER_SECOND FAST_REQUEST_FILE [SLOW_REQUEST_FILE SLOW_CONNECTIONS]

Open loop: a request leaves at its time, on a connection of its own, whether or not earlier ones were answered.
A latency runs from the sending to the whole answer. The process polls without sleeping, so that its own waking up
is not in the figures; it wants a processor for itself. Prints JSON.
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter


class Connection:
    """A socket that never blocks."""

    def __init__(self, port: int, poll: select.epoll) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = poll
        poll.register(self.socket, select.EPOLLIN)
        self._unsent = memoryview(b"")
        self._answer = b""

    def ask(self, request: bytes, answered: Callable[[Connection, float], None]) -> None:
        self._unsent, self._answer, self._answered = memoryview(request), b"", answered
        self._asked = perf_counter()
        self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError):
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        self._poll.modify(self.socket, select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0))

    def on_event(self, event: int) -> None:
        if event & select.EPOLLOUT and self._unsent:
            self._send()
        if not event & select.EPOLLIN:
            return
        piece = self.socket.recv(2**20)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self._answer += piece
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) == length:
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(self._answer.decode("latin-1"))
            self._answered(self, perf_counter() - self._asked)


def run(
    port: int, seconds: float, per_second: float, fast: bytes, slow: bytes, slow_connections: int
) -> dict:
    poll = select.epoll()
    connections: dict[int, Connection] = {}
    fast_seconds: list[float] = []
    slow_seconds: list[float] = []
    free: list[Connection] = []

    def connect() -> Connection:
        connection = Connection(port, poll)
        connections[connection.socket.fileno()] = connection
        return connection

    def fast_answered(connection: Connection, took: float) -> None:
        fast_seconds.append(took)
        free.append(connection)

    def slow_answered(connection: Connection, took: float) -> None:
        slow_seconds.append(took)
        connection.ask(slow, slow_answered)

    for _ in range(slow_connections):
        connect().ask(slow, slow_answered)
    free.extend(connect() for _ in range(16))
    dice = random.Random(1)
    started = perf_counter()
    due = started + 0.2  # the slow model is under way by then
    end = due + seconds
    while (now := perf_counter()) < end:
        if now >= due:
            (free.pop() if free else connect()).ask(fast, fast_answered)
            # Not in step with the slow model's runs: up to half an interval earlier or later.
            due += dice.uniform(0.5, 1.5) / per_second
        for number, event in poll.poll(0):
            connections[number].on_event(event)
    return {"fast": _summary(fast_seconds), "slow": _summary(slow_seconds), "connections": len(connections)}


def _summary(seconds: list[float]) -> dict:
    if not seconds:
        return {"requests": 0}
    found = sorted(seconds)
    at = {f"p{percent}_ms": found[int(len(found) * percent / 100)] * 1e3 for percent in (50, 90, 99)}
    return {"requests": len(found), **at, "max_ms": found[-1] * 1e3}


def main() -> None:
    port, seconds, per_second, fast, *slow = sys.argv[1:]
    slow_request, slow_connections = (Path(slow[0]).read_bytes(), int(slow[1])) if slow else (b"", 0)
    rate = float(per_second)
    print(
        json.dumps(
            run(int(port), float(seconds), rate, Path(fast).read_bytes(), slow_request, slow_connections)
        )
    )


if __name__ == "__main__":
    main()
