"""Both sides of the witness over a real channel: what the supervisor holds, and what it makes of it."""

import asyncio
import os
import socket

import pytest

from served.workers import wait_until
from shipway.server.workers.ledger import NOBODY, NOTHING, OWED, PARTLY, Fate, Ledger
from shipway.server.workers.witness import Witness
from shipway.server.workers.witnessed import Witnessed

SLOTS = 5


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def sides():
    loop = asyncio.new_event_loop()
    witnessed = Witnessed(SLOTS)
    channel = witnessed.workers_end.dup()
    channel.setblocking(False)
    ledger = Ledger(witnessed.workers_ledger)
    witnessed.close_workers_ends()
    yield Witness(channel, ledger, loop), witnessed, loop, channel
    channel.close()
    ledger.close()
    witnessed.close()
    loop.close()


def connect(listener):
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def turn(loop, seconds=0.05):
    loop.run_until_complete(asyncio.sleep(seconds))


def fates(witnessed):
    found = []
    for connection, fate in witnessed.settle():
        connection.close()
        found.append(fate)
    return found


@pytest.mark.parametrize(
    ("state", "read_bytes", "fate"),
    [
        (NOTHING, 5, Fate.ANOTHER),
        (NOTHING, 0, Fate.REFUSE),  # read, and the worker died before it noted that
        (OWED, 0, Fate.REFUSE),
        (PARTLY, 5, Fate.CUT),
    ],
)
def test_what_becomes_of_a_connection(sides, listener, state, read_bytes, fate):
    witness, witnessed, _, _ = sides
    client, served = connect(listener)
    with client, served:
        slot = witness.register(served.fileno(), 0, is_opaque=False)
        client.sendall(b"hello")
        served.recv(5)
        witness.states[slot] = state
        witness.totals[slot] = read_bytes
        assert fates(witnessed) == [fate]


def test_a_new_connection_whose_request_nobody_has_read_goes_to_another(sides, listener):
    witness, witnessed, _, _ = sides
    client, served = connect(listener)
    with client, served:
        witness.register(served.fileno(), 0, is_opaque=False)
        client.sendall(b"hello")
        wait_until(lambda: served.recv(5, socket.MSG_PEEK) == b"hello")
        assert fates(witnessed) == [Fate.ANOTHER]


def test_an_encrypted_connection_is_cut(sides, listener):
    witness, witnessed, _, _ = sides
    client, served = connect(listener)
    with client, served:
        witness.register(served.fileno(), 0, is_opaque=True)
        assert fates(witnessed) == [Fate.CUT]


def test_an_ended_connection_is_let_go_and_its_slot_used_again(sides, listener):
    witness, witnessed, loop, _ = sides
    seen = set()
    for _ in range(4 * SLOTS):
        client, served = connect(listener)
        with client, served:
            slot = witness.register(served.fileno(), 0, is_opaque=False)
            assert slot != NOBODY
            seen.add(slot)
            witness.leave(slot)
        turn(loop)
        witnessed.read()
    assert seen <= set(range(1, SLOTS))
    assert fates(witnessed) == []


def test_more_connections_than_slots_go_without_a_witness(sides, listener):
    witness, witnessed, loop, _ = sides
    pairs = [connect(listener) for _ in range(SLOTS + 2)]
    slots = [witness.register(served.fileno(), 0, is_opaque=False) for _, served in pairs]
    assert slots.count(NOBODY) == 3
    witness.leave(NOBODY)
    assert len(fates(witnessed)) == SLOTS - 1
    for client, served in pairs:
        client.close()
        served.close()
    turn(loop)


def test_a_channel_without_room_gets_it_later(sides, listener):
    """A supervisor that is held up does not hold up the worker, and misses nothing."""
    witness, witnessed, loop, channel = sides
    while True:
        try:
            channel.send(b"\xff\xff\xff\x7f" * 200)  # numbers of slots that were never given
        except BlockingIOError:
            break
    (client, served), (other, gone) = connect(listener), connect(listener)
    with client, served, other, gone:
        witness.register(served.fileno(), 0, is_opaque=False)
        witness.leave(witness.register(gone.fileno(), 0, is_opaque=False))
        assert witnessed.read(10_000) > 0
        turn(loop)
        assert fates(witnessed) == [Fate.ANOTHER]


def test_what_another_worker_had_read_counts(sides, listener):
    witness, witnessed, _, _ = sides
    client, served = connect(listener)
    with client, served:
        client.sendall(b"before")
        served.recv(6)
        witness.expect(served)
        read_bytes = witness.count_read_before(served.fileno())
        assert read_bytes == 6
        witness.register(served.fileno(), read_bytes, is_opaque=False)
        assert fates(witnessed) == [Fate.ANOTHER]
        assert witness.count_read_before(served.fileno()) == 0


def test_a_connection_is_passed_on(sides, listener):
    _, witnessed, _, channel = sides
    client, served = connect(listener)
    with client:
        assert witnessed.pass_on(served)
        served.close()
        _, (descriptor,), _, _ = socket.recv_fds(channel, 16, 1)
        with socket.socket(fileno=descriptor) as taken:
            taken.sendall(b"here")
            assert client.recv(4) == b"here"
    channel.close()
    with socket.socket() as another:
        assert not witnessed.pass_on(another)


def test_the_end_of_the_worker(sides):
    _, witnessed, _, channel = sides
    assert not witnessed.has_ended
    channel.close()
    witnessed.read()
    assert witnessed.has_ended


def test_nothing_stays_open(listener):
    before = len(os.listdir("/proc/self/fd"))
    witnessed = Witnessed(SLOTS)
    client, served = connect(listener)
    with client, served:
        socket.send_fds(witnessed.workers_end, [b"\1\0\0\0"], [served.fileno()])
        witnessed.read()
    witnessed.close_workers_ends()
    witnessed.close()
    assert len(os.listdir("/proc/self/fd")) == before
