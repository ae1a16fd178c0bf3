"""This machine as the place: Shipway's server in a child process, ready when it says so."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shipway.errors import (
    EndpointUnreachableError,
    PermissionDeniedError,
    PortInUseError,
    ProofError,
    UsageError,
    error_class,
)

_LARGEST_PORT = 65535
_STOP_SECONDS = 40.0
"""More than the server's own limit for draining (30 s), which it keeps itself."""


class LocalServer:
    """A running server. A context manager; leaving it drains and ends the server."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, models: Sequence[str]) -> None:
        self.url = url
        self.models = tuple(models)
        self._process = process

    @property
    def is_running(self) -> bool:
        """False once the server has ended."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Returns the exit status when the server ends."""
        return self._process.wait()

    def stop(self) -> int:
        """Drains and ends the server; what it accepted is answered. Returns its exit status."""
        return _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def require_free_port(host: str, port: int) -> None:
    """Raises `PortInUseError` now, rather than after minutes of work; `UsageError` for a host that is none."""
    try:
        if not 0 <= port <= _LARGEST_PORT:  # getaddrinfo takes 65536 for 0
            raise OverflowError(f"ports run from 0 to {_LARGEST_PORT}")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise UsageError(
            f"{host!r} port {port} is no address to listen on: {error}.",
            hint="Give --host an address of this machine, for example 127.0.0.1, and --port 0 to 65535.",
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(
                    f"Port {port} on {host} is in use by another program.",
                    hint="Choose another with --port; 0 picks a free one.",
                ) from error
            if error.errno in (errno.EACCES, errno.EPERM):
                raise PermissionDeniedError(
                    f"This user may not listen on port {port} of {host}.", hint="Choose a --port above 1023."
                ) from error
            raise UsageError(
                f"Cannot listen on {host} port {port}: {error.strerror}.",
                hint="Give --host an address of this machine, for example 127.0.0.1.",
            ) from error


def start_server(bundles: Sequence[Path], *, host: str = "127.0.0.1", port: int = 0) -> LocalServer:
    """Starts the server and returns when every model has proven itself.

    It also ends when this process does, however that happens: it watches the pipe that it gets as standard
    input. Raises the error that the server gave (`PortInUseError`, `BundleError`, `ProofError` …).
    """
    command = [
        sys.executable,
        "-m",
        "shipway.server",
        *map(str, bundles),
        "--host",
        host,
        "--port",
        str(port),
    ]
    # A session of its own: Ctrl-C in the terminal is for this process, which then lets the server drain.
    process = subprocess.Popen(
        [*command, "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        line = _read_line(process)
    except BaseException:
        _end(process)
        raise
    if "error" in line:
        _end(process)
        found = line["error"]
        kind = error_class(str(found.get("code"))) or EndpointUnreachableError
        raise kind(str(found.get("message", "")), hint=str(found.get("hint", "")))
    unready = [model for model in line["models"] if not model["ready"]]
    if unready:
        _end(process)
        reasons = "; ".join(f"{model['name']}: {model.get('reason', '')}" for model in unready)
        raise ProofError(
            f"The server does not find the model fit to serve on this machine: {reasons}.",
            hint="shipway inspect shows the bundle's verdicts; export the model again on this machine.",
        )
    return LocalServer(process, str(line["url"]), [str(model["name"]) for model in line["models"]])


def _read_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the server says first: ready, or why not."""
    assert process.stdout is not None
    for line in process.stdout:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and ("ready" in value or "error" in value):
            return value
    raise EndpointUnreachableError(
        f"The server ended with status {process.wait()} before it was ready.",
        hint="Run it by itself to see what it says: shipway serve NAME.bundle",
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    """Ends the server by the end of its input, and only in the last resort by a signal.

    Ctrl-C on a terminal reaches the server too, and a second signal would end it before it has drained.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
    return process.returncode
