"""How much memory this machine has, which no file may claim more of."""

from __future__ import annotations

import os


def physical_memory_bytes() -> int | None:
    """None on a system that does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
