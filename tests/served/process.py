"""A server in its own process, as users run it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass

LONGEST_START_SECONDS = 60


@dataclass
class ServerProcess:
    process: subprocess.Popen
    report: dict
    """The line that it printed."""

    @property
    def port(self) -> int:
        return int(self.report["url"].rpartition(":")[2])

    def stop(self, number=signal.SIGTERM, *, timeout=40) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout)


def start(*bundles, port=0, environment=None, options=()):
    return subprocess.Popen(
        [sys.executable, "-m", "shipway.server", *map(str, bundles), "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )


def read_line(process) -> dict:
    """The JSON line on its standard output, waited for within a limit."""
    deadline = time.monotonic() + LONGEST_START_SECONDS
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            assert selector.select(deadline - time.monotonic()), "the server printed nothing in its time"
            piece = os.read(process.stdout.fileno(), 65536)
            assert piece, process.stderr.read().decode()
            line += piece
    return json.loads(line)


def complaints(process) -> list[bytes]:
    """What it told on standard error that is no news: errors, and whatever is no line of its log."""
    lines = process.stderr.read().splitlines()
    return [line for line in lines if not line.startswith(b"{") or json.loads(line)["level"] == "error"]


@contextmanager
def serving(*bundles, environment=None, options=()):
    process = start(*bundles, environment=environment, options=options)
    try:
        yield ServerProcess(process, read_line(process))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
