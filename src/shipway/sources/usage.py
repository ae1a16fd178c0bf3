"""What a child uses of time, memory, processes and disk, and the error when that is more than its limits.

Looks often and cheaply at what can grow fast, seldom at what takes long to see; nothing here ends a process.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from shipway.errors import (
    WorkerDiskError,
    WorkerError,
    WorkerMemoryError,
    WorkerProcessesError,
    WorkerTimeoutError,
)
from shipway.sources.base import Limits
from shipway.sources.processes import family, free_bytes, resident_bytes

LOOK_SECONDS: Final = 0.02
"""Between two looks at the memory of the processes that are known; a program fills gigabytes in a second."""
_FAMILY_SECONDS = 0.1
"""Between two looks for new processes, milliseconds each."""
_DISK_SECONDS = 1.0
_DISK_SLICE = 1000
"""Files that one look measures, so that a folder of millions does not keep it from the memory."""
_ENTRY_BYTES = 1024
"""What an empty file costs, about: its inode and its line in the folder."""
_FREE_SHARE = 0.9
"""What a child may use without a limit, so that other programs live on."""
_RESERVED_BYTES = 2 << 30
_RESERVED_BYTES_PER_CORE = 32 << 20
"""Private memory that a framework reserves and does not touch; stacks of its threads (8 MiB each) for the most.
Measured on 2 cores: TensorFlow 0.5 GB in all, torch 0.25 GB, less than is resident."""


class Usage:
    """The use of one child, whose process leads a session and whose temporary files lie in `folder`."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.started = time.monotonic()
        self.peak_bytes = 0
        self._limits = limits
        self._memory_bytes = limits.memory_bytes or int(_FREE_SHARE * free_bytes()) or None
        self._disk = _Disk(folder, limits.disk_bytes)
        self._pids: tuple[int, ...] = ()
        self._next_family = 0.0

    def kernel_limits(self) -> dict[str, int]:
        """What the child asks the kernel to hold it to: `confine` in `workers/confine.py`."""
        found = {"file_bytes": self._limits.file_bytes}
        if self._memory_bytes is not None:
            reserved = _RESERVED_BYTES + _RESERVED_BYTES_PER_CORE * (os.cpu_count() or 1)
            found["data_bytes"] = self._memory_bytes + reserved
        return found

    def look(self, leader: int) -> WorkerError | None:
        """The error of the first limit that is passed."""
        return self._look_at_processes(leader) or self._disk.look() or self._look_at_time()

    def _look_at_processes(self, leader: int) -> WorkerError | None:
        if time.monotonic() >= self._next_family:
            self._pids, used = family(leader)
            self._next_family = time.monotonic() + _FAMILY_SECONDS
        else:
            used = resident_bytes(self._pids)
        self.peak_bytes = max(self.peak_bytes, used)
        limit = self._memory_bytes
        if limit is not None and used > limit:
            return WorkerMemoryError(
                f"The child process used {gigabytes(used)} of memory; its limit is {gigabytes(limit)}. "
                f"It was ended.",
                hint=MORE_MEMORY,
            )
        if len(self._pids) > self._limits.processes:
            return WorkerProcessesError(
                f"The child process and what it started were {len(self._pids)} processes; their limit is "
                f"{self._limits.processes}. They were ended.",
                hint="Allow more in Python: Limits(processes=...).",
            )
        return None

    def _look_at_time(self) -> WorkerError | None:
        limit = self._limits.timeout_seconds
        if time.monotonic() - self.started <= limit:
            return None
        return WorkerTimeoutError(
            f"The child process did not finish within {limit:g} s. It was ended.",
            hint="Allow more with --timeout (in Python: Limits(timeout_seconds=...)).",
        )


class _Disk:
    """Measures a folder over and over, a slice at a time."""

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes if limit_bytes is not None else self._free_bytes()
        self._walk = self._measure()
        self._next = 0.0

    def _free_bytes(self) -> int:
        """Nine tenths of what is free, on top of what lies there already."""
        *_, there = self._measure()
        return there + int(_FREE_SHARE * shutil.disk_usage(self._folder).free)

    def look(self) -> WorkerDiskError | None:
        """Measures the next slice; the error when what is seen so far is over the limit, or hides."""
        if time.monotonic() < self._next:
            return None
        try:
            used = next(self._walk, None)
        except OSError as error:
            return WorkerDiskError(
                f"The child process made a folder that cannot be measured ({error.strerror}) under "
                f"{self._folder}. It was ended.",
                hint="No converter does that; do not trust this file.",
            )
        if used is None:
            self._walk = self._measure()
            self._next = time.monotonic() + _DISK_SECONDS
        elif used > self._limit_bytes:
            return WorkerDiskError(
                f"The child process wrote {gigabytes(used)} of temporary files; its limit is "
                f"{gigabytes(self._limit_bytes)}. It was ended.",
                hint="Allow more with --disk-limit (in Python: Limits(disk_bytes=...)).",
            )
        return None

    def _measure(self) -> Iterator[int]:
        """Gives the bytes counted so far, after every slice and at the end; follows no link."""
        used = count = 0
        waiting = [str(self._folder)]
        while waiting:
            for entry in _entries(waiting.pop()):
                with suppress(FileNotFoundError):  # removed meanwhile
                    used += _ENTRY_BYTES + entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                count += 1
                if count % _DISK_SLICE == 0:
                    yield used
        yield used


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """Nothing for a folder that is gone. Raises `OSError` for one that is locked or whose path is too long."""
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise


MORE_MEMORY: Final = "Allow more with --memory-limit (in Python: Limits(memory_bytes=...))."


def gigabytes(size: int) -> str:
    """`"0.25 GB"`."""
    return f"{size / 1e9:.2f} GB"
