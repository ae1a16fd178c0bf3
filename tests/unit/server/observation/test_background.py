"""Work off the loop: all of it, in order, bounded, and never in the way."""

import logging
import threading
import time

from shipway.server.observation.background import Background


def test_everything_is_worked_off_in_order():
    done = []
    background = Background(done.extend, name="test", most=1000)
    for number in range(500):
        assert background.offer(number)
    background.close(5)
    assert (done, background.dropped) == (list(range(500)), 0)


def test_what_comes_while_the_work_hangs_is_left_out_and_counted():
    gate = threading.Event()
    done = []

    def work(items):
        gate.wait(10)
        done.extend(items)

    background = Background(work, name="test", most=3)
    background.offer(0)
    deadline = time.monotonic() + 10
    while background._waiting and time.monotonic() < deadline:
        time.sleep(0.01)  # until the thread holds it
    started = time.monotonic()
    taken = [background.offer(number) for number in range(1, 6)]
    assert time.monotonic() - started < 1
    assert (taken, background.dropped) == ([True] * 3 + [False] * 2, 2)
    gate.set()
    background.close(5)
    assert done == [0, 1, 2, 3]


def test_a_failure_costs_its_items_and_no_more(caplog):
    done = []

    def work(items):
        if 1 in items:
            raise OSError("No space left on device")
        done.extend(items)

    background = Background(work, name="test", most=10)
    background.offer(1)
    deadline = time.monotonic() + 10
    while background.dropped < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    background.offer(2)
    background.close(5)
    assert (done, background.dropped) == ([2], 1)
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "test: No space left on device; further failures are only counted"
    ]
