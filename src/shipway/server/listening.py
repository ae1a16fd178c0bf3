"""The listening socket: bound before anything is loaded, and closed without losing who already knocked."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from shipway.server.access.tls import Tls
from shipway.server.sockets import BACKLOG, address_of, bind

__all__ = ["Listener", "bind"]

_SHORTEST_HANDSHAKE_SECONDS = 0.1
"""The loop takes none of 0."""
_GOODBYE_SECONDS = 2.0
"""So long a client may take to confirm the end of an encrypted connection."""


class Listener:
    """Hands each connection to a protocol until `stop`."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        tls: Tls | None = None,
        *,
        handshake_seconds: float = 10.0,
    ) -> None:
        self.url = address_of(listener, is_encrypted=tls is not None)
        self._tls: dict[str, Any] = {}
        """What the loop is told about TLS; nothing for a plain port."""
        if tls is not None:
            self._tls = {
                "ssl": tls.context,
                "ssl_handshake_timeout": max(handshake_seconds, _SHORTEST_HANDSHAKE_SECONDS),
                "ssl_shutdown_timeout": _GOODBYE_SECONDS,
            }
        self._socket = listener
        self._make = make
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accepts from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, sock=self._socket, backlog=BACKLOG, **self._tls)

    async def take(self, connection: socket.socket) -> None:
        """Serves a connection that another process has accepted."""
        connection.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(self._make, connection, **self._tls)

    async def stop(self) -> None:
        """Accepts no more, but for those whose connection the kernel has made already.

        Closing a socket resets what waits in its backlog; those clients have sent their requests. So they are
        taken first, and then the socket ends at once by `shutdown`: the loop lets go of its own descriptor only
        at the end of its turn, and until then the kernel would go on making connections that nobody takes.
        """
        if self._server is None:  # it never accepted
            self._socket.close()
            return
        accepted: list[socket.socket] = []
        with socket.socket(fileno=os.dup(self._socket.fileno())) as waiting:
            self._server.close()
            while True:
                try:
                    accepted.append(waiting.accept()[0])
                except OSError:  # nobody waits any more, or no descriptor is left
                    break
            with suppress(OSError):  # another system may not know this of a socket that listens
                waiting.shutdown(socket.SHUT_RDWR)
        for connection in accepted:
            await self.take(connection)
