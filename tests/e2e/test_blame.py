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
from onnx import ModelProto
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors

from planted_faults import KERAS_FAULTS, TORCH_FAULTS, bake_batch, torch_bias, torch_epsilon
from shipway.evaluation.blame import layer_causes as causes
from shipway.evaluation.blame.search import Blame, find_blame, find_node, find_stop
from shipway.evaluation.blame.tapped import NodeAnswer, layers_of_nodes
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
    model = torch.edited(tmp_path, lambda model: bake_batch(model, shape))
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
