"""What every source format promises, over each that is registered. A format joins by a line in `FORMATS`."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shipway import registry
from shipway.errors import ShipwayError, SourceError
from shipway.sources.base import Limits
from shipway.sources.detect import open_source


@dataclass(frozen=True)
class Example:
    """A real model of one format: `build(folder, keras_models)` gives its file."""

    format: str
    build: Callable[[Path, Path], Path]
    inputs: Callable[[int], dict[str, np.ndarray]]


def _keras_cnn(folder: Path, keras_models: Path) -> Path:
    return Path(shutil.copy(keras_models / "cnn.keras", folder))


def _onnx_dense(folder: Path, keras_models: Path) -> Path:
    weights = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["row", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["label"]),
        ],
        "dense",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("label", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    path = folder / "dense.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def _rows(name: str, *shape: int) -> Callable[[int], dict[str, np.ndarray]]:
    def rows(count: int) -> dict[str, np.ndarray]:
        return {name: np.random.default_rng(count).normal(size=(count, *shape)).astype(np.float32)}

    return rows


FORMATS = [
    Example("keras", _keras_cnn, _rows("image", 12, 12, 3)),
    Example("onnx", _onnx_dense, _rows("row", 4)),
]


@pytest.fixture(scope="module", params=FORMATS, ids=lambda example: example.format)
def example(request):
    return request.param


@pytest.fixture(scope="module")
def path(example, keras_models, tmp_path_factory):
    return example.build(tmp_path_factory.mktemp("model"), keras_models)


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def source(path, scratch):
    source = open_source(path, limits=Limits(timeout_seconds=120, scratch=scratch))
    yield source
    source.close()
    assert list(scratch.iterdir()) == []


def silent(text: str) -> None:
    assert text


def test_every_registered_format_has_an_example():
    assert {example.format for example in FORMATS} == set(registry.names("sources"))


def test_content_is_recognized_by_one_format_only(example, path, tmp_path):
    renamed = tmp_path / "model.of-no-known-extension"
    renamed.write_bytes(path.read_bytes())
    recognized = [
        name for name in registry.names("sources") if registry.load("sources", name).recognizes(renamed)
    ]
    assert recognized == [example.format]
    for stranger in (b"", b"hello, this is text\n", bytes(4096), b"PK\x03\x04" + bytes(100)):
        renamed.write_bytes(stranger)
        assert not registry.load("sources", example.format).recognizes(renamed)


def test_description(example, path, source):
    told = source.describe()
    assert told.format == example.format
    assert told.path == path
    assert told.size_bytes == path.stat().st_size
    assert len(told.sha256) == 64
    assert told.inputs is not None
    given = example.inputs(2)
    assert [spec.name for spec in told.inputs] == list(given)
    for spec in told.inputs:
        assert spec.shape[0] == "batch"
        assert spec.explain_mismatch(given[spec.name].dtype, given[spec.name].shape) is None


def test_a_cut_off_file_is_a_source_error(example, path, tmp_path):
    for kept in (path.stat().st_size // 2, path.stat().st_size - 10):
        cut = tmp_path / path.name
        cut.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(SourceError) as caught:
            open_source(cut).describe()
        assert str(cut) in caught.value.message


@pytest.mark.framework
def test_reference_and_signature_agree(example, source):
    cases = {"one": example.inputs(1), "many": example.inputs(40)}
    found = source.reference(cases, silent)
    assert found.signature == source.learn_signature(silent)
    assert found.signature.batch_axis == "batch"
    assert set(found.outputs) == set(cases)
    for case, inputs in cases.items():
        rows = len(next(iter(inputs.values())))
        for spec in found.signature.outputs:
            array = found.outputs[case][spec.name]
            assert array.shape[0] == rows
            assert spec.explain_mismatch(array.dtype, array.shape) is None
    again = {**found.precise, **found.repeated}
    assert again, "without float64 or a second run there is no noise floor"
    for kind in (found.precise, found.repeated):
        for case, outputs in kind.items():
            for name, array in outputs.items():
                np.testing.assert_allclose(
                    array, found.outputs[case][name][: len(array)], rtol=1e-4, atol=1e-5
                )
    for outputs in found.precise.values():
        assert {array.dtype for array in outputs.values()} == {np.dtype(np.float64)}
    assert found.versions


@pytest.mark.framework
def test_the_first_way_gives_the_same_model(example, path, source, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    cases = {"many": example.inputs(7)}
    found = source.reference(cases, silent)
    ways = source.ways("onnx")
    assert len({way.name for way in ways}) == len(ways) > 0
    into = tmp_path / "into"
    into.mkdir()
    made = path
    if ways[0].edges:
        made = source.convert(ways[0].edges[0], into, samples=example.inputs(2), progress=silent).model
    session = onnxruntime.InferenceSession(str(made))
    assert [value.name for value in session.get_inputs()] == [spec.name for spec in found.signature.inputs]
    assert [value.name for value in session.get_outputs()] == [spec.name for spec in found.signature.outputs]
    for rows in (1, 2, 3, 7):
        given = {name: array[:rows] for name, array in cases["many"].items()}
        for spec, array in zip(found.signature.outputs, session.run(None, given), strict=True):
            np.testing.assert_allclose(array, found.outputs["many"][spec.name][:rows], rtol=1e-5, atol=1e-6)


@pytest.mark.framework
def test_inputs_that_do_not_fit_are_an_error_of_ours(example, source, scratch):
    with pytest.raises(ShipwayError):
        source.reference({"bad": {"no such input": np.zeros((2, 2), np.float32)}}, silent)


def test_closing_twice_is_fine(source):
    source.close()
    source.close()
