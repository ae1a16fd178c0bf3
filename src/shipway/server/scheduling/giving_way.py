"""Threads that give way to the event loop: for long runs, and for everything that loading a model does.

On one processor a run of 7 ms holds up the loop, and with it every short request, for several milliseconds at a
time, because the kernel shares a processor in slices of that length. A thread with a lower priority (nice) is
interrupted as soon as the loop has work; where nothing else wants the processor it loses nothing.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

NICE = 5
"""Added to the process' own: a third of a normal thread's share, and only while both want the same processor.
Threads that such a thread starts (a session's own) inherit it. Measured on one processor with a MobileNet at full
load beside it: a tiny model's median answer takes 0.4 ms instead of 6 to 15; with 10, a tenth of the share, 0.2.
More would starve slow models on a machine that others keep busy."""


def make_executor(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool of such threads."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=_give_way)


def _give_way() -> None:
    with suppress(OSError, AttributeError):  # a system that has no priorities for single threads
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, own + int(os.environ.get("XNICE", NICE)))
