"""The graphs that serving is measured on, random weights: a tiny MLP, a 28×28 CNN, MobileNetV2, a guide's CNN."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

Weights = dict[str, np.ndarray]
Parts = tuple[list[NodeProto], Weights, int]
"""Nodes from `x` to `y`, weights, and how many classes `y` has."""

SHAPES = {"mlp": (4,), "cnn": (1, 28, 28), "mobilenet": (3, 224, 224), "guide": (3, 224, 224)}
"""Of one row of `x`."""
_INVERTED_RESIDUALS = (  # expansion, channels, repeats, stride: arXiv:1801.04381, table 2
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def make(name: str) -> onnx.ModelProto:
    """`x` float32 [batch, *SHAPES[name]] → `y` float32 [batch, classes], rows that sum to 1."""
    nodes, weights, classes = _GRAPHS[name](np.random.default_rng(0))
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", *SHAPES[name]))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", classes))],
        [
            numpy_helper.from_array(array.astype(np.float32, copy=False), key)
            for key, array in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _mlp(random: np.random.Generator) -> Parts:
    weights = {
        "w1": random.normal(size=(4, 16)),
        "b1": random.normal(size=16),
        "w2": random.normal(size=(16, 3)),
        "b2": random.normal(size=3),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    return nodes, weights, 3


def _cnn(random: np.random.Generator) -> Parts:
    """Conv32 – pool – Conv64 – pool – 10, Keras' simple MNIST convnet: 35 k parameters."""
    weights = {
        "k1": random.normal(size=(32, 1, 3, 3)) / 3,
        "k2": random.normal(size=(64, 32, 3, 3)) / 17,
        "w1": random.normal(size=(64 * 5 * 5, 10)) / 40,
        "b1": np.zeros(10),
    }
    nodes = [
        *_conv_and_pool("x", "1"),
        *_conv_and_pool("p1", "2"),
        helper.make_node("Flatten", ["p2"], ["f"]),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    return nodes, weights, 10


def _guide(random: np.random.Generator) -> Parts:
    """Conv32 – pool – Conv64 – pool – Dense(1024): 191 million parameters in one matrix, as guides build it."""
    flat = 64 * 54 * 54
    weights = {
        "k1": random.standard_normal((32, 3, 3, 3), dtype=np.float32) / 5,
        "k2": random.standard_normal((64, 32, 3, 3), dtype=np.float32) / 17,
        "w1": random.standard_normal((flat, 1024), dtype=np.float32) * np.float32(flat**-0.5),
        "b1": np.zeros(1024, dtype=np.float32),
        "w2": random.standard_normal((1024, 10), dtype=np.float32) / 32,
    }
    nodes = [
        *_conv_and_pool("x", "1"),
        *_conv_and_pool("p1", "2"),
        helper.make_node("Flatten", ["p2"], ["f"]),
        helper.make_node("Gemm", ["f", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("MatMul", ["a", "w2"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    return nodes, weights, 10


def _conv_and_pool(source: str, number: str) -> list[NodeProto]:
    return [
        helper.make_node("Conv", [source, f"k{number}"], [f"c{number}"]),
        helper.make_node("Relu", [f"c{number}"], [f"r{number}"]),
        helper.make_node("MaxPool", [f"r{number}"], [f"p{number}"], kernel_shape=[2, 2], strides=[2, 2]),
    ]


class _MobileNet:
    """Adds layers one after the other; batch normalization is folded into the convolutions, as after export."""

    def __init__(self, random: np.random.Generator) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: Weights = {"low": np.array(0.0), "high": np.array(6.0)}
        self._random = random
        self._names: Iterator[str] = (f"t{number}" for number in range(10**6))

    def add(self, kind: str, inputs: list[str], **attributes) -> str:
        name = next(self._names)
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(self, x: str, channels: tuple[int, int], size: int, *, stride=1, groups=1, clip=True) -> str:
        before, after = channels
        fan_in = before // groups * size * size
        name = next(self._names)
        self.weights[f"{name}w"] = (
            self._random.normal(size=(after, before // groups, size, size)) * (2 / fan_in) ** 0.5
        )
        self.weights[f"{name}b"] = self._random.normal(size=after) / 10
        y = self.add(
            "Conv",
            [x, f"{name}w", f"{name}b"],
            group=groups,
            strides=[stride] * 2,
            pads=[size // 2] * 4,
            kernel_shape=[size] * 2,
        )
        return self.add("Clip", [y, "low", "high"]) if clip else y

    def block(self, x: str, channels: tuple[int, int], expansion: int, stride: int) -> str:
        before, after = channels
        wide = before * expansion
        y = self.conv(x, (before, wide), 1) if expansion > 1 else x
        y = self.conv(y, (wide, wide), 3, stride=stride, groups=wide)
        y = self.conv(y, (wide, after), 1, clip=False)
        return self.add("Add", [x, y]) if stride == 1 and before == after else y


def _mobilenet(random: np.random.Generator) -> Parts:
    net = _MobileNet(random)
    x, channels = net.conv("x", (3, 32), 3, stride=2), 32
    for expansion, after, repeats, stride in _INVERTED_RESIDUALS:
        for number in range(repeats):
            x = net.block(x, (channels, after), expansion, stride if number == 0 else 1)
            channels = after
    x = net.conv(x, (channels, 1280), 1)
    x = net.add("Flatten", [net.add("GlobalAveragePool", [x])])
    net.weights["w"] = random.normal(size=(1280, 1000)) / 36
    x = net.add("MatMul", [x, "w"])
    net.nodes.append(helper.make_node("Softmax", [x], ["y"]))
    return net.nodes, net.weights, 1000


_GRAPHS: dict[str, Callable[[np.random.Generator], Parts]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "mobilenet": _mobilenet,
    "guide": _guide,
}
