"""Small ONNX models, made with `onnx.helper`: each is the least that shows one thing."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def model(nodes, inputs, outputs, *, weights=(), opset=17):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*item) for item in inputs],
        [helper.make_tensor_value_info(*item) for item in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def mlp(*, batch="batch", seed=0):
    """4 → 16 → 3 with softmax."""
    random = np.random.default_rng(seed)
    weights = [
        ("w1", random.normal(size=(4, 16)).astype(np.float32)),
        ("b1", random.normal(size=16).astype(np.float32)),
        ("w2", random.normal(size=(16, 3)).astype(np.float32)),
        ("b2", random.normal(size=3).astype(np.float32)),
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"]),
    ]
    return model(nodes, [("x", FLOAT, [batch, 4])], [("y", FLOAT, [batch, 3])], weights=weights)


def cnn():
    """28×28×1 → 8 filters → pool → 10."""
    random = np.random.default_rng(1)
    weights = [
        ("k", random.normal(size=(8, 1, 3, 3)).astype(np.float32) / 3),
        ("w", random.normal(size=(8 * 13 * 13, 10)).astype(np.float32) / 30),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    return model(nodes, [("x", FLOAT, ["n", 1, 28, 28])], [("y", FLOAT, ["n", 10])], weights=weights)


def identity(element_type=FLOAT, *, shape=("batch", 2)):
    """y = x: shows that values of a type come through unchanged."""
    return model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [("x", element_type, list(shape))],
        [("y", element_type, list(shape))],
    )


def two_inputs():
    """sum = a + b, difference = a - b, over a free length that both share."""
    shape = ["batch", "length"]
    return model(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        [("a", FLOAT, shape), ("b", FLOAT, shape)],
        [("sum", FLOAT, shape), ("difference", FLOAT, shape)],
    )


def with_scalars(*, seed=0):
    """y = softmax(x w / temperature) and the mean of its maxima: a scalar in, a scalar out, beside a batch."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["l"]),
        helper.make_node("Div", ["l", "temperature"], ["d"]),
        helper.make_node("Softmax", ["d"], ["y"]),
        helper.make_node("ReduceMax", ["y"], ["top"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["top"], ["mean"], keepdims=0),
    ]
    return model(
        nodes,
        [("x", FLOAT, ["n", 4]), ("temperature", FLOAT, [])],
        [("y", FLOAT, ["n", 3]), ("mean", FLOAT, [])],
        weights=[("w", np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32))],
    )


def reciprocal():
    """y = 1 / x: infinity for zero."""
    return model(
        [helper.make_node("Reciprocal", ["x"], ["y"])],
        [("x", FLOAT, ["batch", 2])],
        [("y", FLOAT, ["batch", 2])],
    )


def lookup():
    """y = table[x], ten entries: a run with an index out of range fails."""
    weights = [("table", np.arange(10, dtype=np.float32))]
    return model(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        [("x", TensorProto.INT64, ["batch", 1])],
        [("y", FLOAT, ["batch", 1])],
        weights=weights,
    )


def mixing_rows():
    """y = x - mean over the batch: a model whose rows are not independent, so batching changes it."""
    return model(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
            helper.make_node("Sub", ["x", "m"], ["y"]),
        ],
        [("x", FLOAT, ["batch", 2])],
        [("y", FLOAT, ["batch", 2])],
    )


def slow():
    """y = x, after some tens of milliseconds of matrix products that do not depend on the number of rows."""
    weights = [
        ("big", np.full((700, 700), 1e-3, dtype=np.float32)),
        ("zero", np.zeros((1,), dtype=np.float32)),
        ("scale", np.full((1,), 1e-20, dtype=np.float32)),
    ]
    nodes = [
        # The first column of x scales the matrix, so that the products cannot be folded at load.
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Mul", ["s", "scale"], ["tiny"]),
        helper.make_node("Add", ["big", "tiny"], ["m0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"m{i}", "big"], [f"m{i + 1}"]) for i in range(6)]
    nodes += [
        helper.make_node("ReduceMax", ["m6"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    return model(nodes, [("x", FLOAT, ["batch", 2])], [("y", FLOAT, ["batch", 2])], weights=weights)
