"""Counts of a process as a whole: its connections, what it refused, its time and memory."""

from __future__ import annotations

import os
import time
from typing import Any

from shipway.server.models.memory import resident_bytes


class ServerMetrics:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self.started_at = time.time()
        """Seconds since the epoch."""
        self.accepted = 0
        """Connections, in all."""
        self.abandoned = 0
        """Requests whose client went away before their answer."""
        self.refusals: dict[tuple[int, str], int] = {}
        """Answers that are errors, by status and code; also those that a model counts."""

    def count_refusal(self, status: int, code: str) -> None:
        """An answer is an error."""
        key = status, code
        self.refusals[key] = self.refusals.get(key, 0) + 1

    def snapshot(self, *, open_connections: int) -> dict[str, Any]:
        """Everything, as JSON can hold it; `merging.py` adds up those of several processes."""
        times = os.times()
        return {
            "process": {
                "workers": 1,
                "start_time_seconds": self.started_at,
                "resident_bytes": resident_bytes(),
                "cpu_seconds": times.user + times.system,
            },
            "connections": {
                "open": open_connections,
                "accepted": self.accepted,
                "abandoned": self.abandoned,
            },
            "refusals": {f"{status} {code}": count for (status, code), count in self.refusals.items()},
        }
