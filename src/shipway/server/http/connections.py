"""All open connections of a server: their number, their time limits, and their end.

One timer sweeps them, so that a request costs no timer of its own.
"""

from __future__ import annotations

import asyncio
import os
import time
from itertools import count
from typing import TYPE_CHECKING, Protocol

from shipway.server.access.gate import Gate
from shipway.server.http.heads import KnownHeads
from shipway.server.observation.server_metrics import ServerMetrics
from shipway.server.settings import ServerSettings

if TYPE_CHECKING:  # for the types only: an exchange knows the connections
    from shipway.errors import ShipwayError
    from shipway.server.http.exchange import Exchange


COUNTED_BYTES = 64 * 2**10
"""Smaller bodies are not worth the counting: a connection holds few of them at a time."""


UsualHead = tuple[int, bytes, bytes]
"""What the head of an answer depends on: the size of its body, its content type, its own header lines."""


class Connection(Protocol):
    """What the sweep needs of a connection."""

    def sweep(self, seconds: float) -> None:
        """`seconds` went by since the last sweep: enforce the limits."""
        ...

    def lose_patience(self) -> None:
        """The drain has lasted for so long that a client who never stops asking must be stopped."""
        ...

    def abort(self) -> None:
        """Ends it now, whatever is under way."""
        ...


_PATIENCE_SECONDS = 2.0
"""Of a drain with clients who ask on and on, so that there is never a moment without a request on its way."""


class Watcher(Protocol):
    """Who is told about single answers, beside the counts: see `observation/observation.py`."""

    watches_all: bool
    """False: errors only, so that every other answer costs nothing."""

    def on_answer(self, exchange: Exchange, status: int) -> None:
        """An answer that is none of the errors is about to be sent."""
        ...

    def on_failure(self, exchange: Exchange, status: int, error: ShipwayError) -> None:
        """An error is about to be sent."""
        ...


class Connections:
    """Belongs to one event loop."""

    def __init__(
        self,
        settings: ServerSettings,
        loop: asyncio.AbstractEventLoop,
        watcher: Watcher | None = None,
        *,
        gate: Gate | None = None,
    ) -> None:
        self.settings = settings
        self.gate = gate
        """None: whoever can connect may ask for everything."""
        self.metrics = ServerMetrics()
        self.watcher = watcher
        self.is_draining = False
        self.is_impatient = False
        """The drain waits no longer for a moment without a request on its way: what is not read yet stays so."""
        self.is_usual = watcher is None or not watcher.watches_all
        """The commonest answers go out as they always do: nobody watches, and no drain ends connections."""
        self.id_prefix = os.urandom(6).hex().encode() + b"-"
        """Of the request ids that this process makes: nobody else's begin like it."""
        self.numbers = count(1)
        """And what follows it."""
        self.heads = KnownHeads()
        self.date_line = _date_line()
        """At most a second old while anyone is connected."""
        self.usual_heads: dict[UsualHead, bytes] = {}
        """Heads of common answers. They hold the date, so they live as long."""
        self._loop = loop
        self.buffered_bytes = 0
        """Of request bodies over `COUNTED_BYTES`, as far as they have arrived and until they are answered."""
        self._open: set[Connection] = set()
        self._clients: dict[str, int] = {}
        """Open connections by address, counted only where `max_connections_per_client` asks for it."""
        self._timer: asyncio.TimerHandle | None = None
        self._all_gone: asyncio.Future[None] | None = None

    def why_full(self, client: str) -> str:
        """Which limit keeps a further connection of that address out; empty for none."""
        settings = self.settings
        if len(self._open) >= settings.max_connections:
            return f"The server has its max_connections ({settings.max_connections}) open."
        most = settings.max_connections_per_client
        if most and self._clients.get(client, 0) >= most:
            return f"{client} has max_connections_per_client ({most}) open."
        return ""

    @property
    def open_count(self) -> int:
        """How many are open."""
        return len(self._open)

    def join(self, connection: Connection, client: str = "") -> None:
        """A connection was made. Its address is told where `max_connections_per_client` is set."""
        self._open.add(connection)
        if client:
            self._clients[client] = self._clients.get(client, 0) + 1
        self.metrics.accepted += 1
        if self._timer is None:
            self._tell_time()
            self._schedule()

    def leave(self, connection: Connection, client: str = "") -> None:
        """It is gone."""
        self._open.discard(connection)
        if client:
            left = self._clients.pop(client) - 1
            if left:
                self._clients[client] = left
        if not self._open and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    async def drain(self) -> bool:
        """Lets every connection finish what it has begun; True when all did within `drain_seconds`."""
        self.is_draining, self.is_usual = True, False
        if not self._open:
            return True
        self._all_gone = self._loop.create_future()
        patience = self._loop.call_later(
            min(_PATIENCE_SECONDS, self.settings.drain_seconds / 4), self._lose_patience
        )
        try:
            await asyncio.wait_for(self._all_gone, self.settings.drain_seconds)
        except TimeoutError:
            for connection in list(self._open):
                connection.abort()
            return False
        finally:
            patience.cancel()
            if self._timer is not None:
                self._timer.cancel()
        return True

    def _lose_patience(self) -> None:
        self.is_impatient = True
        for connection in list(self._open):
            connection.lose_patience()

    def _tell_time(self) -> None:
        self.date_line = _date_line()
        self.usual_heads.clear()

    def _schedule(self) -> None:
        settings = self.settings
        shortest = min(
            settings.head_seconds,
            settings.body_seconds,
            settings.idle_seconds,
            settings.send_seconds,
            settings.drain_idle_seconds,
        )
        interval = min(1.0, max(0.05, shortest / 4))
        self._timer = self._loop.call_later(interval, self._sweep, interval)

    def _sweep(self, seconds: float) -> None:
        self._timer = None
        self._tell_time()
        for connection in list(self._open):
            connection.sweep(seconds)
        if self._open:
            self._schedule()


def _date_line() -> bytes:
    """RFC 9110, 6.6.1: an origin server with a clock sends the date."""
    return time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime()).encode()
