"""What of Keras 2's configuration is rewritten, kept and doubted, on the configurations themselves."""

from __future__ import annotations

from typing import Any

import pytest

from shipway.sources.workers.frameworks.keras_2_to_3 import (
    doubts,
    hard_sigmoid_layers,
    is_keras_3,
    layers,
    rewrite,
)


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": kind.lower(), **config}}


def model(*inner: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "model", "layers": list(inner)}}


def steps(activation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(step["class_name"], step["config"]) for step in activation["config"]["layers"]]


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [("float32", "float32"), ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "float16")],
)
def test_hard_sigmoid_becomes_its_two_steps_in_the_layer_s_dtype(dtype: Any, computed: str) -> None:
    config = model(layer("LSTM", dtype=dtype, activation="tanh", recurrent_activation="hard_sigmoid"))
    rewrite(config)
    inner = config["config"]["layers"][0]["config"]
    assert inner["activation"] == "tanh"
    assert steps(inner["recurrent_activation"]) == [
        ("Rescaling", {"scale": 0.2, "offset": 0.5, "dtype": computed}),
        ("ReLU", {"max_value": 1.0, "dtype": computed}),
    ]


def test_only_what_keras_3_has_not_is_dropped() -> None:
    config = model(
        layer("Conv2D", groups=2, kernel_initializer={"class_name": "Zeros", "config": {}}),
        layer("DepthwiseConv2D", groups=1, kernel_initializer={"class_name": "Zeros", "config": {}}),
        layer("BatchNormalization", axis=[3]),
        layer("GRU", time_major=False, implementation=2, recurrent_activation="sigmoid"),
    )
    rewrite(config)
    conv, depthwise, normalization, gru = (one["config"] for one in config["config"]["layers"])
    assert conv["groups"] == 2
    assert "kernel_initializer" in conv
    assert depthwise == {"name": "depthwiseconv2d"}
    assert normalization["axis"] == 3
    assert gru == {"name": "gru", "recurrent_activation": "sigmoid"}


def test_layers_are_found_within_layers() -> None:
    cell = layer("LSTMCell", recurrent_activation="hard_sigmoid")
    config = model(layer("Bidirectional", layer=layer("RNN", cell=cell)))
    assert [one["class_name"] for one in layers(config)] == ["Sequential", "Bidirectional", "RNN", "LSTMCell"]
    assert hard_sigmoid_layers(config) == ["lstmcell"]


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (layer("Discretization"), "was not compared"),
        (layer("LSTM", time_major=True, recurrent_activation="sigmoid"), "time_major=True"),
        (layer("GRU"), "names no recurrent_activation"),
    ],
)
def test_a_meaning_that_may_have_moved_is_doubted(inner: dict[str, Any], said: str) -> None:
    (doubt,) = doubts(model(inner))
    assert said in doubt
    assert inner["class_name"] in doubt


def test_a_plain_model_is_not_doubted_but_another_backend_is() -> None:
    config = model(layer("Dense", activation="relu"), layer("LSTM", recurrent_activation="hard_sigmoid"))
    assert doubts(config, "tensorflow") == []
    (doubt,) = doubts(config, "theano")
    assert "theano" in doubt


@pytest.mark.parametrize(
    ("version", "expected"), [("3.0.0", True), ("2.15.0", False), (None, False), ("x", False)]
)
def test_which_keras_wrote_it(version: str | None, expected: bool) -> None:
    assert is_keras_3(version) is expected


@pytest.mark.parametrize("config", [None, 3, [[]], {"class_name": 1}, {"class_name": "Dense", "config": []}])
def test_any_json_may_come(config: Any) -> None:
    assert doubts(config) == []
    rewrite(config)
