"""How long runs take, learned from those that were made: what may stay on the loop, how long a queue lasts."""

from __future__ import annotations


class RunTimes:
    """Measured seconds per run, by the size of its inputs in powers of two.

    A shorter time than expected is believed at once by half, a longer one by a twentieth: the first run of a
    session is slow, and a busy machine stretches single runs a hundredfold.
    """

    def __init__(self, inline_seconds: float) -> None:
        self._limit = inline_seconds
        self._seconds: dict[int, float] = {}
        self._counted: dict[int, float] = {}
        """The estimates that `inline_elements` was last computed from."""
        self.inline_elements = 0
        """Runs of up to this many input elements stay on the loop."""
        self._row_seconds = 0.0

    def record(self, elements: int, seconds: float, rows: int = 1) -> None:
        """A run of `rows` rows, of inputs with `elements` elements in all, took `seconds`."""
        bucket = elements.bit_length()
        each = seconds / rows if rows else seconds
        self._row_seconds += (each - self._row_seconds) * (0.1 if self._row_seconds else 1.0)
        known = self._seconds.get(bucket)
        if known is not None:
            seconds = known + (seconds - known) * (0.5 if seconds < known else 0.05)
        self._seconds[bucket] = seconds
        counted = self._counted.get(bucket, 0.0)
        if seconds < 0.8 * counted or seconds > 1.25 * counted:
            self._counted[bucket] = seconds
            self.inline_elements = self._find_inline_elements()

    def expect(self, bucket: int) -> float:
        """Seconds for inputs of `2**(bucket-1)` to `2**bucket - 1` elements, from the nearest size measured.

        Cost is taken to grow with the size, never to shrink. Infinite while nothing was measured.
        """
        smaller = [known for known in self._seconds if known <= bucket]
        if smaller:
            nearest = max(smaller)
            return self._seconds[nearest] * float(2 ** (bucket - nearest))
        return min(self._seconds.values(), default=float("inf"))

    def expect_wait(self, rows: int) -> float:
        """Seconds until so many rows have run, at the cost per row of late; 0 while nothing was measured."""
        return rows * self._row_seconds

    def _find_inline_elements(self) -> int:
        allowed = 0
        for bucket in range(64):
            if self.expect(bucket) > self._limit:
                break
            allowed = 2**bucket - 1
        return allowed
