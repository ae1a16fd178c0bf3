"""How many bytes of a connection a process has taken from the kernel, by the kernel's own count."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

_TCP_INFO_BYTES = 136
_BYTES_RECEIVED = 128
"""Where `struct tcp_info` (linux/tcp.h, since Linux 4.1) has `tcpi_bytes_received`, a uint64."""


def count_taken_bytes(connection: socket.socket) -> int:
    """Received and no longer waiting to be read. Raises `OSError` for a socket that cannot say so."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    if len(info) < _TCP_INFO_BYTES:
        raise OSError("This kernel does not count the bytes of a connection.")
    (received,) = struct.unpack_from("=Q", info, _BYTES_RECEIVED)
    (unread,) = struct.unpack("=i", fcntl.ioctl(connection, termios.FIONREAD, b"\0\0\0\0"))
    return int(received) - int(unread)
