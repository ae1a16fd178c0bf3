"""How much memory this process holds, and giving back what a closed model has left behind."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Of this process; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    """Returns freed memory to the system, as far as the C library can. Blocks for milliseconds; safe in a thread.

    Without it glibc keeps what a session has freed: after 50 reloads of a 100 MB model the process would still
    hold a second model's worth (triton#4528, TFS#1664).
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return
    trim(0)
