"""Work that must never hold up a request: a bounded queue and one thread that empties it.

What does not fit is left out and counted; a full disk or a collector that does not answer costs records, not
requests.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

log = logging.getLogger("shipway.server")
T = TypeVar("T")

_PAUSE_SECONDS = 0.05
"""Between two looks into the queue: waking a thread for every item would cost the loop 20 µs each."""


class Background(Generic[T]):
    """`offer` on one event loop; `work` runs in a thread, with what came since it ran last."""

    def __init__(self, work: Callable[[Sequence[T]], None], *, name: str, most: int) -> None:
        self.dropped = 0
        """Items that found the queue full, or on which `work` failed."""
        self._work = work
        self._most = most
        self._waiting: deque[T] = deque()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._has_failed = False

    def offer(self, item: T) -> bool:
        """Takes an item in, or leaves it out where too many wait. Never blocks."""
        if len(self._waiting) >= self._most:
            self.dropped += 1
            return False
        self._waiting.append(item)
        if not self._thread.is_alive() and not self._ends.is_set():
            self._thread.start()
        return True

    def close(self, seconds: float) -> None:
        """Works off what waits, within the time. Blocks."""
        self._ends.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        else:
            self._work_off()

    def _run(self) -> None:
        while not self._ends.wait(_PAUSE_SECONDS):
            self._work_off()
        self._work_off()

    def _work_off(self) -> None:
        items = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not items:
            return
        try:
            self._work(items)
        except Exception as error:  # noqa: BLE001 - a thread's boundary: what fails here must not end the records for good
            self.dropped += len(items)
            if not self._has_failed:
                self._has_failed = True
                log.error("%s: %s; further failures are only counted", self._thread.name, error)
