"""What workers that have died had counted: without it the sums over all workers would fall when one dies.

To Prometheus a counter that falls has begun anew at 0, and all of it would show up as one large rate. Known is
what a worker told when it was last asked; what it counted after that has died with it. No I/O.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from shipway.server.observation.merging import Snapshot, merge

_PAST = ("refusals", "repository", "dropped")
"""Parts of a snapshot that are counts all through; states, memory and the like are of those who live."""
_PRESENT = ("queue_rows", "queue_bytes")
"""Of a model, what is no count."""


class Departed:
    """The counts of the dead, and what the living told last."""

    def __init__(self) -> None:
        self._told: dict[Hashable, Snapshot] = {}
        self._counted: Snapshot = {}

    def note(self, worker: Hashable, snapshot: Snapshot) -> None:
        """A worker has answered what it has counted so far."""
        self._told[worker] = snapshot

    def lose(self, worker: Hashable) -> None:
        """It has died."""
        told = self._told.pop(worker, None)
        if told is not None:
            counts = _counts_of(told)
            self._counted = merge([self._counted, counts]) if self._counted else counts

    def counted(self) -> Snapshot:
        """By the dead, in the form of a snapshot; it is merged with those of the living."""
        return self._counted


def _counts_of(snapshot: Mapping[str, Any]) -> Snapshot:
    connections = {**snapshot["connections"], "open": 0}
    models = {
        name: {version: {**told, **dict.fromkeys(_PRESENT, 0)} for version, told in versions.items()}
        for name, versions in snapshot["models"].items()
    }
    past = {part: snapshot[part] for part in _PAST if part in snapshot}
    return {**past, "connections": connections, "models": models}
