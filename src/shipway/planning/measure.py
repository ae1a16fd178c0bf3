"""How fast a service answers: throughput under a closed loop, latency under open-loop arrivals.

A closed loop waits for each answer before it asks again, so it never sees the queue that real arrivals make;
latency therefore comes from arrivals at random moments (Poisson, half of the measured throughput), counted
from the moment a request was due (Schroeder et al., "Open versus closed: a cautionary tale", NSDI 2006).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np

from shipway.bundle.evidence import Json
from shipway.evaluation.statistics import percentile_interval

Ask = Callable[[], Awaitable[None]]
"""Sends one request and waits for its answer."""
Connect = Callable[[], Awaitable[tuple[Ask, Callable[[], None]]]]
"""Opens one more connection; gives the way to ask on it and the way to close it."""


@dataclass(frozen=True)
class Percentile:
    """Milliseconds, with the 95 % order-statistic interval; `high` is None when too few were measured."""

    value_ms: float
    low_ms: float | None
    high_ms: float | None

    def to_json(self) -> dict[str, Json]:
        """`{"value", "low", "high"}` in milliseconds."""
        return {"value": self.value_ms, "low": self.low_ms, "high": self.high_ms}


@dataclass(frozen=True)
class Speed:
    """What one measurement found."""

    throughput_per_second: float
    clients: int
    arrivals_per_second: float
    requests: int
    """How many of them the latencies come from."""
    p50: Percentile
    p99: Percentile

    def to_json(self) -> dict[str, Json]:
        """As `--json` and evidence have it."""
        return {
            "throughput_per_second": self.throughput_per_second,
            "throughput_clients": self.clients,
            "arrivals_per_second": self.arrivals_per_second,
            "latency_requests": self.requests,
            "latency_p50_ms": self.p50.to_json(),
            "latency_p99_ms": self.p99.to_json(),
        }


def measure_speed(connect: Connect, *, clients: int = 4, seconds: float = 3.0, seed: int = 0) -> Speed:
    """Measures for about `seconds` in all, with `clients` in the closed loop.

    An error that a request raises ends the measurement and is raised here.
    """
    try:
        return asyncio.run(_measure(connect, clients, seconds, seed))
    except BaseExceptionGroup as group:  # task groups wrap; the caller asked for the error itself
        raise group.exceptions[0] from group


async def _measure(connect: Connect, clients: int, seconds: float, seed: int) -> Speed:
    async with AsyncExitStack() as stack:
        asks: list[Ask] = []
        # Four times as many connections as clients, so that an arrival hardly ever waits for one of them.
        for _ in range(4 * clients):
            ask, close = await connect()
            stack.callback(close)
            asks.append(ask)
        for ask in asks:
            await ask()
        throughput = await _closed_loop(asks[:clients], seconds / 3)
        rate = throughput / 2
        arrivals = random.Random(seed)  # noqa: S311 - moments of arrival, no secret
        latencies = await _open_loop(asks, rate, seconds * 2 / 3, arrivals)
    return Speed(
        throughput_per_second=throughput,
        clients=clients,
        arrivals_per_second=rate,
        requests=len(latencies),
        p50=_percentile(latencies, 50),
        p99=_percentile(latencies, 99),
    )


def _percentile(latencies: Sequence[float], percentile: float) -> Percentile:
    value, low, high = percentile_interval(np.sort(latencies), percentile)
    return Percentile(value * 1e3, None if low is None else low * 1e3, None if high is None else high * 1e3)


async def _closed_loop(asks: Sequence[Ask], seconds: float) -> float:
    start = time.perf_counter()
    end = start + seconds

    async def client(ask: Ask) -> int:
        count = 0
        while time.perf_counter() < end:
            await ask()
            count += 1
        return count

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client(ask)) for ask in asks]
    return sum(task.result() for task in tasks) / (time.perf_counter() - start)


async def _open_loop(
    asks: Sequence[Ask], rate: float, seconds: float, arrivals: random.Random
) -> list[float]:
    free: asyncio.Queue[Ask] = asyncio.Queue()
    for ask in asks:
        free.put_nowait(ask)
    start = time.perf_counter()

    async def request(due: float) -> float:
        ask = await free.get()
        try:
            await ask()
        finally:
            free.put_nowait(ask)
        return time.perf_counter() - due

    async with asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[float]] = []
        due = start
        while due < start + seconds or not tasks:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(group.create_task(request(due)))
            due += arrivals.expovariate(rate)
    return [task.result() for task in tasks]
