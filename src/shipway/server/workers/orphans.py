"""Connections without a worker: those of one that died, and those that come in where one is missing.

Another worker goes on with them wherever that is possible. While none is up, they wait for a moment.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from shipway.server.workers.ledger import Fate
from shipway.server.workers.loop import Loop
from shipway.server.workers.refusing import DEAD_WORKER, NO_WORKER, Refusals
from shipway.server.workers.witnessed import Witnessed

MOMENT_SECONDS = 2.0
"""A replacement is up within this time, unless its models are large."""
_ACCEPTED_A_TURN = 64
_MOST_WAITING = 1024
"""Further ones are refused at once."""


class Orphans:
    """Of all workers. `takers` gives those that serve now, the next one in turn first."""

    def __init__(self, loop: Loop, takers: Callable[[], Iterable[Witnessed]]) -> None:
        self.refusals = Refusals(loop)
        self.passed_on = 0
        self._loop = loop
        self._takers = takers
        self._waiting: list[socket.socket] = []

    def adopt(self, connection: socket.socket, fate: Fate) -> None:
        """Does with a dead worker's connection what is its due."""
        if fate is Fate.ANOTHER:
            self._place(connection)
        elif fate is Fate.REFUSE:
            self.refusals.refuse(connection, DEAD_WORKER)
        else:
            connection.close()

    def accept(self, listener: socket.socket) -> None:
        """Takes who waits at a listener whose worker is missing."""
        for _ in range(_ACCEPTED_A_TURN):
            try:
                connection = listener.accept()[0]
            except OSError:  # nobody waits any more, or no descriptor is left
                return
            self._place(connection)

    def place_waiting(self) -> None:
        """A worker is up again."""
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            self._place(connection)

    def close(self) -> None:
        """Lets go of everything."""
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()

    def _place(self, connection: socket.socket) -> None:
        if self._pass_on(connection):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.refusals.refuse(connection, NO_WORKER)
            return
        self._waiting.append(connection)
        self._loop.call_later(MOMENT_SECONDS, lambda: self._give_up(connection))

    def _pass_on(self, connection: socket.socket) -> bool:
        if not any(taker.pass_on(connection) for taker in self._takers()):
            return False
        connection.close()  # the worker's own descriptor is on its way
        self.passed_on += 1
        return True

    def _give_up(self, connection: socket.socket) -> None:
        if connection not in self._waiting:
            return
        self._waiting.remove(connection)
        if _has_asked(connection):
            self.refusals.refuse(connection, NO_WORKER)
        else:
            connection.close()


def _has_asked(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except OSError:
        return False
