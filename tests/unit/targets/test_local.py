"""The server as a child: ready when it says so, gone when it is stopped or its parent dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from served import models
from served.bundles import golden_of, rows, write_bundle
from served.wire import Wire, infer_body
from shipway.bundle.store import Bundle
from shipway.errors import (
    BundleDigestError,
    BundleNotFoundError,
    PermissionDeniedError,
    PortInUseError,
    ProofError,
    UsageError,
)
from shipway.targets.local import LocalServer, require_free_port, start_server

PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    made = models.mlp()
    return write_bundle(tmp_path_factory.mktemp("bundle"), made, golden_of(made, {"x": rows(4, 4)}))


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    made = models.slow()
    golden = golden_of(made, {"x": rows(2, 2)})
    return write_bundle(tmp_path_factory.mktemp("bundle"), made, golden, name="slow")


def test_it_answers_once_it_is_started_and_not_when_it_is_stopped(bundle: Bundle) -> None:
    with start_server([bundle.path]) as server:
        assert server.is_running
        assert server.models == ("tiny",)
        with urllib.request.urlopen(f"{server.url}/v2/health/ready", timeout=10) as answer:
            assert answer.status == 200
    assert not server.is_running
    assert server.stop() == server.stop() == server.wait() == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(server.url, timeout=10)


def test_what_it_accepted_is_answered_before_it_stops(slow_bundle: Bundle) -> None:
    with start_server([slow_bundle.path]) as server:
        x = rows(1, 2)
        wires = [Wire(int(server.url.rpartition(":")[2])) for _ in range(4)]
        for wire in wires:
            wire.send(
                b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body(x))
                + body(x)
            )
        # On a terminal Ctrl-C reaches the child as well, and `stop` must not become its second signal.
        os.kill(server._process.pid, signal.SIGINT)
        assert server.stop() == 0
        for wire in wires:
            answer = wire.read()
            assert answer.status == 200
            np.testing.assert_allclose(answer.json["outputs"][0]["data"], x.ravel(), rtol=1e-6)
            wire.socket.close()


def body(x: np.ndarray) -> bytes:
    import json

    return json.dumps(infer_body("x", x)).encode()


def test_a_server_that_is_gone_already_can_be_stopped(bundle: Bundle) -> None:
    server = start_server([bundle.path])
    os.kill(server._process.pid, signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    assert not server.is_running
    assert server.stop() == -signal.SIGKILL


def test_it_dies_with_a_parent_that_is_killed(bundle: Bundle) -> None:
    code = (
        "import sys, time; from pathlib import Path; from shipway.targets.local import start_server\n"
        "server = start_server([Path(sys.argv[1])])\n"
        "print(server._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(bundle.path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while runs(child):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.02)


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_model_that_does_not_prove_itself_is_told_with_the_reason(tmp_path: Path) -> None:
    made = models.mlp()
    x = rows(4, 4)
    wrong = golden_of(made, {"x": x}, outputs={"y": np.zeros((4, 3), np.float32)})
    before = children()
    with pytest.raises(ProofError, match=r"tiny: golden samples alone: output 'y' differs") as caught:
        start_server([write_bundle(tmp_path, made, wrong).path])
    assert caught.value.hint
    assert children() == before


@pytest.mark.parametrize(
    ("fault", "kind"), [("missing", BundleNotFoundError), ("changed", BundleDigestError)]
)
def test_the_servers_own_error_is_raised_here(tmp_path: Path, fault: str, kind: type[Exception]) -> None:
    path = tmp_path / "gone.bundle"
    if fault == "changed":
        made = models.mlp()
        path = write_bundle(tmp_path, made, golden_of(made, {"x": rows(2, 4)})).path
        (path / "extra.txt").write_text("x")
    before = children()
    with pytest.raises(kind, match=path.name) as caught:
        start_server([path])
    assert caught.value.hint
    assert children() == before


def children() -> set[int]:
    mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return {int(child) for child in mine.read_text().split() if runs(int(child))}


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken(bundle: Bundle, taken_port: int) -> None:
    with pytest.raises(PortInUseError, match=str(taken_port)) as caught:
        require_free_port("127.0.0.1", taken_port)
    assert "--port" in caught.value.hint
    with pytest.raises(PortInUseError, match=str(taken_port)):
        start_server([bundle.path], port=taken_port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "", "a" * 300, "127.0.0.1:80"])
def test_a_host_that_is_not_this_machine(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_free_port(host, 0)
    assert "--host" in caught.value.hint


@pytest.mark.parametrize("port", [65536, -1])
def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(UsageError):
        require_free_port("127.0.0.1", port)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may listen on every port")
def test_a_port_for_root_only() -> None:
    with pytest.raises(PermissionDeniedError, match="80"):
        require_free_port("127.0.0.1", 80)


def test_a_free_port_stays_free(unused_port: int, bundle: Bundle) -> None:
    require_free_port("127.0.0.1", unused_port)
    require_free_port("127.0.0.1", unused_port)
    with start_server([bundle.path], port=unused_port) as server:
        assert isinstance(server, LocalServer)
        assert server.url == f"http://127.0.0.1:{unused_port}"
