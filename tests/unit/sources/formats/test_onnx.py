"""The ONNX source: described without running, asked in a child that cannot hurt, float64 where it can be had."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import venv
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from served import models
from shipway.errors import (
    DataMismatchError,
    MissingDependencyError,
    SourceDamagedError,
    SourceUnsupportedError,
    WorkerTimeoutError,
)
from shipway.sources.base import Limits, Reference
from shipway.sources.detect import open_source
from shipway.types import DType, TensorSpec

FLOAT = TensorProto.FLOAT


def saved(folder: Path, made: onnx.ModelProto, **more) -> Path:
    path = folder / "m.onnx"
    onnx.save(made, path, **more)
    return path


def ask(path: Path, inputs: dict[str, np.ndarray], **more) -> Reference:
    told: list[str] = []
    with closing(open_source(path, **more)) as source:
        found = source.reference({"only": inputs}, told.append)
    assert "loading the model" in told
    return found


def with_outside_weights(folder: Path) -> Path:
    made = models.mlp()
    return saved(
        folder,
        made,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=False,
    )


def test_external_data_is_described_and_used(tmp_path: Path) -> None:
    path = with_outside_weights(tmp_path)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    with closing(open_source(path)) as source:
        told = source.describe()
    digest = hashlib.sha256((tmp_path / "weights.bin").read_bytes()).hexdigest()
    assert told.details["external_data"] == {"weights.bin": digest}
    assert told.details["parameters"] == 4 * 16 + 16 + 16 * 3 + 3
    assert told.inputs == (TensorSpec("x", DType.FP32, ("batch", 4)),)
    (tmp_path / "inside").mkdir()
    inside = ask(saved(tmp_path / "inside", models.mlp()), {"x": x})
    outside = ask(path, {"x": x})
    np.testing.assert_array_equal(outside.outputs["only"]["y"], inside.outputs["only"]["y"])
    np.testing.assert_array_equal(outside.precise["only"]["y"], inside.precise["only"]["y"])


@pytest.mark.parametrize(("fault", "says"), [("gone", "missing"), ("short", "which has 40")])
def test_external_data_that_is_not_whole(tmp_path: Path, fault: str, says: str) -> None:
    path = with_outside_weights(tmp_path)
    weights = tmp_path / "weights.bin"
    if fault == "gone":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(SourceDamagedError, match=says) as caught:
        open_source(path).describe()
    assert "weights.bin" in caught.value.message
    assert caught.value.hint


def test_describing_runs_nothing(tmp_path: Path) -> None:
    made = models.mlp()
    made.graph.node[1].op_type = "Frobnicate"
    path = saved(tmp_path, made)
    with closing(open_source(path)) as source:
        assert source.describe().details["operators"]["Frobnicate"] == 1
        assert source.learn_signature(print) == source.describe().signature
        (way,) = source.ways("onnx")
        assert (way.name, way.edges) == ("onnx/as-it-is", ())
        with pytest.raises(SourceUnsupportedError, match="Frobnicate"):
            source.reference({"only": {"x": np.zeros((2, 4), np.float32)}}, print)


def test_the_answers_of_a_small_cnn_are_known_in_float64(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(40, 1, 28, 28)).astype(np.float32)
    found = ask(saved(tmp_path, models.cnn()), {"x": x})
    y = found.outputs["only"]["y"]
    assert (y.dtype, y.shape) == (np.float32, (40, 10))
    precise = found.precise["only"]["y"]
    assert precise.dtype == np.float64
    assert (
        0 < np.abs(precise - y[: len(precise)]).max() < 1e-5
    )  # nearer than float32 can tell, and not the same
    assert found.repeated["only"]["y"].shape[1:] == (10,)
    assert set(found.versions) == {"onnx", "onnxruntime", "numpy"}


def test_an_operator_that_the_evaluator_lacks_costs_only_the_float64_answer(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", 3])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    x = np.linspace(-2, 2, 30, dtype=np.float32).reshape(10, 3)
    found = ask(saved(tmp_path, helper.make_model(graph, opset_imports=opsets, ir_version=8)), {"x": x})
    assert found.precise == {}
    assert found.repeated["only"]["y"].shape == (8, 3)
    assert found.outputs["only"]["y"][-1, -1] == pytest.approx(1.9545, abs=1e-3)


def looping(folder: Path, rounds: int, condition: str) -> Path:
    """y = sin(sin(… x)), so many times; `condition` is `true` or nothing."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["carried"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", FLOAT, ["n", 2]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, ["n", 2]),
        ],
    )
    made = models.model(
        [helper.make_node("Loop", ["rounds", condition, "x"], ["y"], body=body)],
        [("x", FLOAT, ["n", 2])],
        [("y", FLOAT, ["n", 2])],
        weights=[("rounds", np.array(rounds)), ("true", np.array(True))],
    )
    return saved(folder, made)


def test_a_float64_answer_that_is_wrong_is_no_measure_of_noise(tmp_path: Path) -> None:
    """onnx's evaluator does not run a Loop without a condition; taken for noise, that would excuse any answer."""
    x = np.linspace(-1, 1, 20, dtype=np.float32).reshape(10, 2)
    known = ask(looping(tmp_path, 5, "true"), {"x": x})
    np.testing.assert_allclose(known.precise["only"]["y"], known.outputs["only"]["y"][:4], rtol=1e-5)
    found = ask(looping(tmp_path, 5, ""), {"x": x})
    np.testing.assert_array_equal(found.outputs["only"]["y"], known.outputs["only"]["y"])
    assert found.precise == {}


def test_a_graph_that_loops_for_ever_is_stopped(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    began = time.monotonic()
    with pytest.raises(WorkerTimeoutError, match=r"within 1\.5 s") as caught:
        ask(
            looping(tmp_path, 2**62, "true"),
            {"x": np.ones((2, 2), np.float32)},
            limits=Limits(1.5, scratch=scratch),
        )
    assert time.monotonic() - began < 30
    assert "--timeout" in caught.value.hint
    assert list(scratch.iterdir()) == []


def test_rows_that_the_model_does_not_take(tmp_path: Path) -> None:
    path = saved(tmp_path, models.lookup())
    with pytest.raises(DataMismatchError, match="cannot run the model on 'only'") as caught:
        ask(path, {"x": np.full((3, 1), 99)})
    assert "--data" in caught.value.hint


@pytest.mark.parametrize("dtype", ["U", "S", object])
def test_text_of_every_kind_reaches_the_model(tmp_path: Path, dtype: object) -> None:
    path = saved(tmp_path, models.identity(TensorProto.STRING, shape=("n", 1)))
    words = np.array([["naïve"], [""], ["x y"]])
    given = np.char.encode(words, "utf-8") if dtype == "S" else words.astype(dtype)
    found = ask(path, {"x": given}).outputs["only"]["y"]
    assert [str(word) for word in found.ravel()] == ["naïve", "", "x y"]


def test_text_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path, models.identity(TensorProto.STRING, shape=("n", 1)))
    with pytest.raises(DataMismatchError, match="element 1 is not UTF-8") as caught:
        ask(path, {"x": np.array([[b"fine"], ["naïve".encode("latin-1")]], dtype=object)})
    assert "'x'" in caught.value.message


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    seen = [sys.executable, "-c", "import numpy"]
    assert subprocess.run([python, *seen[1:]], capture_output=True, check=False).returncode != 0
    return python


def test_an_interpreter_without_the_packages_is_told_what_to_install(
    tmp_path: Path, bare_python: Path
) -> None:
    path = saved(tmp_path, models.mlp())
    with (
        pytest.raises(MissingDependencyError, match="onnxruntime, numpy") as caught,
        closing(open_source(path, python=bare_python)) as source,
    ):
        source.reference({"only": {"x": np.zeros((2, 4), np.float32)}}, print)
    assert caught.value.hint == f"{bare_python} -m pip install onnxruntime numpy"


def environment_with(folder: Path, *packages: str) -> Path:
    """An environment that sees some of this one's packages only."""
    venv.create(folder, with_pip=False, symlinks=True)
    (target,) = folder.glob("lib/python3*/site-packages")
    here = Path(np.__file__).parents[1]
    for package in packages:
        for found in here.glob(f"{package}*"):
            (target / found.name).symlink_to(found)
    return folder / "bin" / "python"


def test_numpy_alone_is_not_enough(tmp_path: Path) -> None:
    python = environment_with(tmp_path / "venv", "numpy")
    path = saved(tmp_path, models.mlp())
    with pytest.raises(MissingDependencyError, match=r"Python: onnxruntime\.") as caught:
        ask(path, {"x": np.zeros((2, 4), np.float32)}, python=python)
    assert caught.value.hint == f"{python} -m pip install onnxruntime"


def test_without_the_onnx_package_there_is_no_float64_answer_and_all_else(tmp_path: Path) -> None:
    needed = [
        "numpy",
        "onnxruntime",
        "flatbuffers",
        "google",
        "protobuf",
        "packaging",
        "coloredlogs",
        "sympy",
        "mpmath",
    ]
    python = environment_with(tmp_path / "venv", *needed)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    found = ask(saved(tmp_path, models.mlp()), {"x": x}, python=python)
    assert found.outputs["only"]["y"].shape == (3, 3)
    assert found.precise == {}
    assert set(found.versions) == {"onnxruntime", "numpy"}


def test_an_initializer_is_no_input(tmp_path: Path) -> None:
    """Old exporters list weights among the inputs."""
    made = models.mlp()
    made.ir_version = 3
    for tensor in made.graph.initializer:
        made.graph.input.append(
            helper.make_tensor_value_info(tensor.name, FLOAT, list(numpy_helper.to_array(tensor).shape))
        )
    found = ask(saved(tmp_path, made), {"x": np.zeros((2, 4), np.float32)})
    assert [spec.name for spec in found.signature.inputs] == ["x"]
