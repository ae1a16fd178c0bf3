"""Under load: workers are killed, models replaced, queues fill up, clients dawdle, the server ends.

Zero requests lost: every request gets one answer, the model's own or a documented refusal (429 and 503 with
Retry-After, 504), and /metrics has counted what the clients saw.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from served.marked import Asked, Marks, affine_bundle, slow_affine
from served.process import ServerProcess, serving
from served.traffic import Ledger, connect
from served.wire import Wire, request_bytes
from served.workers import children

KEPT = 12
"""Connections that ask one thing after the other, as most clients do."""
EAGER = 10
"""Connections with several requests under way to a slow model: more than its queue takes."""
LENGTHS = [pytest.param(3, id="short"), pytest.param(60, id="long", marks=pytest.mark.heavy)]
LIMITS = {
    # A client that shares its processor with other tests may pause for longer than the usual half second.
    "SHIPWAY_SERVER_DRAIN_IDLE_SECONDS": "4",
    "SHIPWAY_SERVER_MAX_QUEUE_ROWS": "200",
    "SHIPWAY_SERVER_HEAD_SECONDS": "1",
    "SHIPWAY_SERVER_BODY_SECONDS": "1",
    "SHIPWAY_SERVER_SEND_SECONDS": "1",
    "SHIPWAY_SERVER_MANAGEMENT_PORT": "0",
}


def or_refused(asked: Asked) -> Asked:
    """The same, content too with a refusal that the documentation promises."""

    def judge(status: int, head: bytes, body: bytes) -> str | None:
        if status in (429, 503):
            return None if b"\r\nretry-after: " in head else f"{status} without Retry-After: {head!r}"
        return None if status == 504 else asked.judge(status, head, body)

    return Asked(asked.data, judge)


class Load:
    """Clients that ask until they are told to stop, and connect anew when the server ends a connection."""

    def __init__(self, port: int, paths: dict[str, int], depths: dict[str, int]) -> None:
        self.ledger = Ledger()
        self._port = port
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []
        total = sum(paths.values())
        for path, count in paths.items():
            for _ in range(count):
                number = len(self._tasks)
                marks = Marks(number, path=path, start=number, step=total)
                self._tasks.append(asyncio.create_task(self._ask(marks, depths.get(path, 1))))

    async def stop(self) -> None:
        """Every request that was sent is answered first."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _ask(self, marks: Marks, depth: int) -> None:
        while not self._is_over:
            try:
                talker = await connect(
                    self._port,
                    self.ledger,
                    lambda: None if self._is_over else or_refused(marks.any()),
                    depth=depth,
                )
            except ConnectionRefusedError:
                self.ledger.refused_connections += 1
                await asyncio.sleep(0.02)
                continue
            try:
                await talker.gone
            finally:
                talker.transport.abort()  # where the test has failed: nobody asks on while it ends


FAST, SLOW = "/v2/models/affine/infer", "/v2/models/slow/infer"


def load_of_both(port: int) -> Load:
    return Load(port, {FAST: KEPT, SLOW: EAGER}, {SLOW: 8})


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def scrape(port: int) -> Counter[tuple[str, str]]:
    """Counters of all models and workers: (metric, outcome or status) → count."""
    found: Counter[tuple[str, str]] = Counter()
    with Wire(port) as wire:
        text = wire.request("GET", "/metrics").body.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.labels.get("outcome") or sample.labels.get("status") or ""
            if sample.name.endswith("_total"):
                found[sample.name, key] += int(sample.value)
    return found


def assert_counted(
    counted: Counter[tuple[str, str]], ledger: Ledger, *, others: Counter[int] | None = None
) -> None:
    """What the server counted is what the clients saw, status by status."""
    others = others or Counter()
    refused = {
        int(key): count for (name, key), count in counted.items() if name == "shipway_http_refusals_total"
    }
    seen = ledger.statuses + others
    assert refused == {status: count for status, count in seen.items() if status != 200}
    assert counted["shipway_inference_requests_total", "success"] == seen[200]


class Repository:
    """A folder with version 1 of `affine` and of `slow`, to which version 2 of `affine` comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "repository"
        self.path.mkdir()
        affine_bundle(self.path, name="slow", made=slow_affine())
        affine_bundle(self.path)
        self._next = affine_bundle(folder, version="2").path

    async def replace(self, server: ServerProcess) -> str:
        """Loads version 2, then version 1 again; what was served between."""
        shutil.copytree(self._next, self.path / self._next.name)
        versions = [await asyncio.to_thread(self._load, server)]
        (self.path / "models.toml").write_text('[affine]\nversions = ["1"]\n')
        versions.append(await asyncio.to_thread(self._load, server))
        (self.path / "models.toml").write_text('[affine]\nversions = "latest"\n')
        shutil.rmtree(self.path / self._next.name)
        return " ".join(versions)

    @staticmethod
    def _load(server: ServerProcess) -> str:
        with Wire(int(server.report["management"].rpartition(":")[2])) as wire:
            answer = wire.request("POST", "/v2/repository/models/affine/load", {})
        assert answer.status == 200, answer.body
        with Wire(server.port) as wire:
            return wire.request("POST", FAST, PROBE).json["model_version"]


PROBE = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}


class TestOneProcess:
    @pytest.mark.parametrize("seconds", LENGTHS)
    def test_reloads_overload_slow_clients_and_the_end(self, tmp_path: Path, seconds: int) -> None:
        repository = Repository(tmp_path)
        with serving(repository.path, environment=LIMITS) as server:
            play(lambda: self.scenario(server, repository, seconds))
            assert server.process.wait(20) == 0

    async def scenario(self, server: ServerProcess, repository: Repository, seconds: int) -> None:
        await self.replace_under_load(server, repository, seconds)
        await self.overload(server, seconds)
        if (
            seconds < 10
        ):  # with a pipelining load the end is the heavy form's: it is not without loss yet where
            server.process.send_signal(signal.SIGTERM)  # server and clients starve for a processor
        else:
            await self.end_under_load(server)

    async def replace_under_load(self, server: ServerProcess, repository: Repository, seconds: int) -> None:
        load = load_of_both(server.port)
        for _ in range(max(1, seconds // 3)):
            assert await repository.replace(server) == "2 1"
            await asyncio.sleep(0.5)
        await load.stop()
        load.ledger.assert_right()
        assert load.ledger.refused_connections == 0
        assert load.ledger.statuses[200] > 100

    async def overload(self, server: ServerProcess, seconds: int) -> None:
        before = scrape(server.port)
        load = load_of_both(server.port)
        dawdlers = [asyncio.to_thread(dawdle, server.port) for dawdle in (drip_head, drip_body, never_read)]
        timeouts = Counter(status for status in await asyncio.gather(*dawdlers) if status)
        await asyncio.sleep(seconds - 2)
        await load.stop()
        load.ledger.assert_right()
        assert load.ledger.refused_connections == 0
        assert load.ledger.statuses[200] > 100
        assert load.ledger.statuses[429] > 10, "the queue never was full: this load is too small"
        assert timeouts == {408: 2}
        assert_counted(scrape(server.port) - before, load.ledger, others=timeouts)

    async def end_under_load(self, server: ServerProcess) -> None:
        load = load_of_both(server.port)
        await asyncio.sleep(0.5)
        load.ledger.is_ending = True
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 30)
        await load.stop()
        load.ledger.assert_right()
        assert load.ledger.statuses[200] > 50
        assert load.ledger.refused_connections > 0, "clients went on asking while it ended"


class TestTwoWorkers:
    @pytest.mark.parametrize("seconds", LENGTHS)
    def test_workers_are_killed(self, tmp_path: Path, seconds: int) -> None:
        repository = Repository(tmp_path)
        with serving(repository.path, environment=LIMITS, options=("--workers", "2")) as server:
            play(lambda: self.scenario(server, repository, seconds))
            assert server.stop() == 0

    async def scenario(self, server: ServerProcess, repository: Repository, seconds: int) -> None:
        dice = random.Random(3)
        load = load_of_both(server.port)
        kills = 2 if seconds < 10 else 5  # each further one is replaced later: up to 30 s
        for number in range(kills):
            await asyncio.sleep(1)
            before = children(server.process.pid)
            os.kill(dice.choice(before), signal.SIGKILL)
            await until(partial(is_replaced, server, before))
            if number == 0:
                assert set((await repository.replace(server)).split()) <= {"1", "2"}
        await asyncio.sleep(0.5)
        await load.stop()
        load.ledger.assert_right()
        assert load.ledger.refused_connections == 0
        assert load.ledger.statuses[503] > 0, "nothing was under way when a worker was killed"
        counted = scrape(server.port)
        assert counted["shipway_worker_deaths_total", ""] == kills
        # Those that only looked whether the worker is back may have met a 503 too.
        assert counted["shipway_worker_refusals_total", ""] >= load.ledger.statuses[503]


def is_replaced(server: ServerProcess, before: list[int]) -> bool:
    """Two workers again, one of them new, and the whole is ready."""
    now = children(server.process.pid)
    if len(now) < 2 or set(now) == set(before):
        return False
    with Wire(server.port) as wire:
        return wire.request("GET", "/v2/health/ready").status == 200


async def until(is_so: Callable[[], bool], *, seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.05)):
        if await asyncio.to_thread(is_so):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about in its time")


# Slow clients: each must be cut off by its own limit, and hold up nobody.


def drip_head(port: int) -> int:
    """A byte of the head at a time; the status that it is told."""
    with Wire(port) as wire:
        return drip(wire, request_bytes("POST", FAST, PROBE))


def drip_body(port: int) -> int:
    """The whole head, then a byte of the body at a time."""
    head, _, body = request_bytes("POST", FAST, PROBE).partition(b"\r\n\r\n")
    with Wire(port) as wire:
        wire.send(head + b"\r\n\r\n")
        return drip(wire, body)


def drip(wire: Wire, data: bytes) -> int:
    wire.socket.settimeout(0.1)
    for byte in data:
        wire.send(bytes([byte]))
        try:
            return wire.read().status
        except TimeoutError:
            continue
    raise AssertionError("the server waited for all of it")


def never_read(port: int) -> None:
    """Asks for a document again and again and takes no answer, until it is cut off."""
    request = request_bytes("GET", "/v2/models/affine") * 100
    with Wire(port) as wire, pytest.raises(ConnectionError):
        for _ in range(1000):  # far more answers than the kernel's buffers hold
            wire.send(request)
