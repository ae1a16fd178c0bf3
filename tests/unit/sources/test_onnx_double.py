"""A float32 graph made float64: everything in it that says float32, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from shipway.sources.workers.frameworks.onnx_double import widen

FLOAT, DOUBLE, INT64, BOOL = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL
THIRD = np.float32(1) / np.float32(3)
X = np.array([[0.1, -2.5], [3.25, 0.7]], np.float32)


def info(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def make(nodes: list[onnx.NodeProto], gives: int = FLOAT, **weights: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [info("x", FLOAT, ["n", 2])],
        [info("y", gives, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run_wide(made: onnx.ModelProto) -> np.ndarray:
    return np.asarray(ReferenceEvaluator(widen(made)).run(None, {"x": X.astype(np.float64)})[0])


def branch(name: str, scale: float) -> onnx.GraphProto:
    return helper.make_graph(
        [
            helper.make_node("Constant", [], [f"{name}_k"], value=numpy_helper.from_array(np.float32(scale))),
            helper.make_node("Mul", ["x", f"{name}_k"], [f"{name}_y"]),
        ],
        name,
        [],
        [info(f"{name}_y", FLOAT, ["n", 2])],
    )


def condition() -> list[onnx.NodeProto]:
    nodes = [helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0)]
    return [*nodes, helper.make_node("Greater", ["sum", "zero"], ["positive"])]


def loop() -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Mul", ["v", "k"], ["next"])],
        "body",
        [info("i", INT64, []), info("go", BOOL, []), info("v", FLOAT, ["n", 2])],
        [info("go_on", BOOL, []), info("next", FLOAT, ["n", 2])],
        [numpy_helper.from_array(THIRD, "k")],
    )
    return make(
        [helper.make_node("Loop", ["rounds", "true", "x"], ["y"], body=body)],
        rounds=np.array(3, np.int64),
        true=np.array(True),
    )


CASES = {
    "weights": (make([helper.make_node("Mul", ["x", "k"], ["y"])], k=THIRD), lambda x: x * THIRD),
    "Constant": (
        make(
            [
                helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(THIRD)),
                helper.make_node("Div", ["x", "k"], ["y"]),
            ]
        ),
        lambda x: x / float(THIRD),
    ),
    "ConstantOfShape": (
        make(
            [
                helper.make_node("Shape", ["x"], ["s"]),
                helper.make_node("ConstantOfShape", ["s"], ["k"], value=numpy_helper.from_array(THIRD[None])),
                helper.make_node("Mul", ["x", "k"], ["y"]),
            ]
        ),
        lambda x: x * float(THIRD),
    ),
    "Cast there and back": (
        make(
            [
                helper.make_node("Cast", ["x"], ["i"], to=INT64),
                helper.make_node("Cast", ["i"], ["f"], to=FLOAT),
                helper.make_node("Div", ["f", "k"], ["y"]),
            ],
            k=np.float32(3),
        ),
        lambda x: np.trunc(x) / 3,
    ),
    "If": (
        make(
            [
                *condition(),
                helper.make_node(
                    "If",
                    ["positive"],
                    ["y"],
                    then_branch=branch("then", float(THIRD)),
                    else_branch=branch("else", 7.0),
                ),
            ],
            zero=np.float32(0),
        ),
        lambda x: x * float(THIRD),
    ),
    "Loop": (loop(), lambda x: x * float(THIRD) ** 3),
    "Softmax": (
        make([helper.make_node("Softmax", ["x"], ["y"])]),
        lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_exact_to_float64(name: str) -> None:
    made, truth = CASES[name]
    found = run_wide(made)
    assert found.dtype == np.float64
    wide = X.astype(np.float64)
    np.testing.assert_allclose(found, truth(wide), rtol=1e-14)
    if name not in ("Cast there and back",):  # float32 would have been another answer
        assert not np.allclose(truth(wide).astype(np.float32), found, rtol=1e-12, atol=0)


def test_what_is_not_float32_stays(tmp_path) -> None:
    made = make(
        [
            helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            helper.make_node("Gather", ["table", "index"], ["row"]),
            helper.make_node("Cast", ["h"], ["y"], to=INT64),
        ],
        INT64,
        table=np.arange(4, dtype=np.int64),
        index=np.array([1], np.int32),
        half=np.array([1], np.float16),
    )
    widened = widen(made)
    assert [tensor.data_type for tensor in widened.graph.initializer] == [
        INT64,
        TensorProto.INT32,
        TensorProto.FLOAT16,
    ]
    casts = [node.attribute[0].i for node in widened.graph.node if node.op_type == "Cast"]
    assert casts == [TensorProto.FLOAT16, INT64]
    assert widened.graph.input[0].type.tensor_type.elem_type == DOUBLE
    assert widened.graph.output[0].type.tensor_type.elem_type == INT64


def test_functions_of_the_model_are_widened_too() -> None:
    function = helper.make_function(
        "own",
        "Third",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(THIRD)),
            helper.make_node("Mul", ["a", "k"], ["b"]),
        ],
        [helper.make_opsetid("", 18)],
    )
    graph = helper.make_graph(
        [helper.make_node("Third", ["x"], ["y"], domain="own")],
        "g",
        [info("x", FLOAT, ["n", 2])],
        [info("y", FLOAT, None)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=[function])
    np.testing.assert_allclose(run_wide(made), X.astype(np.float64) * float(THIRD), rtol=1e-14)
