"""ONNX models of every form: each goes all the way to a checked endpoint, or is refused with the reason."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import shipway
from served import models
from shipway.actions.example_request import example_request
from shipway.bundle.store import open_bundle
from shipway.errors import SourceUnsupportedError
from shipway.targets.endpoint import Endpoint
from shipway.targets.local import LocalServer, start_server

FLOAT, INT64, STRING, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL
FLOAT16, DOUBLE = TensorProto.FLOAT16, TensorProto.DOUBLE
RANDOM = np.random.default_rng(0)
NASTY = 'it\'s "x" $HOME `id` \\ ü'


def node(operator: str, inputs: list[str], outputs: list[str], **more: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, outputs, **more)


def weights(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(dtype)


def unary(operator: str, shape: list[Any], element_type: int = FLOAT, **more: Any) -> onnx.ModelProto:
    return models.model(
        [node(operator, ["x"], ["y"], **more)], [("x", element_type, shape)], [("y", element_type, shape)]
    )


def linear(batch: Any, element_type: int = FLOAT, dtype: Any = np.float32) -> onnx.ModelProto:
    return models.model(
        [node("MatMul", ["x", "w"], ["z"]), node("Softmax", ["z"], ["y"])],
        [("x", element_type, [batch, 4])],
        [("y", element_type, [batch, 3])],
        weights=[("w", weights(4, 3, dtype=dtype))],
    )


def tokens(batch: Any, length: Any) -> onnx.ModelProto:
    """int64 tokens and two floats beside them: embedding, mean, one layer."""
    return models.model(
        [
            node("Gather", ["table", "tokens"], ["e"]),
            node("ReduceMean", ["e"], ["m"], axes=[1], keepdims=0),
            node("Concat", ["m", "extra"], ["c"], axis=1),
            node("MatMul", ["c", "w"], ["y"]),
        ],
        [("tokens", INT64, [batch, length]), ("extra", FLOAT, [batch, 2])],
        [("y", FLOAT, [batch, 3])],
        weights=[("table", weights(50, 4)), ("w", weights(6, 3))],
    )


def lookup(keys: dict[str, Any], values: dict[str, Any], given: int, gives: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        [node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", **keys, **values)],
        "lookup",
        [helper.make_tensor_value_info("x", given, ["n", 1])],
        [helper.make_tensor_value_info("y", gives, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def uint8_images() -> onnx.ModelProto:
    return models.model(
        [
            node("Cast", ["x"], ["f"], to=FLOAT),
            node("Flatten", ["f"], ["q"]),
            node("MatMul", ["q", "w"], ["y"]),
        ],
        [("x", TensorProto.UINT8, ["n", 2, 2])],
        [("y", FLOAT, ["n", 3])],
        weights=[("w", weights(4, 3))],
    )


def large_rows() -> onnx.ModelProto:
    return models.model(
        [node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)],
        [("x", FLOAT, ["n", 32, 32, 3])],
        [("y", FLOAT, ["n", 3])],
    )


def named_nastily() -> onnx.ModelProto:
    return models.model(
        [node("MatMul", [NASTY, "w"], ["out put/ü"])],
        [(NASTY, FLOAT, ["n", 4])],
        [("out put/ü", FLOAT, ["n", 3])],
        weights=[("w", weights(4, 3))],
    )


def mixed() -> onnx.ModelProto:
    """Scalars of every kind beside a batch and a table of another length: what is served must keep them all."""
    return models.model(
        [
            node("Cast", ["x"], ["x64"], to=DOUBLE),
            node("MatMul", ["x64", "table"], ["z"]),
            node("Div", ["z", "temperature"], ["y"]),
            node("ReduceMean", ["y"], ["mean"], keepdims=0),
            node("Not", ["flag"], ["unflagged"]),
            node("Cast", ["mean"], ["half"], to=FLOAT16),
            node("Add", ["step", "one"], ["next_step"]),
            node("Identity", ["label"], ["name"]),
        ],
        [
            ("x", FLOAT, ["n", 4]),
            ("table", DOUBLE, [4, "classes"]),
            ("temperature", DOUBLE, []),
            ("flag", BOOL, []),
            ("step", INT64, []),
            ("label", STRING, []),
        ],
        [
            ("y", DOUBLE, ["n", "classes"]),
            ("mean", DOUBLE, []),
            ("unflagged", BOOL, []),
            ("half", FLOAT16, []),
            ("next_step", INT64, []),
            ("name", STRING, []),
        ],
        weights=[("one", np.array(1, np.int64))],
    )


WITHOUT_ROWS = {
    "no batch in the output": models.model(
        [node("ReduceSum", ["x"], ["y"], keepdims=0)], [("x", FLOAT, ["n", 4])], [("y", FLOAT, [])]
    ),
    "one value beside the rows of the output": models.model(
        [node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1), node("Sub", ["x", "m"], ["y"])],
        [("x", FLOAT, ["n", 4])],
        [("y", FLOAT, ["n", 4]), ("m", FLOAT, [1, 4])],
    ),
    "no axis at all": unary("Exp", []),
    "a scalar beside the rows": models.model(
        [node("Mul", ["x", "t"], ["y"])],
        [("x", FLOAT, ["n", 4]), ("t", FLOAT, [])],
        [("y", FLOAT, ["n", 4])],
    ),
    "a table beside the rows": models.model(
        [node("MatMul", ["x", "w"], ["y"])],
        [("x", FLOAT, ["n", 4]), ("w", FLOAT, [4, 3])],
        [("y", FLOAT, ["n", 3])],
    ),
    "unequal fixed batches": models.model(
        [node("MatMul", ["x", "w"], ["y"])],
        [("x", FLOAT, [2, 4]), ("w", FLOAT, [4, 3])],
        [("y", FLOAT, [2, 3])],
    ),
    "scalars of all kinds": mixed(),
}
SERVED = {
    "free batch": linear("n"),
    "free batch without a name": linear(None),
    "batch 1": linear(1),
    "batch 4": linear(4),
    "float16": linear("n", TensorProto.FLOAT16, np.float16),
    "float64": linear("n", TensorProto.DOUBLE, np.float64),
    "tokens and floats": tokens("n", "length"),
    "tokens and floats, batch 1": tokens(1, 8),
    "tokens and floats, batch 4, free length": tokens(4, "length"),
    "free height and width": unary("Relu", ["n", "h", "w", 3]),
    "one number a row": unary("Exp", ["n"]),
    "truth": unary("Not", ["n", 3], BOOL),
    "bytes of images": uint8_images(),
    "text in and out": unary("Identity", ["n", 2], STRING),
    "text in": lookup(
        {"keys_strings": ["a", "42"]}, {"values_int64s": [1, 2], "default_int64": -1}, STRING, INT64
    ),
    "text out": lookup(
        {"keys_int64s": [1, 2]}, {"values_strings": ["bä", "it's"], "default_string": ""}, INT64, STRING
    ),
    "large rows": large_rows(),
    "NaN in some answers": unary("Log", ["n", 1]),
    "names that a shell reads": named_nastily(),
    **WITHOUT_ROWS,
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("odd models' bundles")  # a blank and a quote in every path
    found = {}
    for number, (name, made) in enumerate(SERVED.items()):
        onnx.save(made, folder / f"m{number}.onnx")
        found[name] = folder / f"m{number}.bundle"
        outcome = shipway.export(folder / f"m{number}.onnx", found[name])
        assert outcome.result == "PASS", (name, [verdict.reason for verdict in outcome.verdicts])
    return found


@pytest.fixture(scope="module")
def server(bundles: dict[str, Path]) -> Iterator[LocalServer]:
    with start_server(list(bundles.values())) as running:
        yield running


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.usefixtures("quick_speed")
def test_it_is_served_and_checked(bundles: dict[str, Path], server: LocalServer, name: str) -> None:
    outcome = shipway.check(server.url, bundles[name])
    assert outcome.result == "PASS", [verdict.reason for verdict in outcome.verdicts]
    assert outcome.measurements["throughput_per_second"] > 0


@pytest.mark.parametrize("name", SERVED)
def test_the_example_works_when_it_is_pasted(
    bundles: dict[str, Path],
    server: LocalServer,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    monkeypatch.chdir(bundles[name].parent)  # a relative path, as users give it
    bundle = open_bundle(Path(bundles[name].name))
    request = example_request(bundle, server.url)
    assert request is not None
    monkeypatch.chdir(tmp_path)  # and pasted somewhere else
    done = subprocess.run(
        ["sh", "-c", request["curl"]], capture_output=True, text=True, timeout=30, check=True
    )
    answered = json.loads(done.stdout)
    assert "outputs" in answered, answered
    golden = bundle.golden()
    assert golden is not None
    with Endpoint(server.url, bundle.manifest.name) as endpoint:
        plain = [all_finite(golden.take(slice(row, row + 1)).outputs) for row in range(golden.count)]
        if name in WITHOUT_ROWS:
            chosen: Any = (int(np.flatnonzero(plain)[0]), ...)
        else:
            first = bundle.manifest.signature.inputs[0].shape[0]
            chosen = np.resize(np.flatnonzero(plain), first if isinstance(first, int) else 1)
        expected = endpoint.predict({name: array[chosen] for name, array in golden.inputs.items()})
    for output in answered["outputs"]:
        wanted = expected[output["name"]].ravel()
        assert output["shape"] == list(expected[output["name"]].shape)
        if output["datatype"] == "BYTES":
            assert [item.encode() for item in output["data"]] == wanted.tolist()
        else:
            # The very same inputs: every number survived being written in decimals.
            np.testing.assert_allclose(np.array(output["data"], wanted.dtype), wanted, rtol=1e-6, atol=0)
    assert (request["file"] is not None) == (name in ("large rows", "free height and width"))


def all_finite(outputs: Any) -> bool:
    return all(array.dtype.kind != "f" or bool(np.isfinite(array).all()) for array in outputs.values())


def unranked() -> onnx.ModelProto:
    """Axes of size 1 taken away: which they are is not told before a run."""
    graph = helper.make_graph(
        [node("Squeeze", ["x"], ["y"])],
        "unranked",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


REFUSED = {
    "no input": (
        models.model(
            [node("Identity", ["w"], ["y"])], [], [("y", FLOAT, [4, 3])], weights=[("w", weights(4, 3))]
        ),
        "inputs: none",
    ),
    "more rows out than in": (
        models.model(
            [node("Reshape", ["x", "form"], ["y"])],
            [("x", FLOAT, ["n", 4])],
            [("y", FLOAT, ["m", 2])],
            weights=[("form", np.array([-1, 2]))],
        ),
        r"Asked 32 rows, output 'y' has the shape \[64, 2\]",
    ),
    "rows that look at each other": (models.mixing_rows(), "depends on the rows beside it"),
    "a rank that the file does not tell": (unranked(), r"'y' is FP32\[\] by the file.* the shape \[\d+, 2\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_row_by_row_is_refused_with_its_form(tmp_path: Path, name: str) -> None:
    made, says = REFUSED[name]
    path = tmp_path / "m.onnx"
    onnx.save(made, path)
    with pytest.raises(SourceUnsupportedError, match=says) as caught:
        shipway.export(path, tmp_path / "m.bundle")
    assert caught.value.hint
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
    assert shipway.inspect(path).details["signature"]["outputs"][0]["name"] == "y"


def test_a_model_that_throws_dice_is_no_pass(tmp_path: Path) -> None:
    path = tmp_path / "dice.onnx"
    onnx.save(unary("RandomNormalLike", ["n", 4]), path)
    outcome = shipway.export(path, tmp_path / "m.bundle")
    assert outcome.result in ("INCONCLUSIVE", "FAIL")
    assert not outcome.is_fine
