"""When a dead worker is replaced, and when a silent one counts as hung. Rules without I/O.

Times come in as seconds.
"""

from __future__ import annotations

STEADY_SECONDS = 30.0
"""A worker that served for so long did not die of its start."""
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
HEARTBEAT_SECONDS = 1.0
_GAP_SECONDS = 3 * HEARTBEAT_SECONDS


class Restarts:
    """Of one place: at once after a steady life, else after a delay that doubles."""

    def __init__(self) -> None:
        self._quick_deaths = 0

    def delay_after(self, lived_seconds: float) -> float:
        """Seconds to wait before the next start, now that a worker has died after so long a life."""
        if lived_seconds >= STEADY_SECONDS:
            self._quick_deaths = 0
        self._quick_deaths += 1
        if self._quick_deaths == 1:
            return 0.0
        # The exponent is bounded before the power is taken: a loop of years would overflow a float.
        doublings = min(self._quick_deaths - 2, 10)
        return float(min(FIRST_DELAY_SECONDS * 2**doublings, LONGEST_DELAY_SECONDS))


class Liveness:
    """Whether a worker's event loop still turns, by its heartbeats."""

    def __init__(self, hang_seconds: float, now: float) -> None:
        self._hang_seconds = max(hang_seconds, 2 * HEARTBEAT_SECONDS)
        self._last = now
        self._looked = now

    def beat(self, now: float) -> None:
        """Something arrived from the worker."""
        self._last = now

    def is_hung(self, now: float, *, is_excused: bool = False) -> bool:
        """To be asked about once a second. `is_excused`: it is at something that may hold its loop.

        A supervisor that itself stood still (a paused container, a suspended machine) has not heard what was
        said meanwhile: then the time begins anew.
        """
        if is_excused or now - self._looked > _GAP_SECONDS:
            self._last = now
        self._looked = now
        return now - self._last > self._hang_seconds
