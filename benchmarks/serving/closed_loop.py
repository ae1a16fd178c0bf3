"""A load generator in a process of its own: N connections, each asks again as soon as it was answered.

    python closed_loop.py PORT CONNECTIONS SECONDS REQUEST_FILE

Closed loop, loopback only. Prints one JSON line: requests, seconds, latencies in ms, and answers that were not
200 or not as long as the first. The cost of this process is not the server's: that is read from the server's own
processes by whoever starts this one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter

import uvloop


class Client(asyncio.Protocol):
    """One connection. An answer is complete when as many bytes arrived as its head says."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self.request = request
        self.latencies = latencies
        self.failures = 0
        self.is_stopping = False
        self.gone = asyncio.get_running_loop().create_future()
        self._left = b""

    def connection_made(self, transport):
        self.transport = transport
        self._ask()

    def data_received(self, data):
        self._left += data
        head_end = self._left.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._left[:head_end].lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(self._left) < head_end + 4 + length:
            return
        self.latencies.append(perf_counter() - self._asked)
        if not self._left.startswith(b"HTTP/1.1 200 "):
            self.failures += 1
        self._left = b""
        if self.is_stopping:
            self.transport.close()
        else:
            self._ask()

    def connection_lost(self, exc):  # noqa: ARG002 - asyncio's signature
        self.failures += not self.is_stopping
        self.gone.set_result(None)

    def _ask(self):
        self._asked = perf_counter()
        self.transport.write(self.request)


async def run(port: int, connections: int, seconds: float, request: bytes) -> dict:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    started = perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(request, latencies), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for client in clients:
        client.is_stopping = True
    await asyncio.wait_for(asyncio.gather(*(client.gone for client in clients)), 30)
    took = perf_counter() - started
    latencies.sort()
    return {
        "requests": len(latencies),
        "seconds": took,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "failures": sum(client.failures for client in clients),
    }


def main() -> None:
    port, connections, seconds, path = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(int(port), int(connections), float(seconds), Path(path).read_bytes()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
