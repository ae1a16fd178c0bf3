"""How many processors this process may really use: its affinity, and the quota that a container set.

ONNX Runtime counts the machine's processors and ignores the quota (onnxruntime#29510), so a container with two
of 64 processors gets 64 threads that wait for each other. Standard library only.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_processors(cgroup: Path = _CGROUP) -> int:
    """At least 1: the smaller of the affinity mask and the cgroup's quota, rounded up."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Processors that cgroup v2 or v1 allows; None: no limit, or none that can be read."""
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        processors = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # ValueError: v2 spells "no limit" as "max"
        return None
    return processors if processors > 0 else None  # v1 spells it as -1
