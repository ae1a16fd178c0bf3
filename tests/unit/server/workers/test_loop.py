"""The supervisor's loop: descriptors, timers, signals."""

import os
import signal
import socket
import threading
import time

from shipway.server.workers.loop import Loop, Signals


def test_timers_run_in_their_order():
    loop = Loop()
    ran = []
    loop.call_later(0.02, loop.stop)
    loop.call_later(0.01, lambda: ran.append(2))
    loop.call_later(0, lambda: ran.append(1))
    loop.run()
    assert ran == [1, 2]
    loop.close()


def test_a_descriptor_that_another_callback_closed_is_not_called():
    loop = Loop()
    pairs = [socket.socketpair() for _ in range(2)]
    called = []

    def on_readable(number):
        called.append(number)
        other = pairs[1 - number][0]
        loop.forget(other.fileno())
        other.close()

    for number, (one, other) in enumerate(pairs):
        other.send(b"x")
        loop.watch(one.fileno(), lambda number=number: on_readable(number))
    loop.call_later(0.02, loop.stop)
    # Readable still, so it is called again and again; the other one never.
    loop.run()
    assert len(set(called)) == 1
    loop.close()
    for pair in pairs:
        for end in pair:
            end.close()


def test_writing_when_there_is_room():
    loop = Loop()
    one, other = socket.socketpair()
    seen = []
    loop.watch(one.fileno(), lambda: seen.append("read"))

    def on_writable():
        seen.append("write")
        loop.watch_writing(one.fileno(), lambda: seen.append("read"), on_writable=None)

    loop.watch_writing(one.fileno(), lambda: seen.append("read"), on_writable=on_writable)
    loop.call_later(0.02, loop.stop)
    loop.run()
    assert seen == ["write"]
    loop.close()
    one.close()
    other.close()


def test_signals_are_callbacks_and_the_handlers_return():
    loop = Loop()
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    with Signals(loop, lambda number: (seen.append(number), loop.stop())):
        loop.call_later(0, lambda: os.kill(os.getpid(), signal.SIGTERM))
        loop.call_later(5, loop.stop)
        loop.run()
    assert seen == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == before
    loop.close()


def test_in_another_thread_there_are_none():
    loop = Loop()
    loop.call_later(0.01, loop.stop)

    def run():
        with Signals(loop, lambda _: None):
            loop.run()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    loop.close()


def test_a_timer_that_is_due_does_not_wait():
    loop = Loop()
    started = time.monotonic()
    loop.call_later(-1, loop.stop)
    loop.run()
    assert time.monotonic() - started < 1
    loop.close()
