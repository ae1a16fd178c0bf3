"""ONNX Runtime behind its seam: element types, refusals that name their cause, and no telemetry."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from served import models
from shipway.errors import SessionLoadError, SessionRunError
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.types import DType


def open_model(folder, made, **options):
    path = folder / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return OnnxRuntime().open(path, options)


def test_signature_names_free_dimensions(tmp_path):
    signature = open_model(tmp_path, models.mlp()).signature
    assert signature.inputs[0].shape == ("batch", 4)
    assert signature.outputs[0].dtype is DType.FP32
    assert signature.batch_axis == "batch"


def test_a_nameless_free_dimension_gets_a_name(tmp_path):
    signature = open_model(tmp_path, models.identity(shape=(None, 2))).signature
    assert signature.inputs[0].shape == ("x_dim_0", 2)


@pytest.mark.parametrize(
    ("element_type", "values"),
    [
        (TensorProto.BOOL, np.array([[True, False]])),
        (TensorProto.UINT8, np.array([[0, 255]], np.uint8)),
        (TensorProto.INT64, np.array([[-(2**63), 2**63 - 1]])),
        (TensorProto.UINT64, np.array([[0, 2**64 - 1]], np.uint64)),
        (TensorProto.FLOAT16, np.array([[0.5, 65504]], np.float16)),
        (TensorProto.DOUBLE, np.array([[1e-300, np.inf]])),
    ],
)
def test_every_kind_of_element_comes_through(tmp_path, element_type, values):
    found = open_model(tmp_path, models.identity(element_type)).run({"x": values})["y"]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("given", [["a", "ü€"], [b"a", "ü€".encode()]])
def test_strings_and_their_bytes_are_the_same_text(tmp_path, given):
    session = open_model(tmp_path, models.identity(TensorProto.STRING))
    assert session.run({"x": np.array([given], dtype=object)})["y"].tolist() == [["a", "ü€"]]


def test_bytes_that_are_no_text_are_refused_by_element(tmp_path):
    session = open_model(tmp_path, models.identity(TensorProto.STRING))
    with pytest.raises(SessionRunError, match="element 1 is not UTF-8"):
        session.run({"x": np.array([[b"a", b"\xff"]], dtype=object)})


def test_a_scalar_and_an_empty_batch(tmp_path):
    scalar = open_model(tmp_path, models.identity(shape=()))
    assert scalar.run({"x": np.array(2, np.float32)})["y"] == 2
    assert open_model(tmp_path, models.mlp()).run({"x": np.zeros((0, 4), np.float32)})["y"].shape == (0, 3)


def test_a_failing_run_says_what_it_was_given(tmp_path):
    session = open_model(tmp_path, models.lookup())
    with pytest.raises(SessionRunError, match=r"int64\[1, 1\].*out of data bounds"):
        session.run({"x": np.array([[99]])})
    assert session.run({"x": np.array([[3]])})["y"] == 3


@pytest.mark.parametrize(
    "inputs",
    [{}, {"z": np.zeros((1, 4), np.float32)}, {"x": np.zeros((1, 4))}, {"x": np.zeros((1, 5), np.float32)}],
)
def test_wrong_inputs_are_our_error(tmp_path, inputs):
    with pytest.raises(SessionRunError):
        open_model(tmp_path, models.mlp()).run(inputs)


def test_a_closed_session_refuses(tmp_path):
    session = open_model(tmp_path, models.mlp())
    session.close()
    with pytest.raises(SessionRunError, match="closed"):
        session.run({"x": np.zeros((1, 4), np.float32)})


def changed(made, change):
    change(made)
    return made


REFUSED = {
    "unknown operator": (
        lambda m: setattr(m.graph.node[0], "op_type", "Frobnicate"),
        "operator Frobnicate",
    ),
    "custom operator": (
        lambda m: (
            setattr(m.graph.node[0], "domain", "acme.ops"),
            m.opset_import.add(domain="acme.ops", version=1),
        ),
        "custom operator acme.ops:Identity",
    ),
    "IR version": (lambda m: setattr(m, "ir_version", 99), r"IR version is 99, .* up to \d+"),
    "opset": (lambda m: setattr(m.opset_import[0], "version", 99), r"opset is 99, .* ai.onnx up to \d+"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_its_cause(tmp_path, case):
    change, expected = REFUSED[case]
    with pytest.raises(SessionLoadError, match=expected) as caught:
        open_model(tmp_path, changed(models.identity(), change))
    assert caught.value.hint


def test_text_is_not_a_model(tmp_path):
    with pytest.raises(SessionLoadError, match="not an ONNX file"):
        open_model(tmp_path, b"this is a text file, whatever its name says")


def test_a_truncated_model(tmp_path):
    with pytest.raises(SessionLoadError):
        open_model(tmp_path, models.mlp().SerializeToString()[:200])


def test_a_missing_file(tmp_path):
    with pytest.raises(SessionLoadError, match="does not exist"):
        OnnxRuntime().open(tmp_path / "none.onnx", {})


def save_external(folder):
    path = folder / "model.onnx"
    onnx.save_model(
        models.cnn(), path, save_as_external_data=True, location="model.onnx.data", size_threshold=0
    )
    return path


def test_mapped_weights_answer_alike(tmp_path):
    path = save_external(tmp_path)
    x = np.random.default_rng(0).normal(size=(2, 1, 28, 28)).astype(np.float32)
    mapped = OnnxRuntime().open(path, {"mapped_weights": True}).run({"x": x})["y"]
    np.testing.assert_allclose(mapped, OnnxRuntime().open(path, {}).run({"x": x})["y"], rtol=1e-5)


def test_missing_weights_are_named(tmp_path):
    path = save_external(tmp_path)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(SessionLoadError, match=r"model\.onnx\.data is missing"):
        OnnxRuntime().open(path, {})


@pytest.mark.parametrize(
    "options",
    [{"turbo": True}, {"graph_optimization": "most"}, {"intra_op_threads": "2"}, {"intra_op_threads": -1}],
)
def test_options_are_checked(tmp_path, options):
    with pytest.raises(SessionLoadError):
        open_model(tmp_path, models.mlp(), **options)


def test_without_optimization_it_answers_alike(tmp_path):
    x = np.ones((1, 4), np.float32)
    plain = open_model(tmp_path, models.mlp(), graph_optimization="disabled", intra_op_threads=1).run(
        {"x": x}
    )["y"]
    np.testing.assert_allclose(plain, open_model(tmp_path, models.mlp()).run({"x": x})["y"], rtol=1e-5)


def test_tensors_only(tmp_path):
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [None])
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [sequence],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(SessionLoadError, match="'y' is seq"):
        open_model(tmp_path, made)


def test_every_error_of_the_library_is_foreign():
    from onnxruntime.capi import onnxruntime_pybind11_state as binding

    from shipway.runtimes.onnx_runtime import foreign_errors

    own = [
        item for item in vars(binding).values() if isinstance(item, type) and issubclass(item, BaseException)
    ]
    assert len(own) >= 10
    assert all(issubclass(item, foreign_errors()) for item in own)


def test_no_file_appears_in_the_home_directory(tmp_path):
    """onnxruntime 1.32 writes ~/.cache/Microsoft unless its telemetry is off before the import."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "model.onnx").write_bytes(models.mlp().SerializeToString())
    code = (
        "import sys, pathlib, numpy as np\n"
        "from shipway.runtimes.onnx_runtime import OnnxRuntime\n"
        "session = OnnxRuntime().open(pathlib.Path(sys.argv[1]), {})\n"
        "print(session.run({'x': np.ones((1, 4), np.float32)})['y'].shape)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.onnx")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "(1, 3)\n", "")
    assert list(home.rglob("*")) == []
