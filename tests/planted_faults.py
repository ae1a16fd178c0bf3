"""Faults to plant into the ONNX files that `tapped_models.py` exports, with the layer and cause to be blamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from shipway.evaluation.blame import layer_causes as causes


def bake_batch(model: ModelProto, shape: Sequence[int] = (2, 64)) -> None:
    """The number of rows stands in the graph."""
    node(model, "Reshape", "view").input[1] = constant(model, "baked", np.array(shape))


def node(model: ModelProto, op: str, part: str = "") -> NodeProto:
    return next(found for found in model.graph.node if found.op_type == op and part in found.name)


def change(model: ModelProto, name: str, how: Callable[[np.ndarray], np.ndarray]) -> None:
    """Stores another value under the initializer's name: a copy, as several nodes may share one."""
    stored = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    changed = np.ascontiguousarray(how(numpy_helper.to_array(stored).copy()))
    stored.CopyFrom(numpy_helper.from_array(changed, name))


def insert_behind(model: ModelProto, value: str, made: list[NodeProto]) -> None:
    """Puts nodes behind a value, for all that use it; the first takes `in`, the last gives `out`."""
    place = next(i for i, found in enumerate(model.graph.node) if value in found.output)
    for later in model.graph.node:
        for number, name in enumerate(later.input):
            if name == value:
                later.input[number] = "planted"
    for part in made:
        for names, from_, to in ((part.input, "in", value), (part.output, "out", "planted")):
            for number, name in enumerate(names):
                if name == from_:
                    names[number] = to
    for part in reversed(made):
        model.graph.node.insert(place + 1, part)


def constant(model: ModelProto, name: str, value: np.ndarray) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def keras_layout(model: ModelProto) -> None:
    """The flattening forgets to put the channels last."""
    turned = node(model, "Transpose", "Transpose__")
    turned.attribute[0].CopyFrom(helper.make_attribute("perm", [0, 1, 2, 3]))


def keras_dropout(model: ModelProto) -> None:
    ratio = constant(model, "ratio", np.float32(0.5).reshape(()))
    training = constant(model, "training", np.array(True))
    made = [helper.make_node("Dropout", ["in", ratio, training], ["out"], seed=1)]
    insert_behind(model, node(model, "Reshape", "flat").output[0], made)


def keras_bias(model: ModelProto) -> None:
    change(model, node(model, "Conv", "body").input[2], np.zeros_like)


def keras_head_bias(model: ModelProto) -> None:
    change(model, node(model, "Add", "place").input[1], np.zeros_like)


def keras_channels(model: ModelProto) -> None:
    change(model, node(model, "Conv", "stem").input[1], lambda kernel: kernel[:, ::-1])


def keras_labels(model: ModelProto) -> None:
    change(model, node(model, "MatMul", "kind").input[1], lambda kernel: np.roll(kernel, 1, axis=1))
    change(model, node(model, "Add", "kind").input[1], lambda bias: np.roll(bias, 1))


def half_gone(weights: np.ndarray) -> np.ndarray:
    weights.reshape(-1)[weights.size // 2 :] = 0
    return weights


def keras_truncated(model: ModelProto) -> None:
    change(model, node(model, "Conv", "body").input[1], half_gone)


def keras_truncated_dense(model: ModelProto) -> None:
    change(model, node(model, "MatMul", "hidden").input[1], half_gone)


def keras_swapped(model: ModelProto) -> None:
    names = {"kind": "place", "place": "kind"}
    for found in model.graph.node:
        for number, name in enumerate(found.output):
            found.output[number] = names.get(name, name)


def keras_shifted_output(model: ModelProto) -> None:
    """Behind the last layer."""
    softmax = node(model, "Softmax", "kind")
    softmax.output[0] = "unshifted"
    order = constant(model, "order", np.roll(np.arange(5), 1))
    model.graph.node.append(helper.make_node("Gather", ["unshifted", order], ["kind"], axis=1))


def keras_padding(model: ModelProto) -> None:
    for attribute in node(model, "Conv", "body").attribute:
        if attribute.name in ("auto_pad", "pads"):
            attribute.CopyFrom(helper.make_attribute("pads", [2, 2, 0, 0]))


def keras_epsilon(model: ModelProto) -> None:
    change(model, node(model, "Add", "norm_1/add").input[1], lambda epsilon: epsilon * 100)


def torch_flatten(model: ModelProto) -> None:
    pool = node(model, "AveragePool").output[0]
    insert_behind(model, pool, [helper.make_node("Transpose", ["in"], ["out"], perm=[0, 2, 3, 1])])


def torch_batch_norm(model: ModelProto) -> None:
    norm = node(model, "BatchNormalization")
    norm.attribute.append(helper.make_attribute("training_mode", 1))
    norm.output.extend(["mean", "variance"])


def torch_bias(model: ModelProto) -> None:
    change(model, "fc1.bias", np.zeros_like)


def torch_channels(model: ModelProto) -> None:
    """The image itself is turned round, before the first layer."""
    order = constant(model, "order", np.array([2, 1, 0]))
    for found in model.graph.node:
        if found.op_type == "Conv" and found.input[0] == "image":
            found.input[0] = "reversed"
    model.graph.node.insert(0, helper.make_node("Gather", ["image", order], ["reversed"], axis=1))


def torch_labels(model: ModelProto) -> None:
    change(model, "fc2.weight", lambda kernel: np.roll(kernel, -1, axis=0))
    change(model, "fc2.bias", lambda bias: np.roll(bias, -1))


def torch_truncated(model: ModelProto) -> None:
    change(model, "features.3.weight", half_gone)


def torch_epsilon(model: ModelProto) -> None:
    for attribute in node(model, "BatchNormalization").attribute:
        if attribute.name == "epsilon":
            attribute.f = 1e-2


def torch_gelu(model: ModelProto) -> None:
    gelu = next(found for found in model.graph.node if "gelu" in found.output)
    made = helper.make_node("Gelu", [node(model, "Conv", "conv2d_1").output[0]], ["gelu"], approximate="tanh")
    place = list(model.graph.node).index(gelu)
    model.graph.node.remove(gelu)
    model.graph.node.insert(place, made)
    model.opset_import[0].version = 20


def torch_resize(model: ModelProto) -> None:
    for attribute in node(model, "Resize").attribute:
        if attribute.name == "coordinate_transformation_mode":
            attribute.s = b"asymmetric"


def torch_overflow(model: ModelProto) -> None:
    """One layer in float16, whose largest number is 65504."""
    gemm = next(found for found in model.graph.node if "fc1.weight" in found.input)
    place, answer = list(model.graph.node).index(gemm), gemm.output[0]
    casts = [
        helper.make_node("Cast", [name], [f"{name}-half"], to=TensorProto.FLOAT16) for name in gemm.input
    ]
    for number, name in enumerate(list(gemm.input)):
        gemm.input[number] = f"{name}-half"
    gemm.output[0] = f"{answer}-half"
    model.graph.node.insert(
        place + 1, helper.make_node("Cast", [gemm.output[0]], [answer], to=TensorProto.FLOAT)
    )
    for cast in casts:
        model.graph.node.insert(place, cast)


def torch_half(model: ModelProto) -> None:
    """All layers in float16."""
    model.CopyFrom(convert_float_to_float16(model, keep_io_types=True))


KERAS_FAULTS: dict[str, tuple[Callable[[ModelProto], None], str, str]] = {
    "transposed layout": (keras_layout, "flat", causes.LAYOUT),
    "missing eval": (keras_dropout, "drop", causes.EVAL_MODE),
    "dropped bias": (keras_bias, "body", causes.LOST_BIAS),
    "dropped bias before a softmax": (keras_head_bias, "place", causes.LOST_BIAS),
    "RGB for BGR": (keras_channels, "stem", causes.REVERSED),
    "labels off by one": (keras_labels, "kind", causes.SHIFTED),
    "labels off by one behind the last layer": (keras_shifted_output, "kind", causes.SHIFTED),
    "truncated weights": (keras_truncated, "body", causes.TRUNCATED),
    "truncated weights of a matrix": (keras_truncated_dense, "hidden", causes.TRUNCATED),
    "swapped outputs": (keras_swapped, "kind", causes.SWAPPED),
    "padding": (keras_padding, "body", causes.PADDING),
    "epsilon": (keras_epsilon, "norm", causes.EPSILON),
}
TORCH_FAULTS: dict[str, tuple[Callable[[ModelProto], None], str, str]] = {
    "transposed layout": (torch_flatten, "flatten", causes.LAYOUT),
    "missing eval": (torch_batch_norm, "features.1", causes.EVAL_MODE),
    "dropped bias": (torch_bias, "fc1", causes.LOST_BIAS),
    "RGB for BGR": (torch_channels, "features.0", causes.REVERSED),
    "labels off by one": (torch_labels, "fc2", causes.SHIFTED),
    "truncated weights": (torch_truncated, "features.3", causes.TRUNCATED),
    "epsilon": (torch_epsilon, "features.1", causes.EPSILON),
    "activation": (torch_gelu, "features.4", causes.ACTIVATION),
    "resize": (torch_resize, "grow", causes.RESIZE),
    "overflow of float16": (torch_overflow, "fc1", causes.DTYPE),
    "overflow in a model of float16": (torch_half, "fc1", causes.DTYPE),
}
