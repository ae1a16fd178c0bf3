"""Fifty reloads of a 100 MB model while it is asked: the memory of what was replaced comes back.

triton#4528 and tensorflow/serving#1664: servers that grew with every reload until they were killed.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper

from served import bundles, models
from served.process import ServerProcess, serving
from served.wire import Wire, infer_body

WIDTH, COLUMNS = 250, 100_000
MODEL_BYTES = WIDTH * COLUMNS * 4
X = np.ones((1, WIDTH), dtype=np.float32)


def write(folder: Path, factor: int) -> Path:
    """y = factor × the sum of x, in 100,000 columns: 100 MB of weights, in the file, so not mapped."""
    folder.mkdir()
    made = models.model(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("ReduceMax", ["h"], ["y"], axes=[1]),
        ],
        [("x", TensorProto.FLOAT, ["batch", WIDTH])],
        [("y", TensorProto.FLOAT, ["batch", 1])],
        weights=[("w", np.full((WIDTH, COLUMNS), factor, dtype=np.float32))],
    )
    golden = bundles.golden_of(
        made, {"x": X}, outputs={"y": np.full((1, 1), factor * WIDTH, dtype=np.float32)}
    )
    return bundles.write_bundle(folder, made, golden, name="large").path


class Client(threading.Thread):
    """Asks again and again; every answer must be that of one of the two models."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self.is_over = False
        self.answers: list[float] = []
        self.problem = ""

    def run(self) -> None:
        with Wire(self._port) as wire:
            while not self.is_over:
                answer = wire.request("POST", "/v2/models/large/infer", infer_body("x", X))
                if answer.status != 200:
                    self.problem = f"{answer.status} {answer.body!r}"
                    return
                self.answers.append(answer.json["outputs"][0]["data"][0])
                time.sleep(0.01)  # beside a reload, not against it


def reload(management: Wire) -> None:
    answer = management.request("POST", "/v2/repository/models/large/load", {})
    assert answer.status == 200, answer.body


def swap(served: Path, waiting: Path) -> None:
    """The other bundle takes the served one's place in the repository folder."""
    aside = waiting.with_suffix(".aside")
    served.rename(aside)
    waiting.rename(served)
    aside.rename(waiting)


@pytest.mark.parametrize(
    ("reloads", "growth"),
    [
        # What threads have freed comes back a little later on a machine that runs other tests beside; a model
        # that stays would be half as much again.
        (12, 1.25),
        pytest.param(50, 1.1, marks=pytest.mark.heavy),
    ],
)
def test_reloads_of_a_large_model(tmp_path: Path, reloads: int, growth: float) -> None:
    repository = tmp_path / "repository"
    served = write(repository, 1)
    waiting = write(tmp_path / "waiting", 2)
    with serving(repository, environment={"SHIPWAY_SERVER_MANAGEMENT_PORT": "0"}) as server:
        client = Client(server.port)
        client.start()
        try:
            first, last = reload_often(server, served, waiting, reloads)
        finally:
            client.is_over = True
            client.join(30)
        assert server.stop() == 0
    assert client.problem == ""
    assert set(client.answers) == {WIDTH, 2 * WIDTH}
    assert first > MODEL_BYTES
    assert last <= growth * first


def reload_often(server: ServerProcess, served: Path, waiting: Path, count: int) -> tuple[int, int]:
    """The process's memory after the first reload, and after the last."""
    process = psutil.Process(server.process.pid)
    sizes = []
    with Wire(int(server.report["management"].rpartition(":")[2])) as management:
        for number in range(count):
            swap(served, waiting)
            reload(management)
            if number in (0, count - 1):
                sizes.append(settled_bytes(process))
    return sizes[0], sizes[1]


def settled_bytes(process: psutil.Process) -> int:
    """Its memory once what was replaced has answered its last requests and left."""
    sizes = []
    for _ in range(40):
        sizes.append(process.memory_info().rss)
        time.sleep(0.05)
    return min(sizes)
