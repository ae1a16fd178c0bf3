"""The models that serving is measured on, and their bundles: a tiny MLP and a 28×28 CNN, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from shipway.bundle.closeness import output_scale
from shipway.bundle.golden import Golden, Tolerance
from shipway.bundle.manifest import Manifest, Variant
from shipway.bundle.store import BundleWriter
from shipway.types import DType, Signature, TensorSpec

SHAPES = {"mlp": (4,), "cnn": (1, 28, 28)}


def _mlp(random: np.random.Generator) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray], int]:
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


def _cnn(random: np.random.Generator) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray], int]:
    """Conv8 – pool – Conv16 – pool – 32 – 10: 27 k parameters."""
    weights = {
        "k1": random.normal(size=(8, 1, 3, 3)) / 3,
        "k2": random.normal(size=(16, 8, 3, 3)) / 8,
        "w1": random.normal(size=(16 * 5 * 5, 32)) / 20,
        "w2": random.normal(size=(32, 10)) / 6,
    }
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["x", "k1"], ["c1"]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], **pool),
        helper.make_node("Conv", ["p1", "k2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], **pool),
        helper.make_node("Flatten", ["p2"], ["f"]),
        helper.make_node("MatMul", ["f", "w1"], ["h"]),
        helper.make_node("Relu", ["h"], ["a"]),
        helper.make_node("MatMul", ["a", "w2"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    return nodes, weights, 10


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """The ONNX file and the bundle of `"mlp"` or `"cnn"`."""
    random = np.random.default_rng(0)
    nodes, weights, classes = {"mlp": _mlp, "cnn": _cnn}[name](random)
    shape = ("batch", *SHAPES[name])
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(array.astype(np.float32), key) for key, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / f"{name}.onnx"
    onnx.save(made, path)
    x = random.normal(size=(16, *SHAPES[name])).astype(np.float32)
    y = ReferenceEvaluator(made).run(None, {"x": x})[0]
    golden = Golden({"x": x}, {"y": y}, {"y": Tolerance(output_scale(y), 1e-4)}, "generated")
    signature = Signature(
        (TensorSpec("x", DType.FP32, shape),), (TensorSpec("y", DType.FP32, ("batch", classes)),)
    )
    with BundleWriter(folder / f"{name}.bundle") as writer:
        target = writer.variant_folder("onnx-fp32") / "model.onnx"
        target.write_bytes(path.read_bytes())
        variant = Variant(
            id="onnx-fp32",
            format="onnx",
            precision="fp32",
            main="variants/onnx-fp32/model.onnx",
            runtime={"name": "onnxruntime", "options": {}},
            files=writer.files_of("onnx-fp32"),
        )
        bundle = writer.commit(Manifest(name, "1", signature, (variant,)), golden=golden)
    return path, bundle.path
