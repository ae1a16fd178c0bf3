"""Sockets that listen on an address, or why that cannot be. No event loop, so that a supervisor stays light."""

from __future__ import annotations

import errno
import socket

from shipway.errors import PermissionDeniedError, PortInUseError, UsageError

BACKLOG = 1024


def bind(host: str, port: int, *, shares_port: bool = False) -> socket.socket:
    """A bound and listening TCP socket; `shares_port` with others of this user that were bound so.

    Raises `PortInUseError`, `PermissionDeniedError`, `UsageError`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(
            f"Cannot listen on {host!r} port {port}: {error}.",
            hint="Use an address of this machine, as 127.0.0.1.",
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        # Without it a restarted server finds its port taken for a minute by connections that have ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _explain(error, host, port) from error
    listener.setblocking(False)
    return listener


def bind_several(host: str, port: int, count: int) -> list[socket.socket]:
    """So many listening sockets of one port, among which the kernel shares out the connections.

    Raises as `bind` does: also where another server listens there already, which sharing alone would let pass.
    """
    if port:
        bind(host, port).close()
    listeners = [bind(host, port, shares_port=True)]
    found = listeners[0].getsockname()[1]
    return listeners + [bind(host, found, shares_port=True) for _ in range(count - 1)]


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen: it keeps a port for those that will share it.

    Raises as `bind` does.
    """
    bind(host, port).close()
    reserved = bind(host, port, shares_port=True)
    found = reserved.getsockname()
    kept = socket.socket(reserved.family, reserved.type, reserved.proto)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    kept.bind(found)
    reserved.close()
    return kept


def _explain(
    error: OSError | OverflowError, host: str, port: int
) -> PortInUseError | PermissionDeniedError | UsageError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return PortInUseError(
            f"Port {port} on {host} is taken by another program.",
            hint="Choose another with --port, or --port 0 for any free one.",
        )
    if number in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(
            f"This user may not listen on port {port}.", hint="Choose a port from 1024 on with --port."
        )
    return UsageError(
        f"Cannot listen on {host!r} port {port}: {error}.",
        hint="Use an address of this machine, as 127.0.0.1.",
    )


def address_of(listener: socket.socket, *, is_encrypted: bool = False) -> str:
    """`http://host:port`, or `https://…`, as a client on this machine reaches it."""
    scheme = "https" if is_encrypted else "http"
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener on that address."""
    return host == "localhost" or host == "::1" or host.startswith("127.")
