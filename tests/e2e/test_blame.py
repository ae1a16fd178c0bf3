"""Faults planted into converted Keras and PyTorch models are blamed on the right layer, with the right cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors
from onnxruntime.transformers.float16 import convert_float_to_float16

from shipway.evaluation import layer_causes as causes
from shipway.evaluation.blame import Blame, find_blame, find_node, find_stop
from shipway.evaluation.tapped import NodeAnswer, layers_of_nodes
from shipway.graph.tapping import TAPPED_NAME, Tap, tap_graph
from shipway.sources.base import LayerAnswer

pytestmark = pytest.mark.framework

_BUILD = Path(__file__).parents[1] / "tapped_models.py"


@dataclass(frozen=True)
class Source:
    """A trained model's own layers, and what its framework's exporter made of it."""

    model: Path
    x: np.ndarray
    layers: list[LayerAnswer]

    def edited(self, into: Path, edit: Callable[[ModelProto], None]) -> Path:
        model = onnx.load(self.model)
        edit(model)
        onnx.save(model, into / "model.onnx")
        return into / "model.onnx"

    def blame(self, model: Path, into: Path, *, until: str | None = None) -> Blame | None:
        nodes, found = answers(model, self.x, into, until=until)
        _, reference = answers(self.model, self.x, into)
        return find_blame(self.layers, nodes, reference=reference, found=found)


def answers(
    model: Path, x: np.ndarray, into: Path, *, until: str | None = None
) -> tuple[list[NodeAnswer], dict[str, np.ndarray]]:
    """What each node gives, and the model's outputs."""
    into.mkdir(exist_ok=True)
    taps = tap_graph(model, into, until=until)
    session = ort.InferenceSession(into / TAPPED_NAME, options(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {session.get_inputs()[0].name: x}), strict=True))
    outputs = {
        output.name: found[output.name] for output in onnx.load(model).graph.output if output.name in found
    }
    return [heard(tap, found) for tap in taps], outputs


def options(*, optimized: bool = False) -> ort.SessionOptions:
    chosen = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    chosen.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    chosen.log_severity_level = 4
    return chosen


def heard(tap: Tap, found: dict[str, np.ndarray]) -> NodeAnswer:
    return NodeAnswer(tap.output, tap.op, tap.node, found[tap.output], tap.inputs)


def build(kind: str, folder: Path) -> Source:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(_BUILD), kind, str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return Source(folder / "model.onnx", np.load(folder / "x.npy"), read_layers(folder))


def read_layers(folder: Path) -> list[LayerAnswer]:
    described = json.loads((folder / "layers.json").read_text(encoding="utf-8"))
    return [read_layer(layer, np.load(folder / f"{number}.npz")) for number, layer in enumerate(described)]


def read_layer(described: dict, arrays: np.lib.npyio.NpzFile) -> LayerAnswer:
    inputs, outputs = (
        tuple(arrays[f"{side}_{number}"] for number in range(described[side]))
        for side in ("inputs", "outputs")
    )
    weights = {name: arrays[f"weight_{number}"] for number, name in enumerate(described["weights"])}
    return LayerAnswer(described["name"], described["kind"], inputs, outputs, weights)


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return build("keras", tmp_path_factory.mktemp("keras"))


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return build("torch", tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="module")
def exported(torch: Source) -> Source:
    return replace(torch, layers=read_layers(torch.model.parent / "exported"))


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


def check(blame: Blame | None, layer: str, cause: str) -> None:
    assert blame is not None
    assert (blame.layer, blame.cause[: len(cause)]) == (layer, cause), blame
    assert blame.error_before < 3e-3
    assert blame.error_after > 10 * blame.error_before
    assert blame.input_low < blame.input_high
    assert blame.node
    line = blame.describe()
    assert layer in line
    assert cause in line


@pytest.mark.parametrize("fault", KERAS_FAULTS)
def test_a_fault_in_a_keras_model_is_found(tmp_path: Path, keras: Source, fault: str) -> None:
    edit, layer, cause = KERAS_FAULTS[fault]
    check(keras.blame(keras.edited(tmp_path, edit), tmp_path / "taps"), layer, cause)


@pytest.mark.parametrize("fault", TORCH_FAULTS)
def test_a_fault_in_a_torch_model_is_found(tmp_path: Path, torch: Source, fault: str) -> None:
    edit, layer, cause = TORCH_FAULTS[fault]
    check(torch.blame(torch.edited(tmp_path, edit), tmp_path / "taps"), layer, cause)


@pytest.mark.parametrize("fault", ["transposed layout", "missing eval", "RGB for BGR", "activation"])
def test_a_fault_is_found_from_the_operations_of_an_exported_program(
    tmp_path: Path, exported: Source, fault: str
) -> None:
    edit, layer, cause = TORCH_FAULTS[fault]
    check(exported.blame(exported.edited(tmp_path, edit), tmp_path / "taps"), layer, cause)


@pytest.mark.parametrize("kind", ["keras", "torch", "exported"])
def test_nothing_is_blamed_in_an_unchanged_model(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    source = request.getfixturevalue(kind)
    assert source.blame(source.model, tmp_path) is None


BAKED = {"that multiplies the columns": [2, -1], "that fits no other number": [2, 64]}


@pytest.mark.parametrize("shape", BAKED.values(), ids=BAKED)
def test_a_batch_size_in_the_graph_is_blamed_though_the_model_cannot_be_run(
    tmp_path: Path, torch: Source, shape: list[int]
) -> None:
    def bake(model: ModelProto) -> None:
        node(model, "Reshape", "view").input[1] = constant(model, "baked", np.array(shape))

    model = torch.edited(tmp_path, bake)
    (tmp_path / "cut").mkdir()

    def runs(value: str) -> bool:
        try:
            answers(model, torch.x, tmp_path / "cut", until=value)
        except (
            onnxruntime_errors.Fail,
            onnxruntime_errors.InvalidArgument,
            onnxruntime_errors.RuntimeException,
        ):
            return False
        return True

    taps = tap_graph(model, tmp_path / "cut")
    stop = find_stop([tap.output for tap in taps], runs)
    nodes, _ = answers(model, torch.x, tmp_path / "cut", until=taps[stop - 1].output)
    blame = find_blame(torch.layers, nodes, stopped_at=(taps[stop].node, taps[stop].op))
    check(blame, "flatten", causes.BATCH)


def test_the_nodes_of_an_onnx_source_are_its_layers(tmp_path: Path, torch: Source) -> None:
    nodes, reference = answers(torch.model, torch.x, tmp_path)
    changed, found = answers(torch.edited(tmp_path, torch_epsilon), torch.x, tmp_path)
    blame = find_blame(layers_of_nodes(nodes), changed, reference=reference, found=found)
    assert blame is not None
    assert blame.kind == "BatchNormalization"
    assert find_blame(layers_of_nodes(nodes), nodes, reference=reference, found=reference) is None


def test_the_node_at_which_two_runs_part_is_found_by_bisection(tmp_path: Path, torch: Source) -> None:
    plain, _ = answers(torch.model, torch.x, tmp_path)
    asked = []

    def ask_of(model: Path) -> Callable[[str], np.ndarray]:
        def ask(name: str) -> np.ndarray:
            asked.append(name)
            tap_graph(model, tmp_path, only=[name])
            session = ort.InferenceSession(tmp_path / TAPPED_NAME, options(optimized=True))
            return session.run([name], {"image": torch.x})[0]

        return ask

    assert find_node(plain, ask_of(torch.model)) is None
    blame = find_node(plain, ask_of(torch.edited(tmp_path, torch_bias)))
    assert blame is not None
    assert blame.node == "node_linear"
    assert blame.error_before < 1e-5 < blame.error_after
    assert len(asked) < len(plain) / 2
