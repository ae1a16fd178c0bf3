"""Starts the servers that are compared, each pinned to a processor of its own, and reads what they cost."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from models import ModelFiles, files_of
from scenarios import request_bytes

HERE = Path(__file__).parent
LONGEST_START_SECONDS = 30.0
CAN_PIN = shutil.which("taskset") is not None and len(os.sched_getaffinity(0)) > 1
SERVER_PROCESSOR, LOAD_PROCESSOR = (sorted(os.sched_getaffinity(0)) * 2)[:2]
_TRITON_CONFIG = """
name: "m"
backend: "onnxruntime"
max_batch_size: 32
dynamic_batching {{ }}
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
input {{ name: "x" data_type: TYPE_FP32 dims: {shape} }}
"""


def pinned(command: Sequence[str | Path], processor: int) -> list[str]:
    """The command, on one processor where that can be had."""
    where = ["taskset", "-c", str(processor)] if CAN_PIN else []
    return [*where, *map(str, command)]


@dataclass
class Running:
    """A started server."""

    name: str
    port: int
    process: psutil.Process
    start_seconds: float
    """From the start of its process to its first correct answer."""

    def cpu_seconds(self) -> float:
        """Of the whole process tree, so far."""
        return sum(_cpu_seconds(one) for one in self._tree())

    def rss_mb(self) -> float:
        """Of the whole process tree, now."""
        return sum(one.memory_info().rss for one in self._tree()) / 2**20

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def _cpu_seconds(process: psutil.Process) -> float:
    if sys.platform == "linux":  # a process's clock in ns (clock_getcpuclockid); psutil's has ticks of 10 ms
        return time.clock_gettime((~process.pid << 3) | 2)
    return sum(process.cpu_times()[:2])


def is_there(server: str) -> bool:
    """Whether it can be started here."""
    return server != "triton" or shutil.which("tritonserver") is not None


@contextmanager
def started(
    server: str,
    models: Sequence[str],
    *,
    form: str = "json",
    is_pinned: bool = True,
    settings: Mapping[str, str] = {},
) -> Iterator[Running]:
    """A server that has answered for the last of `models` (others than ours serve just one)."""
    port = _free_port()
    request = request_bytes(server, models[-1], form, more_headers="Connection: close\r\n")
    with tempfile.TemporaryDirectory() as temporary:
        command = _command(server, [files_of(model) for model in models], port, Path(temporary))
        if is_pinned:
            command = pinned(command, SERVER_PROCESSOR)
        environment = {**os.environ, **settings}
        # An installed package is compiled when it is installed, a checkout at its first start.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if server == "shipway-unbatched":
            environment["SHIPWAY_SERVER_BATCHING"] = "false"
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        try:
            body = _wait(server, process, port, request, began)
            took = time.perf_counter() - began
            if form == "json":
                assert abs(sum(json.loads(body)["outputs"][0]["data"]) - 1) < 1e-3, body
            yield Running(server, port, psutil.Process(process.pid), took)
        finally:
            process.terminate()
            process.wait(60)


READY = b"GET /v2/health/ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


def _wait(server: str, process: subprocess.Popen, port: int, request: bytes, began: float) -> bytes:
    while True:
        try:
            if server.startswith(
                "shipway"
            ):  # else images of 600 kB every 2 ms compete with what they wait for
                _ask(port, READY)
            return _ask(port, request)
        except (OSError, RuntimeError) as error:
            if time.perf_counter() - began > LONGEST_START_SECONDS or process.poll() is not None:
                raise RuntimeError(f"{server} did not start: {error}") from error
            time.sleep(0.002)


def _ask(port: int, request: bytes) -> bytes:
    """The body of one answer; raises `OSError` while nobody answers, `RuntimeError` for another status."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode("latin-1") + body.decode("latin-1"))
    return body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _command(server: str, models: list[ModelFiles], port: int, folder: Path) -> list[str | Path]:
    if server.startswith("shipway"):
        bundles = [model.bundle for model in models]
        return [sys.executable, "-m", "shipway.server", *bundles, "--port", str(port)]
    if server == "fastapi":
        return [sys.executable, HERE / "fastapi_server.py", models[0].onnx, str(port)]
    return _triton(models[0], port, folder)


def _triton(model: ModelFiles, port: int, folder: Path) -> list[str | Path]:
    """The same ONNX file, its C++ backend, dynamic batching as we have it: no delay, up to 32 rows."""
    import graphs

    version = folder / "m" / "1"
    version.mkdir(parents=True)
    shutil.copytree(model.onnx.parent, version, dirs_exist_ok=True)
    (folder / "m" / "config.pbtxt").write_text(_TRITON_CONFIG.format(shape=list(graphs.SHAPES[model.name])))
    off = ["--allow-grpc=false", "--allow-metrics=false", "--model-control-mode=none"]
    return ["tritonserver", f"--model-repository={folder}", f"--http-port={port}", *off]
