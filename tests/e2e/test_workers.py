"""Several worker processes behind one port, as users run them: what happens when one dies, hangs or ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from served import bundles, models, process
from served.wire import Wire, infer_body, request_bytes
from served.workers import (
    children,
    is_alive,
    metric,
    wait_until,
    wait_until_all_serve,
    wait_until_read,
    worker_of,
)
from shipway.targets.local import start_server

TWO = ("--workers", "2")
INFER = "/v2/models/{}/infer"


def write(folder, name, made, shape):
    return bundles.write_bundle(
        folder, made, bundles.golden_of(made, {"x": bundles.rows(*shape)}), name=name
    ).path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def echo(folder):
    return write(folder, "echo", models.identity(), (4, 2))


@pytest.fixture(scope="module")
def slow(folder):
    return write(folder, "slow", models.slow(), (2, 2))


@pytest.fixture
def server(echo):
    with process.serving(echo, options=TWO) as running:
        yield running
        ids = children(running.process.pid) if running.process.poll() is None else []
        if running.process.poll() is None:
            assert running.stop() == 0
        assert not any(map(is_alive, ids))


def ask(wire, number=1, *, name="echo"):
    return wire.request("POST", INFER.format(name), infer_body("x", np.full((1, 2), number)))


def is_refusal(answer):
    return (
        answer.status == 503
        and answer.headers["retry-after"] == "1"
        and answer.headers["connection"] == "close"
        and answer.json["code"] == "request.unavailable"
    )


def log_of(server):
    server.process.stderr.flush()
    return server.process.stderr.read().decode()


def is_calm(log: bytes) -> bool:
    """Lines of JSON, none of which says that something is wrong."""
    return all(json.loads(line)["level"] == "info" for line in log.splitlines())


class Clients:
    """Threads that ask again and again on connections that they keep; every request's outcome is counted."""

    def __init__(self, port, *, count=8, name="echo"):
        self.statuses: Counter = Counter()
        self.problems: list[str] = []
        self.refused_connections = 0
        self._port, self._name = port, name
        self._is_over = False
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.statuses[200] > 20)
        return self

    def __exit__(self, *_):
        self._is_over = True
        for thread in self._threads:
            thread.join(30)

    def _run(self, number):
        while not self._is_over:
            try:
                wire = Wire(self._port)
            except ConnectionRefusedError:
                self.refused_connections += 1
                return
            with wire:
                try:
                    self._ask_on(wire, number)
                except (OSError, EOFError, AssertionError) as error:
                    self.problems.append(repr(error))

    def _ask_on(self, wire, number):
        while not self._is_over:
            answer = ask(wire, number, name=self._name)
            if answer.status == 200:
                assert answer.json["outputs"][0]["data"] == [number, number]
            else:
                assert is_refusal(answer), answer
            self.statuses[answer.status] += 1
            if answer.headers.get("connection") == "close":
                return


class TestServing:
    def test_requests_are_shared_out(self, server):
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(server.port)) for _ in range(40)]
            assert all(ask(wire, n).json["outputs"][0]["data"] == [n, n] for n, wire in enumerate(wires))
            assert {worker_of(server, wire) for wire in wires} == set(children(server.process.pid))

    def test_the_first_line_is_that_of_one_process(self, server):
        assert server.report == {
            "ready": True,
            "url": f"http://127.0.0.1:{server.port}",
            "models": [{"name": "echo", "version": "1", "ready": True}],
        }

    def test_the_supervisor_stays_small(self, server):
        """It holds no model, no numpy and no event loop of the service."""
        text = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert "numpy" not in text
        assert "onnxruntime" not in text
        assert "uvloop" not in text

    def test_a_client_sees_the_end_of_its_connection_at_once(self, server):
        """The supervisor's duplicate must not keep a connection open that its worker has closed."""
        with Wire(server.port) as wire:
            started = time.monotonic()
            assert wire.request("GET", "/v2", headers={"Connection": "close"}).status == 200
            assert wire.is_ended()
            assert time.monotonic() - started < 1

    def test_the_supervisor_lets_go_of_ended_connections(self, server):
        descriptors = f"/proc/{server.process.pid}/fd"
        before = len(os.listdir(descriptors))
        with contextlib.ExitStack() as stack:
            for wire in [stack.enter_context(Wire(server.port)) for _ in range(50)]:
                assert ask(wire).status == 200
            wait_until(lambda: len(os.listdir(descriptors)) >= before + 50)
        wait_until(lambda: len(os.listdir(descriptors)) == before)

    def test_a_version_that_is_not_proven(self, tmp_path, echo):
        made = models.mlp()
        golden = bundles.golden_of(made, {"x": bundles.rows(16, 4)})
        golden.outputs["y"][2] = golden.outputs["y"][2][::-1]
        bad = bundles.write_bundle(tmp_path, made, golden).path
        with process.serving(bad, echo, options=TWO) as server:
            assert server.report["ready"] is False
            assert [model["ready"] for model in server.report["models"]] == [False, True]
            for _ in range(8):
                with Wire(server.port) as wire:
                    assert wire.request("GET", "/v2/health/ready").status == 503
                    assert ask(wire).status == 200
            assert server.stop() == 0

    def test_as_many_as_processors(self, echo):
        with process.serving(echo, options=("--workers", "auto")) as server:
            wanted = len(os.sched_getaffinity(0))
            assert len(children(server.process.pid)) == (wanted if wanted > 1 else 0)
            assert server.stop() == 0

    def test_started_by_a_program(self, echo, monkeypatch):
        monkeypatch.setenv("SHIPWAY_SERVER_WORKERS", "2")
        with start_server([echo]) as server, Wire(int(server.url.rpartition(":")[2])) as wire:
            ids = children(server._process.pid)
            assert len(ids) == 2
            assert ask(wire).status == 200
        assert server.stop() == 0
        assert not any(map(is_alive, ids))


class TestStart:
    def run(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "shipway.server", *map(str, arguments), *TWO],
            capture_output=True,
            timeout=60,
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    def test_a_port_that_is_taken(self, server, echo):
        """Sharing the port is for the workers of one server: a second server is told."""
        code, line, errors = self.run(echo, "--port", server.port)
        assert (code, line["error"]["code"], errors) == (3, "environment.port-in-use", b"")

    def test_a_broken_bundle(self, tmp_path):
        path = write(tmp_path, "echo", models.identity(), (4, 2))
        (path / "extra").write_text("x")
        code, line, errors = self.run(path, "--port", 0)
        assert (code, line["error"]["code"], errors) == (2, "bundle.digest-mismatch", b"")

    def test_one_is_killed_while_it_loads(self, tmp_path, echo):
        heavy = bundles.with_ballast(tmp_path, bundles.open_bundle(echo), 300 * 2**20)
        running = process.start(heavy.path, options=TWO)
        try:
            first = wait_until(lambda: children(running.pid))[0]
            time.sleep(0.1)
            os.kill(first, signal.SIGKILL)
            assert process.read_line(running)["ready"] is True
            assert len(children(running.pid)) == 2
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0
        finally:
            running.kill()
            running.communicate()

    def test_workers_that_never_come_up_end_the_start(self, tmp_path, echo):
        heavy = bundles.with_ballast(tmp_path, bundles.open_bundle(echo), 300 * 2**20)
        running = process.start(heavy.path, options=TWO)
        try:
            while running.poll() is None:
                for worker in children(running.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
                time.sleep(0.02)
            line = json.loads(running.stdout.read())
            assert (running.returncode, line["error"]["code"]) == (3, "worker.crashed")
            assert "SIGKILL" in line["error"]["message"]
        finally:
            running.kill()
            running.communicate()


class TestDeath:
    def test_under_load_every_request_is_answered(self, server):
        """MLServer#1431: a killed worker's requests hang for ever. LitServe PR#532: the dead count as healthy."""
        with Clients(server.port) as clients:
            for victim in children(server.process.pid):
                os.kill(victim, signal.SIGKILL)
                before = clients.statuses[200]
                wait_until(lambda before=before: clients.statuses[200] > before + 200)
                wait_until(lambda victim=victim: victim not in children(server.process.pid))
                wait_until_all_serve(server)
        assert clients.problems == []
        assert metric(server, "shipway_worker_deaths_total") == 2
        assert metric(server, "shipway_worker_refusals_total") == clients.statuses[503]

    def test_a_request_under_way_is_refused_and_may_be_sent_again(self, slow):
        with process.serving(slow, options=TWO) as server, Wire(server.port) as wire:
            wire.send(b"POST /v2/models/slow/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
            wait_until_read(server, wire)
            os.kill(worker_of(server, wire), signal.SIGKILL)
            answer = wire.read()
            assert is_refusal(answer)
            assert "Send it again" in answer.json["error"]
            assert wire.is_ended()
            with Wire(server.port) as again:
                assert ask(again, name="slow").status == 200
            assert server.stop() == 0

    def test_an_idle_connection_does_not_notice(self, server):
        with Wire(server.port) as wire:
            assert ask(wire, 1).status == 200
            wait_until_read(server, wire)
            os.kill(worker_of(server, wire), signal.SIGKILL)
            assert ask(wire, 2).json["outputs"][0]["data"] == [2, 2]
            # The one that took over knows where the connection stands, so that this holds again.
            wait_until_all_serve(server)
            os.kill(worker_of(server, wire), signal.SIGKILL)
            assert ask(wire, 3).json["outputs"][0]["data"] == [3, 3]

    def test_a_request_that_nobody_has_read_is_answered_by_another(self, server):
        """Stopped before it is killed: what comes in between stays with the kernel."""
        with Wire(server.port) as wire:
            assert ask(wire).status == 200
            worker = worker_of(server, wire)
            wait_until_read(server, wire)
            os.kill(worker, signal.SIGSTOP)
            wire.send(request_bytes("POST", INFER.format("echo"), infer_body("x", np.full((1, 2), 7))))
            time.sleep(0.05)
            os.kill(worker, signal.SIGKILL)
            assert wire.read().json["outputs"][0]["data"] == [7, 7]

    def test_a_client_that_still_sends_its_body_is_told(self, server):
        with Wire(server.port) as wire:
            body = bytes(40 * 2**20)
            head = request_bytes("POST", INFER.format("echo"), b"", {"Content-Type": "x"})
            wire.send(head.replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)))
            wire.send(body[: 2**20])
            os.kill(worker_of(server, wire), signal.SIGKILL)
            time.sleep(0.05)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                wire.send(body[2**20 :])
            assert is_refusal(wire.read())

    def test_an_answer_that_is_partly_sent_is_cut_and_nothing_put_into_it(self, server):
        with Wire(server.port) as wire:
            x = np.ones((2**21, 2), np.float32)
            wire.send(
                request_bytes(
                    "POST", INFER.format("echo"), x.tobytes(), {"Inference-Header-Content-Length": "0"}
                )
            )
            wire.socket.recv(1, socket.MSG_PEEK)  # the answer has begun
            time.sleep(0.2)
            os.kill(worker_of(server, wire), signal.SIGKILL)
            with pytest.raises((EOFError, ConnectionResetError)) as caught:
                wire.read()
            if caught.type is EOFError:
                assert b"503" not in caught.value.args[0][:200]
                assert b"HTTP/1.1 503" not in caught.value.args[0]

    def test_pipelined_requests_get_one_refusal(self, slow):
        one_by_one = {"SHIPWAY_SERVER_BATCHING": "false"}
        with process.serving(slow, options=TWO, environment=one_by_one) as server, Wire(server.port) as wire:
            wire.send(request_bytes("POST", INFER.format("slow"), infer_body("x", np.ones((1, 2)))) * 6)
            assert wire.read().status == 200
            os.kill(worker_of(server, wire), signal.SIGKILL)
            statuses = []
            with contextlib.suppress(EOFError):
                while True:
                    statuses.append(wire.read().status)
            assert statuses[-1] == 503
            assert set(statuses[:-1]) <= {200}
            assert server.stop() == 0

    def test_one_that_keeps_dying_is_started_less_and_less_often(self, server):
        """While none is up, whoever connects is told so instead of waiting."""
        died = Counter()
        deadline = time.monotonic() + 60
        refused = None
        while refused is None and time.monotonic() < deadline:
            for worker in children(server.process.pid):
                died["workers"] += 1
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            if died["workers"] >= 10:
                with Wire(server.port) as wire:
                    refused = ask(wire)
            time.sleep(0.02)
        assert is_refusal(refused)
        assert "No worker process is up" in refused.json["error"]

        def is_served():
            with Wire(server.port) as wire:
                return ask(wire).status == 200

        wait_until(is_served)
        assert server.stop() == 0
        delays = [
            float(text) for text in re.findall(r"worker 0 is started again in ([\d.]+) s", log_of(server))
        ]
        assert delays[:3] == [0.5, 1, 2]

    def test_a_hung_worker_is_replaced(self, echo):
        with process.serving(
            echo, options=TWO, environment={"SHIPWAY_SERVER_WORKER_HANG_SECONDS": "2"}
        ) as server:
            with Wire(server.port) as wire:
                assert ask(wire).status == 200
                worker = worker_of(server, wire)
                wait_until_read(server, wire)
                os.kill(worker, signal.SIGSTOP)
                assert ask(wire, 5).json["outputs"][0]["data"] == [5, 5]
                assert not is_alive(worker)
            wait_until(lambda: len(children(server.process.pid)) == 2)
            assert server.stop() == 0
            assert "worker_hang_seconds (2 s)" in log_of(server)

    def test_a_worker_that_is_told_to_end_drains_and_is_replaced(self, server):
        with Wire(server.port) as wire:
            assert ask(wire).status == 200
            worker = worker_of(server, wire)
            os.kill(worker, signal.SIGTERM)
            wait_until(lambda: worker not in children(server.process.pid))
            wait_until(lambda: len(children(server.process.pid)) == 2)
        with Wire(server.port) as wire:
            assert ask(wire).status == 200


class TestEnd:
    @pytest.mark.parametrize("name", ["echo", "slow"])
    def test_nothing_that_was_accepted_is_lost(self, request, name):
        """triton#6230, kserve#4115: requests lost while a server ends."""
        with process.serving(request.getfixturevalue(name), options=TWO) as server:
            ids = children(server.process.pid)
            with Clients(server.port, count=16, name=name) as clients:
                assert server.stop() == 0
            assert is_calm(server.process.stderr.read())
        assert clients.problems == []
        assert clients.statuses.keys() == {200}
        assert clients.refused_connections == 16
        assert not any(map(is_alive, ids))

    @pytest.mark.parametrize("options", [(), TWO])
    def test_what_arrives_together_while_it_drains_is_answered_whole(self, echo, options):
        """An answer says that it is the last one only where nothing waits behind it."""
        environment = {"SHIPWAY_SERVER_DRAIN_IDLE_SECONDS": "1"}
        with process.serving(echo, options=options, environment=environment) as server:
            with Wire(server.port) as wire:
                assert ask(wire).status == 200
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.4)
                wire.send(request_bytes("GET", "/v2") * 50)
                assert [wire.read().status for _ in range(50)] == [200] * 50
            assert server.process.wait(20) == 0

    def test_ctrl_c_in_a_terminal_reaches_every_process(self, echo):
        running = subprocess.Popen(
            [sys.executable, "-m", "shipway.server", str(echo), "--port", "0", *TWO],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        port = int(process.read_line(running)["url"].rpartition(":")[2])
        with Wire(port) as wire:
            assert ask(wire).status == 200
            os.killpg(running.pid, signal.SIGINT)
            assert running.wait(20) == 0
        assert is_calm(running.communicate()[1])

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_ends_at_once(self, server, number):
        ids = children(server.process.pid)
        with Wire(server.port) as wire:
            wire.send(b"POST /v2/models/echo/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
            server.process.send_signal(number)
            time.sleep(0.3)
            assert server.process.poll() is None
            started = time.monotonic()
            assert server.stop(number) == (-number if number == signal.SIGTERM else 130)
            assert time.monotonic() - started < 2
        assert not any(map(is_alive, ids))

    def test_a_client_that_never_ends_does_not_hold_it(self, echo):
        environment = {"SHIPWAY_SERVER_DRAIN_SECONDS": "0.5"}
        running = process.serving(echo, options=TWO, environment=environment)
        with running as server, Wire(server.port) as wire:
            wire.send(b"POST /v2/models/echo/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
            assert worker_of(server, wire)
            assert server.stop() == 3

    def test_a_killed_supervisor_leaves_nobody(self, slow):
        """And what its workers had accepted is answered all the same."""
        with process.serving(slow, options=TWO) as server, Wire(server.port) as wire:
            ids = children(server.process.pid)
            wire.send(request_bytes("POST", INFER.format("slow"), infer_body("x", np.ones((1, 2)))))
            worker_of(server, wire)
            server.process.kill()
            assert wire.read().status == 200
            wait_until(lambda: not any(map(is_alive, ids)))

    @pytest.mark.parametrize("options", [(), TWO])
    def test_it_is_unready_for_a_while_before_it_stops_accepting(self, echo, options):
        """kserve#3360: a load balancer sends requests until it has noticed."""
        environment = {"SHIPWAY_SERVER_DRAIN_WAIT_SECONDS": "1.5"}
        with process.serving(echo, options=options, environment=environment) as server:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with Wire(server.port) as wire:
                assert wire.request("GET", "/v2/health/ready").status == 503
                answer = ask(wire)
                assert (answer.status, "connection" in answer.headers) == (200, False)
            assert server.process.wait(20) == 0
