"""Keras 2's configuration as Keras 3 must read it to compute the same, and where that cannot be promised.

`hard_sigmoid` was clip(0.2 x + 0.5, 0, 1) in Keras 2 and is relu6(x + 3) / 6 in Keras 3: up to 0.083 apart,
under one name, in every LSTM of the older files. The parent reads this file too: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Any

COMPARED = frozenset(
    {
        "Activation",
        "Add",
        "Attention",
        "Average",
        "AveragePooling1D",
        "AveragePooling2D",
        "BatchNormalization",
        "Bidirectional",
        "Concatenate",
        "Conv1D",
        "Conv2D",
        "Conv2DTranspose",
        "ConvLSTM2D",
        "Cropping1D",
        "Cropping2D",
        "Dense",
        "DepthwiseConv2D",
        "Dot",
        "Dropout",
        "ELU",
        "Embedding",
        "Flatten",
        "Functional",
        "GRU",
        "GRUCell",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "InputLayer",
        "LSTM",
        "LSTMCell",
        "LayerNormalization",
        "LeakyReLU",
        "Masking",
        "MaxPooling1D",
        "MaxPooling2D",
        "Maximum",
        "Minimum",
        "Model",
        "Multiply",
        "PReLU",
        "Permute",
        "RNN",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "Resizing",
        "SeparableConv2D",
        "Sequential",
        "SimpleRNN",
        "SimpleRNNCell",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "Subtract",
        "TimeDistributed",
        "UpSampling1D",
        "UpSampling2D",
        "ZeroPadding1D",
        "ZeroPadding2D",
    }
)
"""Layers whose answers are the same in Keras 2.21 and 3.15; the tests compare them."""
_DROPPED = {
    "time_major": False,
    "softmax_robust_masking": False,
    "groups": 1,
    "output_shape": None,
    "synchronized": False,
    "renorm": False,
    "virtual_batch_size": None,
    "sparse": False,
    "ragged": False,
}
"""Arguments that Keras 3 has not, and the value at which they do nothing."""
_OTHERS_DROPPED = frozenset({"query_shape", "key_shape", "value_shape", "implementation", "input_length"})
"""Arguments that Keras 3 has not, and that say nothing of the answer."""
_KERNELS = frozenset({"kernel_initializer", "kernel_regularizer", "kernel_constraint"})
_DROPPED_OF = {
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"), _KERNELS),
    **dict.fromkeys(
        ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        frozenset({"trainable", "noise_shape", "data_format"}),
    ),
}
"""Arguments that such a layer took from its parent in Keras 2 and made nothing of; dropout only trains."""
_KEPT = {
    "groups": ("Conv1D", "Conv2D", "Conv3D", "GroupNormalization"),
    "sparse": ("InputLayer", "CategoryEncoding", "IntegerLookup", "StringLookup", "TextVectorization"),
    "ragged": ("InputLayer", "TextVectorization"),
    "output_shape": ("Lambda",),
}
"""Layers that have such an argument in Keras 3 as well."""
_GATED = ("LSTM", "GRU", "LSTMCell", "GRUCell", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")


def is_keras_3(version: str | None) -> bool:
    """Whether Keras 3 or newer wrote the file; files of the first Kerases do not say."""
    major = str(version or "2").partition(".")[0]
    return major.isdigit() and int(major) >= 3


def doubts(config: Json, backend: str | None = None) -> list[str]:
    """Why Keras 3 may compute something else from this configuration of Keras 2, one sentence each."""
    found = []
    for layer in layers(config):
        kind, inner = layer["class_name"], layer["config"]
        name = inner.get("name", kind)
        if kind not in COMPARED:
            found.append(f"layer {name!r} ({kind}) was not compared between Keras 2 and Keras 3")
        if kind in _GATED and "recurrent_activation" not in inner:
            found.append(
                f"layer {name!r} ({kind}) names no recurrent_activation; its default has changed since Keras 2.2"
            )
        found += [
            f"layer {name!r} ({kind}) has {key}={inner[key]!r}, which Keras 3 has not"
            for key in _dropped(kind, inner)
            if key in _DROPPED and inner[key] != _DROPPED[key]
        ]
    if backend not in (None, "tensorflow"):
        found.append(f"the file was written by Keras on {backend}, which may have turned its kernels around")
    return found


def hard_sigmoid_layers(config: Json) -> list[str]:
    """Names of the layers that use `hard_sigmoid`."""
    return [
        str(layer["config"].get("name", layer["class_name"]))
        for layer in layers(config)
        if "hard_sigmoid" in (layer["config"].get("activation"), layer["config"].get("recurrent_activation"))
    ]


def rewrite(config: Json) -> None:
    """Makes of it, in place, what Keras 3 understands, with `hard_sigmoid` spelled out in layers of its own."""
    for layer in layers(config):
        inner = layer["config"]
        for key in _dropped(layer["class_name"], inner):
            del inner[key]
        if "dtype" in inner:
            inner["dtype"] = _policy(inner["dtype"])
        for key in ("activation", "recurrent_activation"):
            if inner.get(key) == "hard_sigmoid":
                inner[key] = hard_sigmoid(str(inner.get("dtype") or "float32").removeprefix("mixed_"))
        if inner.get("score_mode") == "dot":  # the default; Keras 3 takes the word for its function `dot`
            del inner["score_mode"]
        if layer["class_name"] == "BatchNormalization" and isinstance(inner.get("axis"), list):
            (inner["axis"],) = inner["axis"]


def hard_sigmoid(dtype: str = "float32") -> dict[str, Json]:
    """Keras 2's function as a layer of Keras 3, which may stand for an activation and can be saved."""
    steps = [
        _keras_object("Rescaling", {"scale": 0.2, "offset": 0.5, "dtype": dtype}),
        _keras_object("ReLU", {"max_value": 1.0, "dtype": dtype}),
    ]
    return _keras_object("Pipeline", {"layers": steps})


def layers(config: Json) -> Iterator[dict[str, Json]]:
    """Every layer, models and cells among them, wherever it stands; any JSON may come."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            inner = item.get("config")
            if _is_layer(item, inner):
                yield item
            waiting.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def _is_layer(item: Mapping[str, Json], inner: Json) -> bool:
    """Layers are named; initializers and regularizers are not, and a dtype policy's name is its dtype."""
    return (
        isinstance(item.get("class_name"), str)
        and isinstance(inner, dict)
        and "name" in inner
        and not item["class_name"].endswith("Policy")
    )


def _dropped(kind: str, inner: Mapping[str, Json]) -> list[str]:
    known = _DROPPED.keys() | _OTHERS_DROPPED | _DROPPED_OF.get(kind, frozenset())
    return [key for key in inner if key in known and kind not in _KEPT.get(key, ())]


def _policy(dtype: Json) -> Json:
    """`"mixed_float16"` also from the object that Keras 2 wrote for it."""
    inner = dtype.get("config") if isinstance(dtype, dict) else None
    return inner.get("name") if isinstance(inner, dict) else dtype


def _keras_object(kind: str, config: dict[str, Json]) -> dict[str, Json]:
    return {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}
