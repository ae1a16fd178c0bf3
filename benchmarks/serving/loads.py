"""Puts a load on a server for a time: by `wrk` where it is installed, else by `closed_loop.py`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from scenarios import Scenario, request_bytes, request_of
from servers import HERE, LOAD_PROCESSOR, Running, pinned

HAS_WRK = shutil.which("wrk") is not None


@dataclass(frozen=True)
class Visit:
    """What one load on one server found."""

    cpu_us: float
    """Of the server's whole process tree, per request."""
    per_second: float
    p50_ms: float
    p99_ms: float
    processor_share: float
    """Of its processor that the server had. Under a full load 1; what is missing went to other programs, and
    whoever shares a processor pays for cold caches and smaller batches too."""


def visit(running: Running, scenario: Scenario, seconds: float, folder: Path) -> Visit:
    """Raises `RuntimeError` where a request fails."""
    before = running.cpu_seconds()
    if HAS_WRK and not scenario.is_slow:
        found = _wrk(running, scenario, ceil(seconds), folder)
    else:
        found = closed_loop(running, scenario, seconds, folder)
    cpu_seconds = running.cpu_seconds() - before
    if found["failures"]:
        raise RuntimeError(f"{running.name}, {scenario.title}: {found['failures']} requests failed")
    requests, took = found["requests"], found["seconds"]
    return Visit(
        cpu_us=cpu_seconds / requests * 1e6,
        per_second=requests / took,
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        processor_share=cpu_seconds / took,
    )


def _wrk(running: Running, scenario: Scenario, seconds: int, folder: Path) -> dict:
    """One thread. It makes the request once, sends it again as it is, and reads the status, not the body."""
    path, headers, body = request_of(running.name, scenario.model, scenario.form)
    (folder / "body").write_bytes(body)
    url = f"http://127.0.0.1:{running.port}{path}"
    command = [
        "wrk",
        "-t1",
        f"-c{scenario.connections}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        HERE / "wrk.lua",
    ]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    out = _run([*command, url, "--", folder / "body"], seconds)
    return json.loads(out.splitlines()[-1])


def closed_loop(running: Running, scenario: Scenario, seconds: float, folder: Path) -> dict:
    """Every request that it sends is waited for, so that their number is exact."""
    request = folder / "request"
    request.write_bytes(request_bytes(running.name, scenario.model, scenario.form))
    command = [sys.executable, HERE / "closed_loop.py", running.port, scenario.connections, seconds, request]
    return json.loads(_run(list(map(str, command)), seconds))


def _run(command: list[str | Path], seconds: float) -> str:
    done = subprocess.run(
        pinned(command, LOAD_PROCESSOR), capture_output=True, text=True, timeout=seconds + 60, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"{command[0]} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-1500:]}"
        )
    return done.stdout
