"""What a Keras configuration tells without Keras: layers, inputs, sensible values, and what forbids running it.

The configuration comes from a file that may be hostile: every look into it expects any JSON, and nothing
recurses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shipway.types import Dim, DType, TensorSpec

Json = Any

_LOOPS = ("RNN", "SimpleRNN", "LSTM", "GRU", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_CELLS = ("SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells")
_ATTENTION = (
    "MultiHeadAttention",
    "GroupQueryAttention",
    "GroupedQueryAttention",
    "Attention",
    "AdditiveAttention",
)
_RECURRENT_OR_ATTENTIVE = frozenset((*_LOOPS, *_CELLS, *_ATTENTION))
"""Layers whose control flow or free axes the torch exporter fixes: docs/decisions/0002."""


@dataclass(frozen=True)
class Outline:
    """A model as its configuration tells it."""

    kind: str
    """`"Sequential"`, `"Functional"`, or the name of the user's own class."""
    layers: tuple[Mapping[str, str], ...]
    """`{"name", "class"}` of every layer, nested models' layers too, in the configuration's order."""
    inputs: tuple[TensorSpec, ...] | None
    """None where only the framework can tell."""
    value_ranges: Mapping[str, tuple[float, float]]
    needs_trust: tuple[str, ...]
    """Layers that hold Python code of their own."""
    unsupported: tuple[str, ...]
    """Why the model cannot be served, one sentence each."""

    @property
    def is_recurrent_or_attentive(self) -> bool:
        """True when a layer loops over an axis or attends along it."""
        return any(layer["class"] in _RECURRENT_OR_ATTENTIVE for layer in self.layers)


def outline(config: Mapping[str, Json]) -> Outline:
    """Reads `config.json`. Never raises, whatever the JSON is: what it cannot tell is left out."""
    objects = [item for item in _walk(config) if isinstance(item.get("class_name"), str)]
    layers = tuple(_layer(item) for item in objects if _is_layer(item))
    input_configs = _input_configs(config)
    inputs = _specs(input_configs)
    return Outline(
        kind=str(config.get("class_name", "")),
        layers=layers,
        inputs=inputs,
        value_ranges=_value_ranges(config, input_configs) if inputs else {},
        needs_trust=tuple(_untrusted(objects)),
        unsupported=tuple(_unsupported(objects)),
    )


def _walk(root: Json) -> Iterator[Mapping[str, Json]]:
    """Every object in the JSON, parents before children, in order."""
    stack = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(reversed(item.values()))
        elif isinstance(item, list):
            stack.extend(reversed(item))


def _is_layer(item: Mapping[str, Json]) -> bool:
    module = str(item.get("module"))
    config = item.get("config")
    foreign = not module.startswith(("keras", "builtins")) and item.get("registered_name") is not None
    return isinstance(config, dict) and (
        module.startswith(("keras.layers", "keras.src.layers", "keras.src.models", "keras.src.ops"))
        or (module == "keras" and item["class_name"] in ("Sequential", "Functional", "Model"))
        or (foreign and "name" in config)
    )


def _layer(item: Mapping[str, Json]) -> Mapping[str, str]:
    return {"name": str(item["config"].get("name", "")), "class": item["class_name"]}


def _untrusted(objects: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    """Layers with a pickled lambda anywhere inside, or with a function that is not Keras's own."""
    for item in objects:
        config = item.get("config")
        if item["class_name"] != "Lambda" or not isinstance(config, dict):
            continue
        function = config.get("function")
        if not isinstance(function, dict) or not str(function.get("module")).startswith("keras"):
            yield str(config.get("name", "Lambda"))
    inside = {id(inner) for item in objects if item["class_name"] == "Lambda" for inner in _walk(item)}
    for item in objects:
        if item["class_name"] == "__lambda__" and id(item) not in inside:
            yield "a lambda outside of a Lambda layer"


def _unsupported(objects: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    for item in objects:
        config = item.get("config")
        if not isinstance(config, dict):
            continue
        name = config.get("name", item["class_name"])
        if config.get("stateful") is True:
            yield f"layer {name!r} keeps state between calls (stateful=True)"
        if item["class_name"] == "InputLayer" and (config.get("sparse") or config.get("ragged")):
            yield f"input {name!r} is sparse or ragged; only dense tensors are served"


def _input_configs(config: Mapping[str, Json]) -> dict[str, Mapping[str, Json]] | None:
    """Input name → its InputLayer's configuration, in Keras's order; None where they are not told."""
    body = config.get("config")
    if not isinstance(body, dict) or not isinstance(layers := body.get("layers"), list):
        return None
    found: dict[str, Mapping[str, Json]] = {}
    for layer in layers:
        inner = layer.get("config") if isinstance(layer, dict) else None
        if isinstance(inner, dict) and layer.get("class_name") == "InputLayer":
            found[str(inner.get("name"))] = inner
    if config.get("class_name") == "Sequential":
        return found if len(found) == 1 else None
    try:
        return {name: found[layer] for name, layer in _entries(body["input_layers"])}
    except (KeyError, TypeError):
        return None


def _entries(layers: Json) -> list[tuple[str, str]]:
    """(input's name, its layer) from `["a", 0, 0]`, `[["a", 0, 0], …]` or `{"key": ["a", 0, 0]}` (sorted keys).

    Raises `KeyError` for any other structure.
    """
    if _is_entry(layers):
        return [(layers[0], layers[0])]
    if isinstance(layers, list) and layers and all(_is_entry(item) for item in layers):
        return [(item[0], item[0]) for item in layers]
    if isinstance(layers, dict) and layers and all(_is_entry(item) for item in layers.values()):
        return [(key, layers[key][0]) for key in sorted(layers)]
    raise KeyError("input_layers")


def _is_entry(item: Json) -> bool:
    return isinstance(item, list) and len(item) == 3 and isinstance(item[0], str) and item[1:] == [0, 0]


def _specs(configs: Mapping[str, Mapping[str, Json]] | None) -> tuple[TensorSpec, ...] | None:
    """Free dimensions are named as the worker names them: `batch`, and the first input with a free axis there."""
    if not configs:
        return None
    owners: dict[int, str] = {}
    specs = []
    for name, config in configs.items():
        sizes = config.get("batch_shape", config.get("batch_input_shape"))
        dtype = _dtype(config.get("dtype"))
        if dtype is None or not isinstance(sizes, list):
            return None
        shape: list[Dim] = []
        for axis, size in enumerate(sizes):
            if size is not None and (not isinstance(size, int) or size < 0):
                return None
            free = (
                "batch" if axis == 0 else f"{owners.setdefault(axis, name) if size is None else name}_{axis}"
            )
            shape.append(free if size is None else size)
        specs.append(TensorSpec(name, dtype, tuple(shape)))
    return tuple(specs)


def _dtype(value: Json) -> DType | None:
    """From `"float32"` or a dtype policy's configuration."""
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, dict) else None
    if value == "string":
        return DType.BYTES
    try:
        found = DType.of(np.dtype(value)) if isinstance(value, str) else None
    except (TypeError, ValueError):
        return None
    # numpy knows bfloat16 by name where something has imported ml_dtypes: the answer must not hang on that.
    return None if found is DType.BF16 else found


def _value_ranges(
    config: Mapping[str, Json], inputs: Mapping[str, Mapping[str, Json]] | None
) -> dict[str, tuple[float, float]]:
    """The vocabulary's size for inputs that feed an Embedding directly."""
    names = {str(inner.get("name")): name for name, inner in (inputs or {}).items()}
    ranges: dict[str, tuple[float, float]] = {}
    previous = ""
    for layer in config["config"]["layers"]:
        inner = layer.get("config") if isinstance(layer, dict) else None
        if not isinstance(inner, dict):
            continue
        size = inner.get("input_dim")
        if layer.get("class_name") == "Embedding" and isinstance(size, int) and size > 0:
            sequential = config.get("class_name") == "Sequential"
            for feeder in [previous] if sequential else _feeders(layer.get("inbound_nodes")):
                if feeder in names:
                    highest = ranges.get(names[feeder], (0.0, float("inf")))[1]
                    ranges[names[feeder]] = (0.0, min(highest, float(size - 1)))
        previous = str(inner.get("name"))
    return ranges


def _feeders(nodes: Json) -> Iterator[str]:
    for item in _walk(nodes):
        history = item.get("keras_history")
        if isinstance(history, list) and history and isinstance(history[0], str):
            yield history[0]
