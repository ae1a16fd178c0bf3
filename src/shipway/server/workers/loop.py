"""The supervisor's event loop: descriptors, timers and signals, and nothing else.

asyncio would be 6 MB of a process that has nothing to do most of the time. Linux only, as several workers are.
"""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

Callback = Callable[[], None]


class Loop:
    """Belongs to one thread."""

    def __init__(self) -> None:
        self._selector = selectors.EpollSelector()
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = count()
        self._is_running = False

    def watch(self, descriptor: int, on_readable: Callback) -> None:
        """Calls back whenever something can be read, or the other end is closed."""
        self._selector.register(descriptor, selectors.EVENT_READ, on_readable)

    def watch_writing(self, descriptor: int, on_readable: Callback, *, on_writable: Callback | None) -> None:
        """Changes what a watched descriptor is watched for: writing too, or reading alone again."""
        events = selectors.EVENT_READ if on_writable is None else selectors.EVENT_READ | selectors.EVENT_WRITE
        data = on_readable if on_writable is None else (on_readable, on_writable)
        self._selector.modify(descriptor, events, data)

    def forget(self, descriptor: int) -> None:
        """Watches it no more; to be called before it is closed."""
        with suppress(KeyError, ValueError):  # never watched, or closed already
            self._selector.unregister(descriptor)

    def call_later(self, seconds: float, callback: Callback) -> None:
        """Calls back once, after that time."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), callback))

    def run(self) -> None:
        """Turns until `stop`."""
        self._is_running = True
        while self._is_running:
            for key, events in self._selector.select(self._next_seconds()):
                # One callback may have closed the descriptor that another one is about.
                if self._selector.get_map().get(key.fd) == key:
                    self._call(key.data, events)
            now = time.monotonic()
            while self._is_running and self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()

    def stop(self) -> None:
        """Ends `run` after this callback."""
        self._is_running = False

    def close(self) -> None:
        """Gives the descriptors back."""
        self._selector.close()

    def _next_seconds(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    @staticmethod
    def _call(data: Callback | tuple[Callback, Callback], events: int) -> None:
        if callable(data):
            data()
            return
        on_readable, on_writable = data
        if events & selectors.EVENT_WRITE:
            on_writable()
        if events & selectors.EVENT_READ:
            on_readable()


class Signals:
    """SIGTERM, SIGINT and `others` as callbacks of a loop, while it is entered. Only main threads get signals."""

    def __init__(self, loop: Loop, on_signal: Callable[[int], None], *others: signal.Signals) -> None:
        self._numbers = (signal.SIGTERM, signal.SIGINT, *others)
        self._loop = loop
        self._on_signal = on_signal
        self._is_main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if not self._is_main:
            return  # whoever embeds the server stops it otherwise
        self._read, self._write = os.pipe()
        for descriptor in (self._read, self._write):
            os.set_blocking(descriptor, False)
        self._before = {number: signal.signal(number, _ignore) for number in self._numbers}
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._loop.watch(self._read, self._arrived)

    def __exit__(self, *_: object) -> None:
        if not self._is_main:
            return
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._loop.forget(self._read)
        os.close(self._read)
        os.close(self._write)

    def _arrived(self) -> None:
        for number in os.read(self._read, 256):
            if number in self._before:
                self._on_signal(number)


def _ignore(_number: int, _frame: object) -> None:
    """The pipe tells the loop; a handler must stand so that the default does not end the process."""
