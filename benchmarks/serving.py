"""What a request costs: Shipway's server, FastAPI + uvicorn + ONNX Runtime, and the bare ONNX Runtime loop.

    python benchmarks/serving.py [--quick] [--check] [--out benchmarks/results/serving.json]

Interleaved: each round visits every server with every load, so that a busy machine is busy for all of them. CPU
per request is read from the server's whole process tree around each visit; the figure is the median over the
rounds, and the goals are judged on the ratio within each round. The load generator is `load.py`, in a process of
its own, closed loop, on loopback. `fastapi_server.py` says how the peer is written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import serving_models
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
GOAL_RATIO = 8.0
GOAL_COLD_START_SECONDS = 0.5
GOAL_RSS_MB = 90.0
LONGEST_START_SECONDS = 30.0


@dataclass(frozen=True)
class Scenario:
    """One load: a model, a form, a number of connections."""

    model: str
    form: str
    connections: int

    def __str__(self) -> str:
        return f"{self.model} {self.form} ×{self.connections}"


SCENARIOS = (
    Scenario("mlp", "json", 32),
    Scenario("mlp", "json", 1),
    Scenario("cnn", "binary", 32),
    Scenario("cnn", "json", 32),
)


@dataclass
class Running:
    """A started server."""

    name: str
    model: str
    port: int
    process: psutil.Process
    cold_start_seconds: float
    peak_mb: float = 0.0

    def cpu_seconds(self) -> float:
        return sum(sum(one.cpu_times()[:2]) for one in self._tree())

    def rss_mb(self) -> float:
        self.peak_mb = max(self.peak_mb, sum(one.memory_info().rss for one in self._tree()) / 2**20)
        return self.peak_mb

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@dataclass
class Figures:
    """What the rounds found for one server under one load."""

    cpu_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def median(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in vars(self).items() if values}


def http(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def request_of(server: str, scenario: Scenario) -> bytes:
    """The bytes that every connection repeats: one row."""
    x = np.random.default_rng(1).random((1, *serving_models.SHAPES[scenario.model]), dtype=np.float32)
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32"}
    path = f"/v2/models/{scenario.model if server == 'shipway' else 'm'}/infer"
    if scenario.form == "json":
        body = json.dumps({"inputs": [{**tensor, "data": [round(float(v), 6) for v in x.ravel()]}]}).encode()
        return http(path, body, {"Content-Type": "application/json"})
    if server == "fastapi":
        return http("/binary", x.tobytes(), {"Content-Type": "application/octet-stream"})
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": x.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    return http(path, head + x.tobytes(), {"Inference-Header-Content-Length": str(len(head))})


def ask(port: int, request: bytes) -> bytes:
    """The body of one answer; raises `OSError` while nobody answers, `RuntimeError` for another status."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request.replace(b"Host: bench", b"Host: bench\r\nConnection: close", 1))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode("latin-1"))
    return body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command_of(server: str, files: tuple[Path, Path], port: int) -> list[str]:
    model, bundle = files
    if server == "shipway":
        return [sys.executable, "-m", "shipway.server", str(bundle), "--port", str(port)]
    return [sys.executable, str(HERE / "fastapi_server.py"), str(model), str(port)]


@contextmanager
def started(server: str, scenario: Scenario, files: tuple[Path, Path]) -> Iterator[Running]:
    """A server that has answered, and how long that took from the start of its process."""
    port = free_port()
    request = request_of(server, scenario)
    began = time.perf_counter()
    process = subprocess.Popen(command_of(server, files, port), stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                body = json.loads(ask(port, request))
                break
            except (OSError, RuntimeError) as error:
                if time.perf_counter() - began > LONGEST_START_SECONDS or process.poll() is not None:
                    raise RuntimeError(f"{server} did not start: {error}") from error
                time.sleep(0.002)
        took = time.perf_counter() - began
        assert abs(sum(body["outputs"][0]["data"]) - 1) < 1e-4, body
        yield Running(server, scenario.model, port, psutil.Process(process.pid), took)
    finally:
        process.terminate()
        process.wait(60)


def visit(running: Running, scenario: Scenario, seconds: float, figures: Figures, folder: Path) -> None:
    request = folder / "request"
    request.write_bytes(request_of(running.name, scenario))
    before = running.cpu_seconds()
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "load.py"),
            str(running.port),
            str(scenario.connections),
            str(seconds),
            request,
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    cpu_seconds = running.cpu_seconds() - before
    found = json.loads(done.stdout)
    if found["failures"]:
        raise RuntimeError(f"{running.name}, {scenario}: {found['failures']} requests failed")
    figures.cpu_us.append(cpu_seconds / found["requests"] * 1e6)
    figures.per_second.append(found["requests"] / found["seconds"])
    figures.p50_ms.append(found["p50_ms"])
    figures.p99_ms.append(found["p99_ms"])
    running.rss_mb()


def raw_loop(model: Path, seconds: float, figures: Figures) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "raw_loop.py"), str(model), str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    found = json.loads(done.stdout)
    figures.cpu_us.append(found["cpu_us"])
    figures.per_second.append(found["per_second"])


def measure(rounds: int, seconds: float, starts: int, say: Callable[[str], None]) -> dict:
    servers = ("shipway", "fastapi")
    loads: dict[str, dict[str, Figures]] = {str(s): {n: Figures() for n in servers} for s in SCENARIOS}
    raw = {model: Figures() for model in serving_models.SHAPES}
    cold: dict[str, list[float]] = {name: [] for name in servers}
    rss: dict[str, list[float]] = {name: [] for name in servers}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = {model: serving_models.write(model, folder) for model in serving_models.SHAPES}
        say("cold starts")
        for _ in range(starts):
            for name in servers:
                with started(name, SCENARIOS[0], files["mlp"]) as running:
                    cold[name].append(running.cold_start_seconds)
        for number in range(rounds):
            for model in serving_models.SHAPES:
                of_model = [scenario for scenario in SCENARIOS if scenario.model == model]
                json_one = Scenario(model, "json", 1)
                with (
                    started("shipway", json_one, files[model]) as ours,
                    started("fastapi", json_one, files[model]) as theirs,
                ):
                    for scenario in of_model:
                        for running in (ours, theirs):
                            say(f"round {number + 1} of {rounds}: {scenario}, {running.name}")
                            visit(running, scenario, seconds, loads[str(scenario)][running.name], folder)
                    for running in (ours, theirs):
                        if model == "mlp":
                            rss[running.name].append(running.peak_mb)
                raw_loop(files[model][0], min(seconds, 1.0), raw[model])
    return {
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "load": os.getloadavg(),
        },
        "rounds": rounds,
        "seconds_per_visit": seconds,
        "loads": {
            scenario: {
                **{name: figures.median() for name, figures in by_server.items()},
                "cpu_ratio_by_round": [
                    theirs / ours
                    for ours, theirs in zip(
                        by_server["shipway"].cpu_us, by_server["fastapi"].cpu_us, strict=True
                    )
                ],
            }
            for scenario, by_server in loads.items()
        },
        "raw_loop": {model: figures.median() for model, figures in raw.items()},
        "cold_start_seconds": {name: min(values) for name, values in cold.items()},
        "rss_mb": {name: max(values) for name, values in rss.items()},
    }


def goals(result: dict) -> list[tuple[str, bool]]:
    """What the server promises, and whether this run shows it."""
    ratio = statistics.median(result["loads"][str(SCENARIOS[0])]["cpu_ratio_by_round"])
    cold, rss = result["cold_start_seconds"]["shipway"], result["rss_mb"]["shipway"]
    return [
        (
            f"{SCENARIOS[0]}: FastAPI costs {ratio:.1f} times the CPU; goal ≥ {GOAL_RATIO:g}",
            ratio >= GOAL_RATIO,
        ),
        (
            f"first answer after {cold:.2f} s; goal ≤ {GOAL_COLD_START_SECONDS:g} s",
            cold <= GOAL_COLD_START_SECONDS,
        ),
        (f"memory {rss:.0f} MB under load; goal ≤ {GOAL_RSS_MB:g} MB", rss <= GOAL_RSS_MB),
    ]


def show(result: dict, console: Console) -> None:
    table = Table(title="CPU per request of the server's process tree, median over rounds")
    for column in ("load", "server", "CPU µs", "requests/s", "p50 ms", "p99 ms", "FastAPI ÷ ours"):
        table.add_column(column, justify="left" if column in ("load", "server") else "right")
    for scenario, by_server in result["loads"].items():
        for name in ("shipway", "fastapi"):
            found = by_server[name]
            ratio = f"{statistics.median(by_server['cpu_ratio_by_round']):.1f}" if name == "shipway" else ""
            row = (f"{found['cpu_us']:.1f}", f"{found['per_second']:.0f}", f"{found['p50_ms']:.2f}")
            table.add_row(scenario, name, *row, f"{found['p99_ms']:.2f}", ratio)
    for model, found in result["raw_loop"].items():
        table.add_row(
            model, "bare ONNX Runtime", f"{found['cpu_us']:.1f}", f"{found['per_second']:.0f}", "", "", ""
        )
    console.print(table)
    for name in ("shipway", "fastapi"):
        cold, rss = result["cold_start_seconds"][name], result["rss_mb"][name]
        console.print(f"{name}: first answer after {cold:.2f} s, {rss:.0f} MB under load (mlp)")
    for text, holds in goals(result):
        console.print(f"{'holds' if holds else 'FAILS'}: {text}", style="green" if holds else "bold red")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short round, some ten seconds in all")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal does not hold")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "serving.json")
    options = parser.parse_args()
    console = Console()
    rounds, seconds, starts = (1, 0.7, 2) if options.quick else (5, 2.0, 6)
    with console.status("starting") as status:
        result = measure(rounds, seconds, starts, status.update)
    show(result, console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if options.check and not all(holds for _, holds in goals(result)) else 0


if __name__ == "__main__":
    sys.exit(main())
