"""Listening sockets, one or several of a port."""

import contextlib
import socket

import pytest

from shipway.errors import PortInUseError, UsageError
from shipway.server.sockets import address_of, bind, bind_several


def test_several_share_a_port_that_the_first_one_chose():
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in bind_several("127.0.0.1", 0, 3)]
        assert len({address_of(listener) for listener in listeners}) == 1
        clients = [
            stack.enter_context(socket.create_connection(listeners[0].getsockname())) for _ in range(60)
        ]
        accepted = []
        for listener in listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    accepted.append((listener, stack.enter_context(listener.accept()[0])))
        assert len(accepted) == len(clients)
        assert len({id(listener) for listener, _ in accepted}) == 3


def test_sharing_is_for_the_workers_of_one_server():
    first = bind_several("127.0.0.1", 0, 2)
    port = first[0].getsockname()[1]
    try:
        with pytest.raises(PortInUseError, match=str(port)):
            bind_several("127.0.0.1", port, 2)
        with pytest.raises(PortInUseError):
            bind("127.0.0.1", port)
    finally:
        for listener in first:
            listener.close()


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0)])
def test_no_address_of_this_machine(host, port):
    with pytest.raises(UsageError, match="Cannot listen"):
        bind_several(host, port, 2)
