"""The kernel's count of what was read of a connection."""

import socket

import pytest

from served.workers import wait_until
from shipway.server.workers.progress import count_taken_bytes


def test_only_what_was_read_counts():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as served,
    ):
        assert count_taken_bytes(served) == 0
        client.sendall(b"x" * 1000)
        wait_until(lambda: len(served.recv(1000, socket.MSG_PEEK)) == 1000)
        assert count_taken_bytes(served) == 0
        served.recv(400)
        assert count_taken_bytes(served) == 400
        client.sendall(b"x" * 50)
        served.recv(600)
        assert count_taken_bytes(served) == 1000


def test_a_socket_without_such_a_count():
    one, other = socket.socketpair()
    with one, other, pytest.raises(OSError):
        count_taken_bytes(one)
