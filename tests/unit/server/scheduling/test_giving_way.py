"""Threads that give way have a lower priority, and so have the threads that they start."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from shipway.server.scheduling.giving_way import NICE, make_executor


def own_priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def priority_of_a_thread_started_here():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(own_priority).result()


def test_it_and_what_it_starts_and_nobody_else():
    before = own_priority()
    with make_executor(1, "given") as pool:
        assert pool.submit(own_priority).result() == min(19, before + NICE)
        assert pool.submit(priority_of_a_thread_started_here).result() == min(19, before + NICE)
    assert own_priority() == before
