"""The worker's side of the witness: the supervisor gets duplicates of connections, the ledger what they are owed.

A request costs a write of a byte when it begins, and one of a byte and a number when nothing is owed any more. A
connection costs two messages.
"""

from __future__ import annotations

import asyncio
import socket
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from shipway.server.http.connections import Connections
from shipway.server.http.exchange import Exchange
from shipway.server.http.protocol import HttpConnection
from shipway.server.workers.ledger import NOBODY, NOTHING, OPAQUE, OWED, PARTLY, Ledger
from shipway.server.workers.progress import count_taken_bytes

_TELL_SECONDS = 0.02
"""Ends are told together, at the latest after this time. The client has seen its own end by then."""
_MOST_TOLD = 1024
_WHOLE_BYTES = 4096
"""An answer up to this size goes to the kernel in one piece: its send buffer has room for more, since a client
gets its next answer only after it took the last."""


class Witness:
    """Belongs to one event loop."""

    def __init__(self, channel: socket.socket, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        self.states = ledger.states
        self.totals = ledger.totals
        self._channel = channel
        self._loop = loop
        self._free = list(range(ledger.slots - 1, NOBODY, -1))
        self._untold: dict[int, tuple[int, int]] = {}
        """By slot, what the channel had no room for: the number to tell, and the descriptor."""
        self._taken: dict[int, int] = {}
        """By descriptor, what another worker had read of a connection that is passed on."""
        self._ended: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._unsettled: list[WitnessedConnection] = []

    def expect(self, connection: socket.socket) -> None:
        """A connection that is passed on will be registered, and some of it was read before."""
        with suppress(OSError):  # the client is gone already
            self._taken[connection.fileno()] = count_taken_bytes(connection)

    def count_read_before(self, descriptor: int) -> int:
        """Bytes of the connection that another worker has read."""
        return self._taken.pop(descriptor, 0)

    def register(self, descriptor: int, read_bytes: int, *, is_opaque: bool) -> int:
        """The slot of a new connection; `NOBODY` where none is left."""
        if not self._free:
            return NOBODY
        slot = self._free.pop()
        self.totals[slot] = read_bytes
        self.states[slot] = NOTHING
        number = slot | OPAQUE if is_opaque else slot
        if self._untold or not self._tell([number], descriptor):
            self._untold[slot] = number, descriptor
            self._tell_later()
        return slot

    def leave(self, slot: int) -> None:
        """A connection has ended; its descriptor is still open."""
        if slot == NOBODY:
            return
        self.states[slot] = NOTHING
        if self._untold.pop(slot, None) is None:
            self._ended.append(slot)
            self._tell_later()
        else:
            self._free.append(slot)

    def settle_soon(self, connection: WitnessedConnection) -> None:
        """Writes the connection's state down when what it has sent by now is with the kernel.

        uvloop hands writes over at the end of the loop's turn, before the callbacks of the next one.
        """
        if not self._unsettled:
            self._loop.call_soon(self._settle)
        self._unsettled.append(connection)

    def _settle(self) -> None:
        unsettled, self._unsettled = self._unsettled, []
        for connection in unsettled:
            connection.settle()

    def settle_later(self, connection: WitnessedConnection) -> None:
        """Looks again in a while: the client has not taken all of its answer."""
        self._loop.call_later(_TELL_SECONDS, connection.settle)

    def _tell_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_TELL_SECONDS, self._tell_all)

    def _tell_all(self) -> None:
        self._timer = None
        for slot, (number, descriptor) in list(self._untold.items()):
            if not self._tell([number], descriptor):
                break
            del self._untold[slot]
        while self._ended and self._tell(ended := self._ended[:_MOST_TOLD]):
            self._free += ended
            del self._ended[: len(ended)]
        if self._ended or self._untold:
            self._tell_later()

    def _tell(self, numbers: list[int], descriptor: int | None = None) -> bool:
        """True when it was sent: the connection of the descriptor, which has the only number, or ended ones."""
        message = array("I", numbers).tobytes()
        try:
            if descriptor is None:
                self._channel.send(message)
            else:
                socket.send_fds(self._channel, [message], [descriptor])
        except OSError:  # no room; or the supervisor is gone, which the control channel notices
            return False
        return True


# Python 3.11 takes 0.1 µs for super(), and 0.02 for a module's name.
_receive, _flush = HttpConnection.data_received, HttpConnection.flush


class WitnessedConnection(HttpConnection):
    """A connection whose debts outlive the process. See `Witness`."""

    def __init__(
        self, connections: Connections, handle: Callable[[Exchange], None], witness: Witness
    ) -> None:
        super().__init__(connections, handle)
        self.witness = witness
        self._states = witness.states
        self._totals = witness.totals
        self._slot = NOBODY
        self._read_bytes = 0
        self._is_unsettled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has accepted a client."""
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._is_opaque = transport.get_extra_info("sslcontext") is not None
        self._read_bytes = self.witness.count_read_before(self._descriptor)
        self._slot = self.witness.register(self._descriptor, self._read_bytes, is_opaque=self._is_opaque)
        self._stream = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or the server wants no more of it.

        The loop closes the descriptor after this. An encrypted one's was closed before, its end told by TLS.
        """
        super().connection_lost(exc)
        if self._slot != NOBODY and not self._is_opaque:
            _end_stream(self._descriptor)
        self.witness.leave(self._slot)
        self._slot = NOBODY

    def data_received(self, data: bytes) -> None:
        """As ever, and noted before anything comes of it."""
        states, slot = self._states, self._slot
        if states[slot] == NOTHING:
            states[slot] = OWED
        self._read_bytes += len(data)
        _receive(self, data)
        if not self.exchanges and not self._is_unsettled:
            self._settle_soon()

    def flush(self) -> None:
        """As ever; what may not reach the kernel in one piece is noted before."""
        exchanges = self.exchanges
        if exchanges:
            payload = exchanges[0].payload
            if payload is None:  # another one's turn is first
                return
            if len(payload) > _WHOLE_BYTES or len(exchanges) > 1:
                self._note_parts()
        _flush(self)
        if not exchanges and not self._is_unsettled:
            self._settle_soon()

    def settle(self) -> None:
        """Writes down how it stands, now that what was sent is with the kernel or waits for the client."""
        self._is_unsettled = False
        slot = self._slot
        if slot == NOBODY:
            return
        if self._stream.get_write_buffer_size():
            self._states[slot] = PARTLY
            self._is_unsettled = True
            self.witness.settle_later(self)
        elif self.exchanges or self.is_receiving:
            self._states[slot] = OWED
        else:
            self._totals[slot] = self._read_bytes
            self._states[slot] = NOTHING

    def _note_parts(self) -> None:
        """Much at once: what of it the kernel does not take would be lost with this process."""
        size = 0
        for exchange in self.exchanges:
            if exchange.payload is None:
                break
            size += len(exchange.payload)
        if size > _WHOLE_BYTES:
            self._states[self._slot] = PARTLY
            if not self._is_unsettled:
                self._settle_soon()

    def _settle_soon(self) -> None:
        self._is_unsettled = True
        self.witness.settle_soon(self)


def _end_stream(descriptor: int) -> None:
    """Tells the client the end: closing would not, as long as the supervisor has its duplicate."""
    stream = socket.socket(fileno=descriptor)
    with suppress(OSError):  # the client was first
        stream.shutdown(socket.SHUT_RDWR)
    stream.detach()
