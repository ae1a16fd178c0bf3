"""Hostile ONNX files: weights from elsewhere, graphs without an end, answers without bound, damaged bytes.

Each costs at most its limits, and its error names the finding.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from served import models
from shipway.errors import (
    ShipwayError,
    SourceDamagedError,
    SourceError,
    WorkerMemoryError,
    WorkerTimeoutError,
)
from shipway.sources.base import Limits
from shipway.sources.detect import open_source

INT64, FLOAT, BOOL = TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL
ROWS = {"x": np.ones((2, 4), np.float32)}


def saved(folder: Path, model: ModelProto) -> Path:
    onnx.save(model, folder / "hostile.onnx")
    return folder / "hostile.onnx"


def graph_of(nodes: list, initializers: list) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def endless() -> ModelProto:
    """A loop of 2⁶² rounds whose condition stays true."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Mul", ["carried", "carried"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("carried", FLOAT, ["batch", 4]),
        ],
        [
            helper.make_tensor_value_info("go_on", BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, ["batch", 4]),
        ],
    )
    rounds = numpy_helper.from_array(np.array(2**62), "rounds")
    begin = numpy_helper.from_array(np.array(True), "begin")
    return graph_of([helper.make_node("Loop", ["rounds", "begin", "x"], ["y"], body=body)], [rounds, begin])


def boundless() -> ModelProto:
    """Two hundred bytes of file that ask for 3 GB; above 4 ONNX Runtime refuses by itself."""
    repeats = numpy_helper.from_array(np.array([1, 100_000_000]), "repeats")
    return graph_of([helper.make_node("Tile", ["x", "repeats"], ["y"])], [repeats])


def ask(path: Path, folder: Path, **limits: float) -> None:
    scratch = folder / "scratch"
    scratch.mkdir()
    try:
        with closing(open_source(path, limits=Limits(scratch=scratch, **limits))) as source:
            source.reference({"only": ROWS}, lambda _: None)
    finally:
        assert list(scratch.iterdir()) == []


@pytest.mark.framework
def test_a_graph_that_never_ends_is_stopped_at_its_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(WorkerTimeoutError, match="did not finish within 6 s") as caught:
        ask(saved(tmp_path, endless()), tmp_path, timeout_seconds=6)
    assert time.monotonic() - began < 30
    assert "--timeout" in caught.value.hint


@pytest.mark.framework
def test_an_answer_without_bound_is_stopped_before_the_memory_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ShipwayError) as caught:
        ask(saved(tmp_path, boundless()), tmp_path, timeout_seconds=60, memory_bytes=10**9)
    assert isinstance(caught.value, WorkerMemoryError) or "alloc" in caught.value.message.lower()


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "sub/../../secret.bin"])
def test_weights_from_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    inside = tmp_path / "model"
    inside.mkdir()
    model = models.mlp()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (inside / "hostile.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceDamagedError, match="outside the model's folder") as caught:
        open_source(inside / "hostile.onnx").describe()
    assert tensor.name in caught.value.message


def test_a_link_to_weights_outside_is_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    inside = tmp_path / "model"
    inside.mkdir()
    (inside / "weights.bin").symlink_to(tmp_path / "secret.bin")
    model = models.mlp()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    (inside / "hostile.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceDamagedError, match="outside the model's folder"):
        open_source(inside / "hostile.onnx").describe()


def test_weights_that_claim_more_than_the_file_has(tmp_path: Path) -> None:
    model = models.mlp()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(2**50))):
        tensor.external_data.add(key=key, value=value)
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    path = tmp_path / "hostile.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SourceDamagedError, match=r"which has 64"):
        open_source(path).describe()


def test_changed_bytes_are_our_errors_or_a_model(tmp_path: Path) -> None:
    """300 files with up to eight bytes changed, cut or repeated: described, or refused in words of ours."""
    whole = models.mlp().SerializeToString()
    random = np.random.default_rng(0)
    refused = 0
    for number in range(300):
        content = bytearray(whole)
        for _ in range(random.integers(1, 9)):
            content[random.integers(len(content))] = random.integers(256)
        if number % 3 == 0:
            del content[random.integers(len(content)) :]
        path = tmp_path / "mutant.onnx"
        path.write_bytes(bytes(content) or b"\0")
        try:
            with closing(open_source(path)) as source:
                source.describe()
        except SourceError:
            refused += 1
    assert refused > 100
