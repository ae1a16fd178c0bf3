"""Keras 2's configurations of several ages, outlined like those of Keras 3."""

from __future__ import annotations

from typing import Any

import pytest

from shipway.sources.files import keras_2_config, keras_config
from shipway.types import DType


def entry(kind: str, name: str, nodes: list[Any] | None = None, **config: Any) -> dict[str, Any]:
    found = {"class_name": kind, "config": {"name": name, **config}}
    return found if nodes is None else {**found, "name": name, "inbound_nodes": nodes}


def functional(kind: str) -> dict[str, Any]:
    token_input = entry("InputLayer", "tokens", [], batch_input_shape=[None, None], dtype="int32")
    dense = {"kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}, "units": 2}
    return {
        "class_name": kind,
        "config": {
            "name": "model",
            "layers": [
                token_input,
                entry("Embedding", "words", [[["tokens", 0, 0, {}]]], input_dim=50),
                entry("Dense", "label", [[["words", 0, 0, {}]]], **dense),
            ],
            "input_layers": [["tokens", 0, 0]],
            "output_layers": [["label", 0, 0]],
        },
    }


@pytest.mark.parametrize("kind", ["Functional", "Model"])
def test_inputs_layers_and_vocabulary_are_told(kind: str) -> None:
    config = functional(kind)
    keras_2_config.rewrite(config)
    told = keras_config.outline(config)
    assert told.inputs is not None
    assert [(spec.name, spec.dtype, spec.shape) for spec in told.inputs] == [
        ("tokens", DType.INT32, ("batch", "tokens_1"))
    ]
    assert told.value_ranges == {"tokens": (0.0, 49.0)}
    kinds = [layer["class"] for layer in told.layers]
    assert kinds == ["Functional", "InputLayer", "Embedding", "Dense"]


def test_a_sequential_without_an_input_layer_leaves_its_input_to_keras() -> None:
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry("Dense", "d", units=2)]}}
    keras_2_config.rewrite(config)
    assert keras_config.outline(config).inputs is None


def test_a_state_kept_between_calls_is_told() -> None:
    memory = entry("LSTM", "memory", stateful=True)
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [memory]}}
    keras_2_config.rewrite(config)
    assert "'memory'" in keras_config.outline(config).unsupported[0]


@pytest.mark.parametrize(
    "config", [{}, {"class_name": 3}, {"config": {"layers": [1, None, {"inbound_nodes": [1, [2, [3]]]}]}}]
)
def test_any_json_may_come(config: dict[str, Any]) -> None:
    keras_2_config.rewrite(config)
    assert keras_config.outline(config).inputs is None
