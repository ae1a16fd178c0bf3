"""The first layer that a candidate does not hold is blamed; merged, moved and idle layers are not."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.evaluation.blame import layer_causes as causes
from shipway.evaluation.blame.search import Blame, find_blame, find_node, find_stop
from shipway.evaluation.blame.tapped import NodeAnswer, layers_of_nodes
from shipway.sources.base import LayerAnswer

ROWS, DEPTH = 8, 6


def chain(seed: int = 0, depth: int = DEPTH) -> list[LayerAnswer]:
    """Dense layers in a row, with tanh."""
    generator = np.random.default_rng(seed)
    value = generator.standard_normal((ROWS, 10)).astype(np.float32)
    layers = []
    for number in range(depth):
        kernel = generator.standard_normal((10, 10)).astype(np.float32) / 3
        bias = generator.standard_normal(10).astype(np.float32) / 3
        after = np.tanh(value @ kernel + bias)
        layers.append(
            LayerAnswer(f"d{number}", "Dense", (value,), (after,), {"kernel": kernel, "bias": bias})
        )
        value = after
    return layers


def computed(
    layers: list[LayerAnswer], *, lost_bias: str = "", rounding: float = 1e-7, seed: int = 1
) -> list[NodeAnswer]:
    """What a converted model gives at each layer, with another rounding, one layer's bias left out."""
    generator = np.random.default_rng(seed)
    value = layers[0].inputs[0]
    nodes = []
    for layer in layers:
        bias = layer.parameters["bias"] * (layer.name != lost_bias)
        for op, found in (("MatMul", value @ layer.parameters["kernel"]), ("Add", None), ("Tanh", None)):
            value = found if found is not None else value + bias if op == "Add" else np.tanh(value)
            nodes.append(NodeAnswer(f"{op}{len(nodes)}:0", op, f"{op}{len(nodes)}", value))
        value = (value + rounding * generator.standard_normal(value.shape)).astype(np.float32)
    return nodes


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_blamed_for_rounding(seed: int) -> None:
    layers = chain(seed)
    assert find_blame(layers, computed(layers, seed=seed)) is None


@pytest.mark.parametrize("number", range(DEPTH))
def test_the_layer_with_the_fault_is_blamed_wherever_it_stands(number: int) -> None:
    layers = chain()
    blame = find_blame(layers, computed(layers, lost_bias=f"d{number}"))
    assert blame is not None
    assert blame.layer == f"d{number}"
    assert blame.cause.startswith(causes.LOST_BIAS)
    assert blame.node == f"Tanh{3 * number + 2}"
    assert blame.error_before < 1e-5 < 1e-2 < blame.error_after
    assert blame.input_low == layers[number].inputs[0].min()
    assert blame.input_high == layers[number].inputs[0].max()


def test_a_layer_that_was_merged_is_no_fault() -> None:
    layers = chain()
    nodes = [node for node in computed(layers) if not node.node.endswith(("5", "8"))]  # those of d1 and d2
    assert find_blame(layers, nodes) is None


def test_a_fault_behind_a_merged_layer_is_blamed_on_the_merged_ones() -> None:
    layers = chain()
    nodes = [node for node in computed(layers, lost_bias="d3") if not node.node.endswith("8")]
    blame = find_blame(layers, nodes)
    assert blame is not None
    assert blame.layer in ("d2", "d3")


@pytest.mark.parametrize("shape", [(0, 3, 1, 2), (0, 1, 2, 3)])
def test_channels_first_and_last_are_the_same_answer(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).standard_normal((ROWS, 4, 5, 3)).astype(np.float32)
    layers = [LayerAnswer("scale", "Rescaling", (image,), (image * 2,))]
    nodes = [NodeAnswer("y", "Mul", "mul", np.transpose(image * 2, shape))]
    assert find_blame(layers, nodes) is None


def test_another_order_of_the_axes_is_not() -> None:
    image = np.random.default_rng(0).standard_normal((ROWS, 4, 5, 3)).astype(np.float32)
    layers = [LayerAnswer("scale", "Rescaling", (image,), (image * 2,))]
    nodes = [NodeAnswer("y", "Mul", "mul", np.transpose(image * 2, (0, 2, 1, 3)))]
    blame = find_blame(layers, nodes)
    assert blame is not None
    assert blame.cause.startswith("layout")


def test_rows_behind_other_axes_are_found() -> None:
    """ONNX's LSTM answers `[time, directions, rows, units]`."""
    answer = np.random.default_rng(0).standard_normal((ROWS, 7, 3)).astype(np.float32)
    layers = [LayerAnswer("memory", "LSTM", (answer[..., :2],), (answer,))]
    nodes = [NodeAnswer("y", "LSTM", "lstm", np.moveaxis(answer, 0, 1)[:, None])]
    assert find_blame(layers, nodes) is None


def test_a_layer_left_aside_is_no_fault() -> None:
    layers = chain()
    aside = LayerAnswer("aside", "Dense", (layers[1].outputs[0],), (layers[1].outputs[0] ** 2,))
    layers.insert(2, aside)
    faulty = [layer for layer in layers if layer is not aside]
    blame = find_blame(layers, computed(faulty, lost_bias="d4"))
    assert blame is not None
    assert blame.layer == "d4"


def test_answers_that_tell_nothing_neither_prove_nor_fail() -> None:
    dead = np.zeros((ROWS, 10), np.float32)
    layers = [*chain(), LayerAnswer("dead", "ReLU", (chain()[-1].outputs[0],), (dead,))]
    assert find_blame(layers, computed(layers[:-1])) is None
    nodes = [*computed(layers[:-1], lost_bias="d2"), NodeAnswer("z", "Relu", "relu", dead)]
    blame = find_blame(layers, nodes)
    assert blame is not None
    assert blame.layer == "d2"


def test_what_is_computed_between_layers_is_blamed_on_the_layer_that_takes_it() -> None:
    generator = np.random.default_rng(0)
    image = generator.standard_normal((ROWS, 3, 4, 4)).astype(np.float32)
    flat = (image * 2).reshape(ROWS, -1)
    kernel = generator.standard_normal((48, 5)).astype(np.float32)
    layers = [
        LayerAnswer("conv", "Conv2d", (image,), (image * 2,)),
        LayerAnswer("fc", "Linear", (flat[:, ::1] + 0,), (flat @ kernel,), {"weight": kernel.T}),
    ]
    turned = np.transpose(image * 2, (0, 2, 3, 1)).reshape(ROWS, -1)
    nodes = [
        NodeAnswer("a", "Conv", "conv", image * 2),
        NodeAnswer("b", "Reshape", "flat", turned),
        NodeAnswer("c", "Gemm", "gemm", turned @ kernel),
    ]
    blame = find_blame(layers, nodes)
    assert blame is not None
    assert (blame.layer, blame.node) == ("fc", "flat")
    assert blame.cause.startswith("layout")


def test_outputs_under_exchanged_names_are_blamed_without_any_node() -> None:
    first, second = chain(0)[-1], chain(1)[-1]
    reference = {"a": first.outputs[0], "b": second.outputs[0]}
    blame = find_blame(
        [first, second], [], reference=reference, found={"a": reference["b"], "b": reference["a"]}
    )
    assert blame is not None
    assert blame.cause.startswith(causes.SWAPPED)
    assert blame.layer == first.name
    assert find_blame([first, second], [], reference=reference, found=reference) is None


def test_half_precision_hides_no_larger_fault() -> None:
    layers = chain()
    half = [
        NodeAnswer(node.name, node.op, node.node, node.value.astype(np.float16))
        for node in computed(layers, lost_bias="d3")
    ]
    blame = find_blame(layers, half)
    assert blame is not None
    assert blame.layer == "d3"
    healthy = [
        NodeAnswer(node.name, node.op, node.node, node.value.astype(np.float16)) for node in computed(layers)
    ]
    blame = find_blame(layers, healthy)
    assert blame is not None
    assert blame.cause == f"{causes.DTYPE}: computed in float16"


def test_the_line_for_the_verdict_leaves_out_what_is_not_known() -> None:
    blame = Blame("d3", "Dense", "", np.nan, np.nan, 0.0, np.inf, "")
    assert blame.describe() == "parts first at 'd3' (Dense); error 0 before and beyond measure after it"


def test_the_first_value_that_cannot_be_computed_is_found() -> None:
    values = [f"v{number}" for number in range(37)]
    for first in (0, 1, 20, 36, 37):
        asked: list[str] = []

        def runs(value: str, first: int = first, asked: list[str] = asked) -> bool:
            asked.append(value)
            return int(value[1:]) < first

        assert find_stop(values, runs) == first
        assert len(asked) <= 6


@pytest.mark.parametrize("first", [0, 7, 17])
def test_the_first_node_that_optimization_changes_is_found(first: int) -> None:
    plain = computed(chain())

    def ask(name: str) -> np.ndarray:
        place = next(number for number, node in enumerate(plain) if node.name == name)
        return plain[place].value * np.float32(1 if place < first else 1.01)

    blame = find_node(plain, ask)
    assert blame is not None
    assert blame.node == plain[first].node
    assert find_node(plain, lambda name: next(node.value for node in plain if node.name == name)) is None


def test_nodes_become_layers_with_the_inputs_that_are_known() -> None:
    x = np.ones((2, 3), np.float32)
    nodes = [
        NodeAnswer("a", "Relu", "relu", x, ("image",)),
        NodeAnswer("b", "Add", "add", x * 2, ("a", "bias")),
    ]
    layers = layers_of_nodes(nodes)
    assert [layer.name for layer in layers] == ["relu", "add"]
    assert [len(layer.inputs) for layer in layers] == [0, 1]
