"""Keras models from file to ONNX with the real frameworks: names, free axes, precision, refusals."""

import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from shipway.errors import (
    DataMismatchError,
    ExportError,
    MissingDependencyError,
    SourceDamagedError,
    SourceUnsupportedError,
)
from shipway.sources.base import Hints, Limits
from shipway.sources.formats.keras import KerasFormat
from shipway.sources.routes import find_ways
from shipway.types import DType, TensorSpec

pytestmark = pytest.mark.framework


def tokens(rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(length).integers(0, 50, (rows, length)).astype(np.int32)


@pytest.fixture
def open_model(keras_models, tmp_path):
    opened = []

    def open_model(name: str, **more):
        limits = Limits(timeout_seconds=120, scratch=tmp_path)
        opened.append(
            KerasFormat.open(
                keras_models / f"{name}.keras", python=more.get("python"), limits=limits, hints=Hints()
            )
        )
        return opened[-1]

    yield open_model
    for source in opened:
        source.close()
    assert [path for path in tmp_path.iterdir() if path.name.startswith("shipway-")] == []


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def silent(text: str) -> None:
    assert text


def convert(source, way: str, into: Path, samples):
    (found,) = [candidate for candidate in source.ways("onnx") if candidate.name == way]
    return source.convert(found.edges[0], into, samples=samples, progress=silent).model


def run_onnx(model: Path, inputs):
    session = onnxruntime.InferenceSession(str(model))
    return dict(zip([out.name for out in session.get_outputs()], session.run(None, inputs), strict=True))


def assert_same(model: Path, cases, reference):
    for case, inputs in cases.items():
        for name, array in run_onnx(model, inputs).items():
            np.testing.assert_allclose(
                array, reference.outputs[case][name], rtol=1e-4, atol=1e-6, err_msg=case
            )


def test_two_outputs_of_one_shape_keep_their_names(open_model, into):
    source = open_model("two_in_two_out")
    rng = np.random.default_rng(1)
    cases = {"data": {name: rng.normal(size=(9, 4)).astype(np.float32) for name in ("left", "right")}}
    found = source.reference(cases, silent)
    assert [spec.name for spec in found.signature.outputs] == ["first", "second"]
    assert not np.allclose(found.outputs["data"]["first"], found.outputs["data"]["second"])
    assert_same(convert(source, "tensorflow/tf2onnx-function", into, cases["data"]), cases, found)


def test_inputs_may_be_given_in_any_order(open_model):
    source = open_model("two_in_two_out")
    rng = np.random.default_rng(1)
    left, right = (rng.normal(size=(3, 4)).astype(np.float32) for _ in range(2))
    found = source.reference(
        {"a": {"left": left, "right": right}, "b": {"right": right, "left": left}}, silent
    )
    np.testing.assert_array_equal(found.outputs["a"]["first"], found.outputs["b"]["first"])


@pytest.mark.parametrize("way", ["tensorflow/tf2onnx-function", "tensorflow/keras-export", "torch/dynamo"])
def test_a_model_by_dicts(open_model, into, way):
    source = open_model("named_by_dict")
    rng = np.random.default_rng(2)
    data = {
        "wide": rng.normal(size=(5, 3)).astype(np.float32),
        "long": rng.normal(size=(5, 2)).astype(np.float32),
    }
    found = source.reference({"data": data}, silent)
    assert source.describe().inputs == found.signature.inputs
    assert [spec.name for spec in found.signature.inputs] == ["long", "wide"]
    assert {spec.name for spec in found.signature.outputs} == {"zebra", "apple"}
    assert_same(convert(source, way, into, data), {"data": data}, found)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_free_lengths_stay_free(open_model, into, name):
    source = open_model(name)
    told = source.describe()
    assert told.signature is None
    assert told.inputs == (TensorSpec("tokens", DType.INT32, ("batch", "tokens_1")),)
    assert told.value_ranges == {"tokens": (0.0, 49.0)}
    cases = {f"length {n}": {"tokens": tokens(3, n)} for n in (1, 2, 9, 33)}
    found = source.reference(cases, silent)
    assert source.describe().signature == found.signature
    model = convert(source, "tensorflow/tf2onnx-function", into, cases["length 9"])
    assert_same(model, cases, found)
    assert "Erfc" not in {node.op_type for node in onnx.load(model).graph.node}


def test_an_outputs_axis_is_named_after_the_inputs_axis_that_it_follows(open_model):
    signature = open_model("tagger").learn_signature(silent)
    assert signature.outputs == (TensorSpec("tags", DType.FP32, ("batch", "tokens_1", 4)),)


def test_float64_is_more_exact_than_the_models_own_precision(open_model):
    """Against plain numpy in float64, from the same weights."""
    source = open_model("two_in_two_out")
    inputs = {
        name: np.random.default_rng(3).normal(size=(40, 4)).astype(np.float32) for name in ("left", "right")
    }
    found = source.reference({"data": inputs}, silent)
    precise = found.precise["data"]["first"]
    assert precise.shape == (16, 3)
    assert precise.dtype == np.float64
    error = np.abs(precise - found.outputs["data"]["first"][:16]).max()
    assert 0 < error < 1e-6
    assert found.repeated["data"]["first"].shape == (8, 3)


def test_mixed_precision_is_measured_against_float64_too(open_model):
    """Its noise is float16's: judged by float32's, a sound conversion would fail."""
    source = open_model("half_precision")
    rows = np.random.default_rng(0).random((16, 6), np.float32)
    found = source.reference({"data": {"row": rows}}, silent)
    (name,) = found.outputs["data"]
    distance = np.abs(found.outputs["data"][name] - found.precise["data"][name]).max()
    assert found.precise["data"][name].dtype == np.float64
    assert 1e-5 < distance < 1e-2


def test_the_torch_exporter_is_refused_where_it_would_fix_the_length(open_model, into):
    source = open_model("lstm")
    with pytest.raises(ExportError, match="Axis 1 of tokens is free in the model"):
        convert(source, "torch/dynamo", into, {"tokens": tokens(2, 7)})
    assert list(into.iterdir()) == []


def test_a_constant_that_no_layer_holds_becomes_a_weight(open_model, into):
    source = open_model("positions")
    data = {"tokens": tokens(7, 6)}
    found = source.reference({"data": data}, silent)
    model = convert(source, "tensorflow/tf2onnx-function", into, data)
    assert [value.name for value in onnx.load(model).graph.input] == ["tokens"]
    assert_same(model, {"data": data}, found)


@pytest.mark.parametrize("way", ["torch/dynamo", "torch/dynamo-plain"])
def test_the_torch_ways(open_model, into, way):
    source = open_model("cnn")
    data = {"image": np.random.default_rng(4).random((7, 12, 12, 3), np.float32)}
    model = convert(source, way, into, data)
    found = source.reference({"data": data}, silent)
    assert_same(model, {"data": data}, found)
    assert onnx.load(model).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_lambda_is_refused_before_any_process(open_model, tmp_path):
    source = open_model("with_lambda")
    assert source.describe().details["needs_trust"] == ["payload"]
    started = []
    for attempt in (
        lambda: source.reference({"data": {"row": np.ones((1, 4), np.float32)}}, started.append),
        lambda: source.learn_signature(started.append),
        lambda: source.convert(
            source.ways("onnx")[0].edges[0], tmp_path, samples={}, progress=started.append
        ),
    ):
        with pytest.raises(SourceUnsupportedError, match="'payload'"):
            attempt()
    assert started == []


def test_a_stateful_model_is_refused(open_model):
    with pytest.raises(SourceUnsupportedError, match="'memory' keeps state"):
        open_model("stateful").learn_signature(silent)


def test_a_class_of_the_users_own_is_named(open_model):
    with pytest.raises(SourceUnsupportedError, match="Custom"):
        open_model("custom").learn_signature(silent)


def test_a_changed_weight_is_found(keras_models, tmp_path):
    """By the archive's checksum, before any framework starts."""
    path = tmp_path / "changed.keras"
    data = bytearray((keras_models / "cnn.keras").read_bytes())
    last = data.rindex(b"PK\x01\x02", 0, data.rindex(b"model.weights.h5"))
    data[last - 3000] ^= 0x40
    path.write_bytes(data)
    with pytest.raises(SourceDamagedError, match=r"model\.weights\.h5 was changed"):
        KerasFormat.open(path, python=None, limits=Limits(), hints=Hints())


def test_weights_that_keras_cannot_read(keras_models, tmp_path):
    path = tmp_path / "no-weights.keras"
    with zipfile.ZipFile(keras_models / "cnn.keras") as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            new.writestr(member, b"not HDF5" * 100 if member.endswith("h5") else old.read(member))
    source = KerasFormat.open(
        path, python=None, limits=Limits(timeout_seconds=120, scratch=tmp_path), hints=Hints()
    )
    with pytest.raises(SourceDamagedError, match="cannot load the file"):
        source.learn_signature(silent)
    source.close()


def test_values_that_the_model_refuses_name_the_case(open_model):
    source = open_model("lstm")
    with pytest.raises(DataMismatchError, match="'too far'"):
        source.reference({"too far": {"tokens": np.full((2, 3), 77, np.int32)}}, silent)


def test_an_environment_without_keras_names_its_own_pip_line(open_model, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(MissingDependencyError) as caught:
        open_model("cnn", python=python).learn_signature(silent)
    assert "keras" in caught.value.message
    assert caught.value.hint == f"{python} -m pip install keras tensorflow-cpu tf2onnx numpy"


def test_another_interpreter(open_model):
    """The same one by its path: the worker runs as plain files, with no help from the parent's environment."""
    signature = open_model("cnn", python=Path(sys.executable)).learn_signature(silent)
    assert [spec.name for spec in signature.outputs] == ["probabilities"]


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({"weights_bytes": 765_000_000}, "torch/dynamo"),
        ({"weights_bytes": 765_000_000, "is_recurrent_or_attentive": True}, "tensorflow/tf2onnx-function"),
        ({"weights_bytes": 7_000_000}, "tensorflow/tf2onnx-function"),
    ],
)
def test_large_plain_nets_go_by_torch_first(facts, first):
    assert find_ways("keras", "onnx", facts)[0].name == first


def test_the_file_tells_what_the_order_depends_on(open_model):
    assert open_model("lstm").describe().details["is_recurrent_or_attentive"] is True
    assert open_model("cnn").describe().details["is_recurrent_or_attentive"] is False
    assert open_model("cnn").describe().details["weights_bytes"] > 0


@pytest.mark.parametrize(
    ("written_by", "error"), [("99.1.0", MissingDependencyError), ("3.0.0", SourceDamagedError)]
)
def test_a_file_of_a_newer_keras_is_told_from_a_damaged_one(keras_models, tmp_path, written_by, error):
    """A field that this Keras does not know is an update away when a newer Keras wrote it."""
    path = tmp_path / "newer.keras"
    with zipfile.ZipFile(keras_models / "cnn.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "metadata.json":
                content = f'{{"keras_version": "{written_by}", "date_saved": "2030-01-01"}}'.encode()
            if name == "config.json":
                content = content.replace(
                    b'"activation": "relu"', b'"activation": "relu", "from_the_future": 1'
                )
            new.writestr(name, content)
    source = KerasFormat.open(path, python=None, limits=Limits(timeout_seconds=120), hints=Hints())
    with pytest.raises(error) as caught:
        source.learn_signature(silent)
    source.close()
    assert ("99.1.0" in str(caught.value)) == (error is MissingDependencyError)
