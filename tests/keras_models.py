"""Builds the small Keras models of the tests: `python keras_models.py FOLDER`, as the fixture does."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
from keras import layers

VOCABULARY = 50


def cnn() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((12, 12, 3), name="image"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax", name="probabilities"),
        ]
    )


def two_in_two_out() -> keras.Model:
    """Both outputs have one shape, so that a swap shows in the values only."""
    left, right = layers.Input((4,), name="left"), layers.Input((4,), name="right")
    hidden = layers.Dense(8, activation="tanh")(layers.Concatenate()([left, right]))
    return keras.Model(
        [left, right], [layers.Dense(3, name="first")(hidden), layers.Dense(3, name="second")(hidden)]
    )


def named_by_dict() -> keras.Model:
    """The same name for two layers' tensors is avoided by keys, which differ from the layers' names."""
    wide, long = layers.Input((3,), name="wide"), layers.Input((2,), name="long")
    hidden = layers.Concatenate()([wide, long])
    outputs = {"zebra": layers.Dense(2, name="d1")(hidden), "apple": layers.Dense(2, name="d2")(hidden)}
    return keras.Model({"wide": wide, "long": long}, outputs)


def lstm() -> keras.Model:
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    hidden = layers.LSTM(8)(layers.Embedding(VOCABULARY, 6)(tokens))
    return keras.Model(tokens, layers.Dense(3, activation="softmax", name="label")(hidden))


def tagger() -> keras.Model:
    """An answer for each position: the output's second axis follows the input's."""
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    hidden = layers.GRU(8, return_sequences=True)(layers.Embedding(VOCABULARY, 6)(tokens))
    return keras.Model(tokens, layers.Dense(4, name="tags")(hidden))


def transformer() -> keras.Model:
    """With the exact GELU, which TensorFlow writes with an operator that ONNX does not have."""
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    hidden = layers.Embedding(VOCABULARY, 8)(tokens)
    hidden = layers.LayerNormalization()(hidden + layers.MultiHeadAttention(2, 4)(hidden, hidden))
    wide = keras.ops.gelu(layers.Dense(16)(hidden), approximate=False)
    hidden = layers.LayerNormalization()(hidden + layers.Dense(8)(wide))
    return keras.Model(tokens, layers.Dense(3, name="label")(layers.GlobalAveragePooling1D()(hidden)))


def half_precision() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((6,), name="row"),
            layers.Dense(4, activation="relu", dtype="mixed_float16"),
            layers.Dense(2),
        ]
    )


def positions() -> keras.Model:
    """Adds an embedding of `arange`, a constant that no layer holds."""
    tokens = layers.Input((6,), dtype="int32", name="tokens")
    places = layers.Embedding(6, 4)(keras.ops.arange(6))
    return keras.Model(
        tokens, layers.Dense(2, name="label")(layers.Embedding(VOCABULARY, 4)(tokens) + places)
    )


def with_lambda() -> keras.Model:
    row = layers.Input((4,), name="row")
    payload = layers.Lambda(lambda x: __import__("pathlib").Path("marker").touch() or x, name="payload")
    return keras.Model(row, layers.Dense(2)(payload(row)))


class Custom(keras.layers.Layer):
    def call(self, inputs):
        return inputs * 2


def custom() -> keras.Model:
    row = layers.Input((4,), name="row")
    return keras.Model(row, layers.Dense(2)(Custom(name="mine")(row)))


def stateful() -> keras.Model:
    steps = layers.Input(batch_shape=(2, 3, 4), name="steps")
    return keras.Model(steps, layers.LSTM(3, stateful=True, name="memory")(steps))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    builders = (cnn, two_in_two_out, named_by_dict, lstm, tagger, transformer, half_precision, positions)
    for seed, build in enumerate((*builders, with_lambda, custom, stateful)):
        keras.utils.set_random_seed(seed)
        build().save(folder / f"{build.__name__}.keras")
