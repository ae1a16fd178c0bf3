"""A tapped model gives every float value in the order of computation, and answers as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipway.errors import SourceDamagedError
from shipway.graph.tapping import TAPPED_NAME, tap_graph
from shipway.graph.weights import WEIGHTS_NAME, store_model


def model(path: Path, *, size: int = 8, shuffled: bool = False) -> Path:
    """Two layers, a shape computation in whole numbers, a branch, and a node without a name."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((size, size)).astype(np.float32), "W"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    info = helper.make_tensor_value_info
    inner = helper.make_graph(
        [helper.make_node("Neg", ["r"], ["inside"])], "then", [], [info("inside", TensorProto.FLOAT, None)]
    )
    other = helper.make_graph(
        [helper.make_node("Abs", ["r"], ["outside"])], "else", [], [info("outside", TensorProto.FLOAT, None)]
    )
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Shape", ["r"], ["s"], name="shape"),
        helper.make_node("If", ["yes"], ["b"], name="branch", then_branch=inner, else_branch=other),
        helper.make_node("Reshape", ["b", "s"], ["v"], name="view"),
        helper.make_node("MatMul", ["v", "W"], ["y"], name="second"),
    ]
    if shuffled:
        nodes = nodes[::-1]
    graph = helper.make_graph(
        nodes,
        "tapped",
        [info("x", TensorProto.FLOAT, ["n", size])],
        [info("y", TensorProto.FLOAT, ["n", size])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def run(path: Path, size: int = 8) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    x = np.random.default_rng(1).standard_normal((3, size)).astype(np.float32)
    return dict(zip(names, session.run(names, {"x": x}), strict=True))


@pytest.mark.parametrize("shuffled", [False, True])
def test_every_float_value_is_an_output_in_order(tmp_path: Path, shuffled: bool) -> None:
    path = model(tmp_path / "model.onnx", shuffled=shuffled)
    taps = tap_graph(path, tmp_path)
    assert [tap.output for tap in taps] == ["h", "r", "b", "v", "y"]
    assert [tap.node for tap in taps] == ["first", "r", "branch", "view", "second"]
    assert [tap.op for tap in taps] == ["MatMul", "Relu", "If", "Reshape", "MatMul"]
    assert taps[0].inputs == ("x", "W")
    found = run(tmp_path / TAPPED_NAME)
    assert set(found) == {"h", "r", "b", "v", "y"}
    np.testing.assert_array_equal(found["r"], np.maximum(found["h"], 0))
    np.testing.assert_array_equal(found["b"], -found["r"])
    if not shuffled:
        np.testing.assert_allclose(found["y"], run(path)["y"], rtol=1e-6)


def test_chosen_values_only(tmp_path: Path) -> None:
    taps = tap_graph(model(tmp_path / "model.onnx"), tmp_path, only=["r", "unknown"])
    assert [tap.output for tap in taps] == ["r"]
    assert set(run(tmp_path / TAPPED_NAME)) == {"y", "r"}


def test_views_are_left_out_before_what_has_weights(tmp_path: Path) -> None:
    path = model(tmp_path / "model.onnx")
    one = 4 * 8 * 4  # of four rows
    kept = [
        [tap.output for tap in tap_graph(path, tmp_path, rows=4, limit_bytes=count * one)]
        for count in range(5)
    ]
    assert kept == [[], ["h"], ["h", "y"], ["h", "r", "y"], ["h", "r", "b", "y"]]
    assert len(tap_graph(path, tmp_path, rows=4, limit_bytes=5 * one)) == 5


def test_a_graph_is_cut_behind_a_value(tmp_path: Path) -> None:
    path = model(tmp_path / "model.onnx")
    taps = tap_graph(path, tmp_path, until="b")
    assert [tap.output for tap in taps] == ["h", "r", "b"]
    assert set(run(tmp_path / TAPPED_NAME)) == {"h", "r", "b"}
    with pytest.raises(ValueError, match="'nothing' is no value"):
        tap_graph(path, tmp_path, until="nothing")


def test_weights_outside_are_linked_and_not_copied_into_the_graph(tmp_path: Path) -> None:
    stored, into = tmp_path / "stored", tmp_path / "tapped"
    stored.mkdir()
    into.mkdir()
    store_model(model(tmp_path / "model.onnx", size=600), stored)
    assert (stored / WEIGHTS_NAME).is_file()
    tap_graph(stored / "model.onnx", into)
    assert (into / TAPPED_NAME).stat().st_size < 10_000
    assert (into / WEIGHTS_NAME).samefile(stored / WEIGHTS_NAME)
    np.testing.assert_allclose(
        run(into / TAPPED_NAME, 600)["y"], run(stored / "model.onnx", 600)["y"], rtol=1e-4, atol=1e-3
    )


def test_weights_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    path = model(tmp_path / "model.onnx", size=600)
    store_model(path, tmp_path)
    inside = tmp_path / "inside"
    inside.mkdir()
    changed = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    for entry in changed.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = f"../{WEIGHTS_NAME}"
    (inside / "model.onnx").write_bytes(changed.SerializeToString())
    with pytest.raises(SourceDamagedError, match="outside"):
        tap_graph(inside / "model.onnx", tmp_path)
