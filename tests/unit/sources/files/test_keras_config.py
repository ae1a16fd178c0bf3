"""What a Keras configuration tells without Keras, and that no JSON whatever can make the reading fail."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.sources.files.keras_config import outline
from shipway.types import DType, TensorSpec


def layer(kind, name, *, module="keras.layers", feeds=(), **config):
    nodes = [{"args": [{"config": {"keras_history": [feed, 0, 0]}}], "kwargs": {}} for feed in feeds]
    return {
        "module": module,
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": None,
        "inbound_nodes": nodes,
    }


def entry(name, shape, dtype="float32", **more):
    return layer("InputLayer", name, batch_shape=shape, dtype=dtype, **more)


def functional(layers, inputs, outputs=("x", 0, 0)):
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"name": "f", "layers": layers, "input_layers": inputs, "output_layers": list(outputs)},
    }


def sequential(*layers):
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


def test_the_input_of_a_sequential_model():
    found = outline(sequential(entry("image", [None, 28, 28, 1]), layer("Dense", "d", units=3)))
    assert found.inputs == (TensorSpec("image", DType.FP32, ("batch", 28, 28, 1)),)
    assert [item["class"] for item in found.layers] == ["Sequential", "InputLayer", "Dense"]
    assert not found.is_recurrent_or_attentive


def test_a_sequential_model_without_an_input_layer_does_not_tell():
    assert outline(sequential(layer("Dense", "d"))).inputs is None


def test_inputs_stand_in_keras_order_not_in_the_layers_order():
    layers = [entry("b", [None, 2]), entry("a", [None, 3])]
    assert [s.name for s in outline(functional(layers, [["a", 0, 0], ["b", 0, 0]])).inputs] == ["a", "b"]


def test_inputs_by_dict_have_the_keys_names_sorted():
    layers = [entry("l1", [None, 2]), entry("l2", [None, 3])]
    found = outline(functional(layers, {"wide": ["l2", 0, 0], "long": ["l1", 0, 0]})).inputs
    assert [(spec.name, spec.shape[1]) for spec in found] == [("long", 2), ("wide", 3)]


def test_free_axes_of_several_inputs_share_a_name():
    """Ids and mask must have one length; independent inputs of equal length are valid too."""
    layers = [entry("ids", [None, None], "int32"), entry("mask", [None, None], "bool")]
    ids, mask = outline(functional(layers, [["ids", 0, 0], ["mask", 0, 0]])).inputs
    assert ids == TensorSpec("ids", DType.INT32, ("batch", "ids_1"))
    assert mask == TensorSpec("mask", DType.BOOL, ("batch", "ids_1"))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("float64", DType.FP64),
        ("string", DType.BYTES),
        ({"class_name": "DTypePolicy", "config": {"name": "float16"}}, DType.FP16),
    ],
)
def test_dtypes(written, read):
    assert outline(sequential(entry("x", [None, 1], written))).inputs[0].dtype is read


@pytest.mark.parametrize("dtype", ["bfloat16", None, 7, "nonsense"])
def test_a_dtype_without_a_name_is_left_to_the_framework(dtype):
    assert outline(sequential(entry("x", [None, 1], dtype))).inputs is None


def test_a_vocabulary_bounds_the_input_that_feeds_it():
    layers = [
        entry("words", [None, None], "int32"),
        entry("number", [None, 1]),
        layer("Embedding", "big", input_dim=100, feeds=["words"]),
        layer("Embedding", "small", input_dim=40, feeds=["words"]),
        layer("Embedding", "inside", input_dim=7, feeds=["big"]),
    ]
    found = outline(functional(layers, [["words", 0, 0], ["number", 0, 0]]))
    assert found.value_ranges == {"words": (0.0, 39.0)}
    first = sequential(entry("t", [None, 5], "int32"), layer("Embedding", "e", input_dim=9))
    assert outline(first).value_ranges == {"t": (0.0, 8.0)}


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Bidirectional", "MultiHeadAttention"])
def test_recurrence_and_attention_are_seen_inside_a_nested_model(kind):
    inner = sequential(entry("x", [None, 4, 4]), layer(kind, "deep"))
    assert outline(
        sequential(entry("x", [None, 4, 4]), {**inner, "module": "keras"})
    ).is_recurrent_or_attentive


def test_a_lambda_needs_trust_wherever_it_stands():
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAA==", "defaults": None, "closure": None}}
    plain = outline(sequential(entry("x", [None, 1]), layer("Lambda", "mine", function=code)))
    assert plain.needs_trust == ("mine",)
    hidden = outline(sequential(entry("x", [None, 1]), layer("Dense", "d", activation=code)))
    assert hidden.needs_trust == ("a lambda outside of a Lambda layer",)
    wrapped = outline(
        sequential(layer("TimeDistributed", "t", layer=layer("Lambda", "inner", function=code)))
    )
    assert wrapped.needs_trust == ("inner",)


def test_a_lambda_with_keras_own_function_needs_none():
    function = {"module": "keras.ops", "class_name": "function", "config": "relu", "registered_name": "relu"}
    assert outline(sequential(layer("Lambda", "l", function=function))).needs_trust == ()
    foreign = {
        "module": "builtins",
        "class_name": "function",
        "config": "eval",
        "registered_name": "function",
    }
    assert outline(sequential(layer("Lambda", "l", function=foreign))).needs_trust == ("l",)


def test_what_cannot_be_served_is_said():
    config = sequential(entry("x", [2, 3, 4], ragged=True), layer("LSTM", "memory", stateful=True))
    sentences = " ".join(outline(config).unsupported)
    assert "'memory'" in sentences
    assert "'x' is sparse or ragged" in sentences


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "class_name",
                    "config",
                    "layers",
                    "name",
                    "batch_shape",
                    "dtype",
                    "input_layers",
                    "module",
                    "function",
                ]
            )
            | st.text(max_size=4),
            inner | st.sampled_from(["InputLayer", "Functional", "Sequential", "Embedding", "Lambda"]),
            max_size=6,
        )
    ),
    max_leaves=30,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine, not a heavy strategy
@given(st.dictionaries(st.sampled_from(["class_name", "config", "module", "registered_name"]), json_values))
def test_any_json_is_survived(config):
    outline(config)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(json_values, st.sampled_from(["Sequential", "Functional"]))
def test_any_layer_is_survived(value, kind):
    layers = [
        value,
        entry("x", [None, 2]),
        {"class_name": "Embedding", "config": value, "inbound_nodes": value},
    ]
    outline({"class_name": kind, "config": {"layers": layers, "input_layers": [["x", 0, 0]]}})
    outline({"class_name": kind, "config": {"layers": [value], "input_layers": value}})


def test_depth_is_survived():
    config: dict = {}
    inner = config
    for _ in range(50_000):
        inner["config"] = {"class_name": "Dense"}
        inner = inner["config"]
    outline(config)
