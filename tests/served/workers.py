"""The worker processes of a running server, by what the kernel tells of them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from served.wire import Wire

LONGEST_WAIT_SECONDS = 30


def children(process_id: int) -> list[int]:
    """The process ids of a process's children, oldest first."""
    text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return [int(word) for word in text.split()]


def is_alive(process_id: int) -> bool:
    """False for a process that has ended, also when nobody has waited for it."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def wait_until(is_so, *, seconds=LONGEST_WAIT_SECONDS):
    """What `is_so` returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not come about in its time"
        time.sleep(0.01)
    return found


def metric(server, name) -> int:
    """What `/metrics` has of all workers."""
    with Wire(server.port) as wire:
        text = wire.request("GET", "/metrics").body.decode()
    return int(re.search(rf"^{name} (\d+)$", text, re.MULTILINE)[1])


def wait_until_all_serve(server, count=2):
    wait_until(lambda: len(children(server.process.pid)) == count)
    wait_until(lambda: metric(server, "shipway_workers") == count)


def wait_until_read(server, wire):
    """Until the server's side of a connection has nothing left to read, and what follows from it is noted."""
    wait_until(lambda: _entry(server.port, wire.socket.getsockname()[1])[4].endswith(":00000000"))
    time.sleep(0.1)


def worker_of(server, wire) -> int:
    """The worker that serves a connection. (The supervisor holds a duplicate of it.)"""

    def find() -> int:
        wanted = f"socket:[{_inode(server.port, wire.socket.getsockname()[1])}]"  # 0 before it is accepted
        return next((pid for pid in children(server.process.pid) if wanted in _links(pid)), 0)

    return wait_until(find)


def _inode(server_port: int, client_port: int) -> str:
    return _entry(server_port, client_port)[9]


def _entry(server_port: int, client_port: int) -> list[str]:
    """The kernel's line on the server's side of a connection."""
    ends = f":{server_port:04X}", f":{client_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1][8:], fields[2][8:]) == ends:
            return fields
    raise AssertionError("the kernel has no such connection")


def _links(process_id: int) -> set[str]:
    found = set()
    try:
        for link in Path(f"/proc/{process_id}/fd").iterdir():
            found.add(str(link.readlink()))
    except (FileNotFoundError, ProcessLookupError):  # it was closed meanwhile
        pass
    return found
