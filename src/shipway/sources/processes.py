"""What a child and its descendants use, and how to end all of them. Reads Linux's `/proc`, starts nothing.

Where there is no `/proc`, only the child's own process group can be ended and no memory is measured.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_PATIENCE_SECONDS = 5.0
"""How long killed processes may take to disappear (the kernel frees gigabytes first)."""


class _Status(NamedTuple):
    pid: int
    parent: int
    session: int
    resident_bytes: int


class Family(NamedTuple):
    """A session leader, its session and all descendants, as they are at one moment."""

    pids: tuple[int, ...]
    resident_bytes: int
    """Pages that processes share are counted in each of them."""


def family(leader: int) -> Family:
    """Looks through all processes of the machine, milliseconds; empty where there is no `/proc`."""
    members = _family(leader)
    return Family(tuple(status.pid for status in members), sum(status.resident_bytes for status in members))


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes alone, microseconds each; one that is gone has none."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for pid in pids:
        with suppress(OSError, IndexError):  # the file of a process that ends is empty
            total += int((_PROC / str(pid) / "statm").read_text().split()[1]) * page
    return total


def free_bytes() -> int:
    """Memory that new processes can use without swapping (`MemAvailable`); 0 where unknown."""
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def kill_all(leader: int, mark: str) -> None:
    """Ends the session of `leader`, all its descendants, and every process with `mark` in its environment.

    The mark finds those that left the session and whose parent is gone. Returns when they have disappeared,
    or after five seconds.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        left = {status.pid for status in _family(leader)} | set(_marked(mark))
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if not left or time.monotonic() > deadline:
            return
        time.sleep(0.01)


def _family(leader: int) -> list[_Status]:
    statuses = list(_statuses())
    members = {leader}
    family: dict[int, _Status] = {}
    grown = True
    while grown:
        grown = False
        for status in statuses:
            if status.pid in family:
                continue
            if status.pid == leader or status.session == leader or status.parent in members:
                members.add(status.pid)
                family[status.pid] = status
                grown = True
    return list(family.values())


def _statuses() -> Iterator[_Status]:
    """Every live process; zombies hold no memory and cannot be killed."""
    page = os.sysconf("SC_PAGE_SIZE")
    for pid in _pids():
        try:
            text = (_PROC / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        # The command's name stands in brackets and may hold spaces and brackets itself: proc(5), `comm`.
        fields = text.rpartition(")")[2].split()
        if fields[0] not in "ZX":
            yield _Status(pid, int(fields[1]), int(fields[3]), int(fields[21]) * page)


def _marked(mark: str) -> Iterator[int]:
    wanted = mark.encode()
    own = os.getpid()
    for pid in _pids():
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue  # ended, or another user's
        if pid != own and wanted in environment.split(b"\0"):
            yield pid


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []
