"""All open connections of a server: their number, their time limits, and their end.

One timer sweeps them, so that a request costs no timer of its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from shipway.server.http.heads import KnownHeads
from shipway.server.settings import ServerSettings


class Connection(Protocol):
    """What the sweep needs of a connection."""

    def sweep(self, seconds: float) -> None:
        """`seconds` went by since the last sweep: enforce the limits."""
        ...

    def abort(self) -> None:
        """Ends it now, whatever is under way."""
        ...


class Connections:
    """Belongs to one event loop."""

    def __init__(self, settings: ServerSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self.is_draining = False
        self.heads = KnownHeads()
        self.date_line = _date_line()
        """At most a second old while anyone is connected."""
        self.usual_heads: dict[int, bytes] = {}
        """Heads of the commonest answer, by the size of its body. They hold the date, so they live as long."""
        self._loop = loop
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._all_gone: asyncio.Future[None] | None = None

    @property
    def is_full(self) -> bool:
        """True when no further connection may join."""
        return len(self._open) >= self.settings.max_connections

    def join(self, connection: Connection) -> None:
        """A connection was made."""
        self._open.add(connection)
        if self._timer is None:
            self._tell_time()
            self._schedule()

    def leave(self, connection: Connection) -> None:
        """It is gone."""
        self._open.discard(connection)
        if not self._open and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    async def drain(self) -> bool:
        """Lets every connection finish what it has begun; True when all did within `drain_seconds`."""
        self.is_draining = True
        if not self._open:
            return True
        self._all_gone = self._loop.create_future()
        try:
            await asyncio.wait_for(self._all_gone, self.settings.drain_seconds)
        except TimeoutError:
            for connection in list(self._open):
                connection.abort()
            return False
        finally:
            if self._timer is not None:
                self._timer.cancel()
        return True

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
