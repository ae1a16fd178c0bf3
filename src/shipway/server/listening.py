"""The listening socket: bound before anything is loaded, and closed without losing who already knocked."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from shipway.server.sockets import BACKLOG, address_of, bind

__all__ = ["Listener", "bind"]


class Listener:
    """Hands each connection to a protocol until `stop`."""

    def __init__(self, listener: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        self.url = address_of(listener)
        self._socket = listener
        self._make = make
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accepts from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, sock=self._socket, backlog=BACKLOG)

    async def take(self, connection: socket.socket) -> None:
        """Serves a connection that another process has accepted."""
        connection.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(self._make, connection)

    async def stop(self) -> None:
        """Accepts no more, but for those whose connection the kernel has made already.

        Closing a socket resets what waits in its backlog; those clients have sent their requests. So they are
        taken first, through a second descriptor that stays open while the loop lets go of its own.
        """
        if self._server is None:  # it never accepted
            self._socket.close()
            return
        with socket.socket(fileno=os.dup(self._socket.fileno())) as waiting:
            self._server.close()
            accepted: list[socket.socket] = []
            while True:
                try:
                    accepted.append(waiting.accept()[0])
                except OSError:  # nobody waits any more, or no descriptor is left
                    break
        for connection in accepted:
            await self.take(connection)
