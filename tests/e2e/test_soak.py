"""A server under everything at once: JSON, binary, gzip, errors, several models, new and broken connections.

No answer is wrong or missing, memory and descriptors stay as they are, and answers come as soon as at first.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil
import pytest
import uvloop

from served.marked import Asked, Marks, affine_bundle, slow_affine
from served.process import serving
from served.traffic import Ledger, connect

SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
"""Of the heavy test."""
CLIENTS = 12
REQUESTS_PER_CONNECTION = 300


@dataclass(frozen=True)
class Sample:
    """What the process held at a moment."""

    at: float
    rss_bytes: int


class Mixture:
    """A client's next request, of every kind there is."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        paths = ("/v2/models/affine/infer", "/v2/models/other/versions/1/infer", "/v2/models/slow/infer")
        self._models = [Marks(seed, path=path, start=seed, step=CLIENTS + 1) for path in paths]

    def __call__(self) -> Asked:
        dice = self._dice.random()
        if dice < 0.01:
            return self._models[2].json()
        marks = self._models[self._dice.randint(0, 1)]
        return marks.gzip() if dice < 0.06 else marks.any()


def some(source: Callable[[], Asked], count: int, end: float) -> Callable[[], Asked | None]:
    """At most so many of them, and none after `end`."""
    left = iter(range(count))
    return lambda: source() if perf_counter() < end and next(left, None) is not None else None


async def keep_asking(port: int, ledger: Ledger, source: Mixture, end: float) -> None:
    while perf_counter() < end:
        talker = await connect(port, ledger, some(source, REQUESTS_PER_CONNECTION, end), depth=2)
        await talker.gone


async def keep_leaving(port: int, ledger: Ledger, source: Mixture, end: float) -> None:
    while perf_counter() < end:
        talker = await connect(port, ledger, source, depth=4)
        await asyncio.sleep(0.05)
        talker.drop()
        await talker.gone


async def keep_looking(process: psutil.Process, samples: list[Sample], end: float) -> None:
    while perf_counter() < end:
        samples.append(Sample(perf_counter(), process.memory_info().rss))
        await asyncio.sleep(0.25)


async def soak(port: int, process: psutil.Process, seconds: float, ledger: Ledger) -> list[Sample]:
    end = perf_counter() + seconds
    samples: list[Sample] = []
    sources = [Mixture(seed) for seed in range(CLIENTS + 1)]
    await asyncio.gather(
        *(keep_asking(port, ledger, source, end) for source in sources[:CLIENTS]),
        keep_leaving(port, ledger, sources[CLIENTS], end),
        keep_looking(process, samples, end),
    )
    return samples


def run(folder: Path, seconds: float, warm_up_seconds: float, most_growth: float) -> Ledger:
    bundles = [affine_bundle(folder, name=name) for name in ("affine", "other")]
    bundles.append(affine_bundle(folder, name="slow", made=slow_affine()))
    ledger = Ledger(latencies=[])
    with (
        serving(*(bundle.path for bundle in bundles)) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        process = psutil.Process(server.process.pid)
        before = process.num_fds()
        samples = runner.run(soak(server.port, process, seconds, ledger))
        assert runner.run(
            until(lambda: process.num_fds() <= before + 2)
        )  # a pool's thread may have opened its own
        assert server.stop() == 0
    ledger.assert_right()
    assert set(ledger.statuses) == {200, 400}
    start = samples[0].at
    warm = [sample.rss_bytes for sample in samples if sample.at - start >= warm_up_seconds]
    first, last = warm[: len(warm) // 4 + 1], warm[-len(warm) // 4 :]
    assert max(last) <= max(first) * (1 + most_growth), (max(first), max(last))
    return ledger


async def until(is_so: Callable[[], bool], *, seconds: float = 10) -> bool:
    end = perf_counter() + seconds
    while not is_so() and perf_counter() < end:
        await asyncio.sleep(0.05)
    return is_so()


def p99(latencies: list[tuple[float, float]]) -> float:
    return sorted(took for _, took in latencies)[int(len(latencies) * 0.99)]


def test_twenty_seconds(tmp_path: Path) -> None:
    ledger = run(tmp_path, 20, warm_up_seconds=5, most_growth=0.05)
    assert ledger.answered > 2000


@pytest.mark.heavy
def test_ten_minutes(tmp_path: Path) -> None:
    ledger = run(tmp_path, SECONDS, warm_up_seconds=min(60, SECONDS / 10), most_growth=0.05)
    assert ledger.latencies is not None
    quarter = len(ledger.latencies) // 4
    second, last = ledger.latencies[quarter : 2 * quarter], ledger.latencies[-quarter:]
    assert p99(last) <= 2 * p99(second)
