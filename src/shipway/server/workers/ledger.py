"""What each connection of a worker is owed, in memory that outlives the worker.

The worker writes and the supervisor reads, once the worker is dead. What follows is decided here, without I/O.
"""

from __future__ import annotations

import mmap
import os
from enum import Enum

NOTHING = 0
"""No request has begun, or every answer has left this process."""
OWED = 1
"""A request has begun, and nothing of its answer was sent."""
PARTLY = 2
"""A part of an answer was sent, or may have been."""

NOBODY = 0
"""The slot of connections for which none is left; what is written there means nothing."""
OPAQUE = 1 << 31
"""In a slot's number as it is told: the connection is encrypted."""
_TOTAL_BYTES = 8


class Fate(Enum):
    """What becomes of a dead worker's connection."""

    ANOTHER = "another worker goes on with it: the dead one has read no request that it has not answered"
    REFUSE = "503, at once"
    CUT = "closed: nothing can be written that the client would understand"


class Ledger:
    """A byte and a number for each connection's slot, in memory that two processes map."""

    def __init__(self, descriptor: int) -> None:
        """Maps what `make_ledger` has made. The descriptor stays the caller's."""
        self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        self.slots = len(self._map) // (_TOTAL_BYTES + 1)
        self.states = memoryview(self._map)[_TOTAL_BYTES * self.slots :]
        """`NOTHING`, `OWED` or `PARTLY`."""
        self.totals = memoryview(self._map)[: _TOTAL_BYTES * self.slots].cast("Q")
        """Bytes that had been read when the state became `NOTHING`."""

    def close(self) -> None:
        """Lets go of the memory, which ends with its last map and descriptor."""
        self.states.release()
        self.totals.release()
        self._map.close()


def make_ledger(slots: int) -> int:
    """A descriptor of an empty ledger."""
    descriptor = os.memfd_create("shipway-ledger")
    os.ftruncate(descriptor, slots * (_TOTAL_BYTES + 1))
    return descriptor


def fate_of(state: int, *, noted_bytes: int, taken_bytes: int, is_opaque: bool) -> Fate:
    """What becomes of a connection whose worker died in this state.

    `noted_bytes` were read when the state became `NOTHING`, and `taken_bytes` at the end, by the kernel's count.
    A worker that died between reading and noting leaves `NOTHING` behind; another one must not go on then, since
    the request would wait for its answer forever. `is_opaque`: encrypted, its keys died with the worker.
    """
    if is_opaque or state == PARTLY:
        return Fate.CUT
    if state == NOTHING and taken_bytes == noted_bytes:
        return Fate.ANOTHER
    return Fate.REFUSE
