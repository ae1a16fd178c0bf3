"""ONNX files: recognized by content, described without weights, stored with weights outside and aligned."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.graph.read import precision_of, read_graph, read_signature, summarize
from shipway.graph.weights import ALIGNMENT, WEIGHTS_NAME, store_model
from shipway.graph.wire import outline
from shipway.types import DType


def linear(path: Path, size: int = 8, *, batch: object = "n", typed: bool = False) -> Path:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((size, size)).astype(np.float32)
    weights = [
        helper.make_tensor("W", TensorProto.FLOAT, matrix.shape, matrix.ravel())
        if typed
        else numpy_helper.from_array(matrix, "W"),
        numpy_helper.from_array(rng.standard_normal(size).astype(np.float32), "b"),
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["h"]), helper.make_node("Add", ["h", "b"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, size])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def run(path: Path, size: int = 8) -> np.ndarray:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.ones((2, size), np.float32)})[0]


def test_an_onnx_file_is_told_by_its_content(tmp_path: Path) -> None:
    path = linear(tmp_path / "model.dat")
    assert outline(path).is_onnx
    assert outline(path).is_whole


@pytest.mark.parametrize(
    "content",
    [b"hello, this is text", b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x04K\x01.", bytes(100)],
)
def test_other_files_are_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert not outline(path).is_onnx


@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, part: float) -> None:
    whole = linear(tmp_path / "model.onnx", 64)
    data = whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * part)])
    assert outline(whole).is_onnx
    with pytest.raises(SourceDamagedError, match="cut off"):
        read_graph(whole)


def test_the_signature_has_names_dtypes_and_a_batch(tmp_path: Path) -> None:
    signature = read_signature(read_graph(linear(tmp_path / "m.onnx")))
    assert [(s.name, s.dtype, s.shape) for s in signature.inputs] == [("x", DType.FP32, ("batch", 8))]
    assert signature.batch_axis == "batch"
    fixed = read_signature(read_graph(linear(tmp_path / "f.onnx", batch=1)))
    assert fixed.inputs[0].shape == (1, 8)
    assert fixed.batch_axis is None


def test_an_output_without_a_shape_is_inferred(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, path)
    assert read_signature(read_graph(path)).outputs[0].shape == ("batch", 8)


def test_a_sequence_output_is_refused_by_name(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None))
    onnx.save(model, path)
    with pytest.raises(SourceUnsupportedError, match="'y'"):
        read_signature(read_graph(path))


def test_small_weights_stay_inside(tmp_path: Path) -> None:
    source = linear(tmp_path / "m.onnx")
    into = tmp_path / "out"
    into.mkdir()
    stored = store_model(source, into)
    assert stored.weights_outside_bytes == 0
    assert [item.name for item in into.iterdir()] == ["model.onnx"]
    assert (run(stored.model) == run(source)).all()


@pytest.mark.parametrize("typed", [False, True])
def test_large_weights_lie_outside_and_aligned(tmp_path: Path, typed: bool) -> None:
    source = linear(tmp_path / "m.onnx", 600, typed=typed)
    into = tmp_path / "out"
    into.mkdir()
    stored = store_model(source, into)
    assert stored.weights_outside_bytes == 600 * 600 * 4 + 600 * 4
    assert stored.model.stat().st_size < 2000
    for tensor in onnx.load(stored.model, load_external_data=False).graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        assert place["location"] == WEIGHTS_NAME
        assert int(place["offset"]) % ALIGNMENT == 0
    assert (run(stored.model, 600) == run(source, 600)).all()


def test_weights_that_lie_outside_already_are_moved_or_brought_in(tmp_path: Path) -> None:
    for size in (8, 600):
        inside = linear(tmp_path / f"{size}.onnx", size)
        folder, into = tmp_path / f"ext{size}", tmp_path / f"out{size}"
        folder.mkdir()
        into.mkdir()
        onnx.save(
            onnx.load(inside),
            folder / "m.onnx",
            save_as_external_data=True,
            location="data",
            size_threshold=0,
        )
        stored = store_model(folder / "m.onnx", into)
        assert (run(stored.model, size) == run(inside, size)).all()
        assert summarize(read_graph(folder / "m.onnx"), folder / "m.onnx")["external_data"] == ["data"]


@pytest.mark.parametrize(
    ("location", "message"), [("../secret", "outside"), ("/etc/passwd", "outside"), ("gone", "missing")]
)
def test_external_data_elsewhere_is_refused(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(10_000))
    folder = tmp_path / "model"
    folder.mkdir()
    path = linear(folder / "m.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location=location, offset=0, length=256)
    tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SourceDamagedError, match=message):
        read_graph(path)


def test_external_data_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="data", size_threshold=0)
    (tmp_path / "data").write_bytes(bytes(10))
    with pytest.raises(SourceDamagedError, match="which has 10"):
        read_graph(path)


@pytest.mark.parametrize(
    ("kind", "precision"),
    [(TensorProto.FLOAT, "fp32"), (TensorProto.FLOAT16, "fp16"), (TensorProto.DOUBLE, "fp64")],
)
def test_the_precision_is_that_of_the_weights(kind: int, precision: str) -> None:
    weights = helper.make_tensor("w", kind, [2, 2], [1.0, 2.0, 3.0, 4.0])
    few = numpy_helper.from_array(np.ones(1, np.float32), "few")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [], [], [weights, few])
    assert precision_of(helper.make_model(graph)) == precision


def test_a_graph_with_quantized_operators_is_int8_and_one_without_weights_fp32() -> None:
    node = helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["y"])
    assert precision_of(helper.make_model(helper.make_graph([node], "g", [], []))) == "int8"
    assert precision_of(helper.make_model(helper.make_graph([], "g", [], []))) == "fp32"
