"""`shipway top` beside a running server, on a real terminal and without one."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from served import bundles, models
from served.process import serving
from served.wire import Wire

SHIPWAY = [sys.executable, "-m", "shipway", "top"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = models.identity()
    golden = bundles.golden_of(made, {"x": bundles.rows(8, 2)})
    bundle = bundles.write_bundle(tmp_path_factory.mktemp("bundle"), made, golden)
    with serving(bundle.path) as running:
        yield running


def run(*arguments):
    return subprocess.run([*SHIPWAY, *arguments], capture_output=True, text=True, timeout=60)


def test_one_table(server):
    done = run(server.report["url"], "--once", "--interval", "0.2")
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if line.startswith("tiny"))
    assert row.split()[:3] == ["tiny", "1", "ready"]
    assert "1 worker" in done.stdout


def test_one_document_while_requests_arrive(server):
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]})
    command = [*SHIPWAY, server.report["url"], "--json", "--interval", "1.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with Wire(server.port) as wire:
        while process.poll() is None:
            wire.request("POST", "/v2/models/tiny/infer", body.encode())
    document = json.loads(process.stdout.read())
    process.stdout.close()
    (model,) = document["top"]["models"]
    assert model["requests_per_second"] > 20
    assert 0 < model["p50_ms"]["total"] <= model["p99_ms"]["total"]


def test_a_terminal_is_drawn_anew_and_q_ends_it(server):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="140", LINES="30")
        os.execv(sys.executable, [*SHIPWAY, server.report["url"], "--interval", "0.2"])
    shown, deadline, has_quit = b"", time.monotonic() + 60, False
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # its end
                break
        if not has_quit and shown.count(b"tiny") >= 3:
            os.write(terminal, b"q")
            has_quit = True
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert shown.count(b"q quits") >= 3
    assert shown.rindex(b"\x1b[?1049l") > shown.index(b"\x1b[?1049h")  # the screen is given back


def test_an_address_without_a_server():
    done = run("http://127.0.0.1:9", "--once")
    assert done.returncode == 3
    assert "endpoint.unreachable" in done.stderr


def test_a_server_that_goes_away_is_waited_for(tmp_path):
    made = models.identity()
    bundle = bundles.write_bundle(tmp_path, made, bundles.golden_of(made, {"x": bundles.rows(8, 2)})).path
    with serving(bundle) as first:
        url = first.report["url"]
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="160", LINES="30")
            os.execv(sys.executable, [*SHIPWAY, url, "--interval", "0.2"])
        shown = b""

        def until(mark):
            nonlocal shown
            shown, deadline = b"", time.monotonic() + 60
            while mark not in shown:
                assert time.monotonic() < deadline, shown
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 65536)

        until(b"connections")
        assert first.stop() == 0
        until(b"not reachable since")
    with serving(bundle, options=["--port", url.rpartition(":")[2]]):
        until(b"connections")
        assert b"ready" in shown
        os.write(terminal, b"q")
        with suppress(OSError):  # its end
            while os.read(terminal, 65536):
                pass
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
