"""Answers that the supervisor gives in place of a worker: 503, and an end that lets the client read it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import msgspec

from shipway.errors import UnavailableError
from shipway.server.workers.loop import Loop

DEAD_WORKER = UnavailableError(
    "The worker process that had this request ended before it answered.",
    hint="Send it again: another process answers.",
)
NO_WORKER = UnavailableError(
    "No worker process is up; they are being started anew.",
    hint="Send it again after the time in Retry-After.",
)
RETRY_AFTER_SECONDS = 1
_LINGER_SECONDS = 2.0
_PIECE_BYTES = 2**16


def refusal(error: UnavailableError) -> bytes:
    """The whole answer, of the form that every error of the server has. It ends its connection."""
    body = msgspec.json.encode({"error": f"{error.message} {error.hint}", "code": error.code})
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: {RETRY_AFTER_SECONDS}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class Refusals:
    """Sends them, and reads on for a while: closing at once would reset the connection of a client that still
    sends, and it would never see the answer (RFC 9112, 9.6)."""

    def __init__(self, loop: Loop) -> None:
        self.count = 0
        self._loop = loop
        self._lingering: dict[int, socket.socket] = {}

    @property
    def is_idle(self) -> bool:
        """No client is still to take its refusal."""
        return not self._lingering

    def refuse(self, connection: socket.socket, error: UnavailableError) -> None:
        """Answers and ends a connection, which is the callee's from now on."""
        connection.setblocking(False)
        try:
            connection.send(refusal(error))
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone, or takes nothing
            connection.close()
            return
        self.count += 1
        number = connection.fileno()
        self._lingering[number] = connection
        self._loop.watch(number, lambda: self._drop(connection))
        self._loop.call_later(_LINGER_SECONDS, lambda: self._end(number, connection))

    def _drop(self, connection: socket.socket) -> None:
        try:
            ended = not connection.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self._end(connection.fileno(), connection)

    def _end(self, number: int, connection: socket.socket) -> None:
        if self._lingering.get(number) is connection:
            del self._lingering[number]
            self._loop.forget(number)
            connection.close()


def close_quietly(descriptor: int) -> None:
    """Closes a descriptor of which it does not matter any more whether that succeeds."""
    with suppress(OSError):
        os.close(descriptor)
