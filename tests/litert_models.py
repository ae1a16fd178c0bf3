"""Builds the small LiteRT files and SavedModels of the tests: `python litert_models.py FOLDER`.

One process builds them all, because TensorFlow takes seconds to start. `digits` is trained, on the handwritten
digits that scikit-learn ships, so that its answers lie apart as a real model's do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

VOCABULARY = 50
TOKENS = [tf.TensorSpec([None, None], tf.int32, "tokens")]
WORDS = [tf.TensorSpec([None, None], tf.string, "words")]


def digit_data() -> tuple[np.ndarray, np.ndarray]:
    """1797 images `[8, 8, 1]` in [0, 1], and their labels."""
    digits = load_digits()
    return digits.images[..., None].astype(np.float32) / 16, digits.target.astype(np.int64)


def digits() -> keras.Model:
    """Right on more than nine of ten images."""
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*digit_data(), epochs=6, batch_size=32, verbose=0)
    return model


def recurrent(kind: str) -> keras.Model:
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    hidden = getattr(layers, kind)(8)(layers.Embedding(VOCABULARY, 6)(tokens))
    return keras.Model(tokens, layers.Dense(3, activation="softmax", name="label")(hidden))


def looked_up() -> keras.Model:
    """A recurrent net behind a table of words, whose contents are no weights."""
    words = layers.Input((None,), dtype="string", name="words")
    tokens = layers.StringLookup(vocabulary=["apple", "pear"])(words)
    hidden = layers.GRU(8)(layers.Embedding(3, 6)(tokens))
    return keras.Model(words, layers.Dense(3, activation="softmax", name="label")(hidden))


def transformer() -> keras.Model:
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    hidden = layers.Embedding(VOCABULARY, 8)(tokens)
    hidden = layers.LayerNormalization()(hidden + layers.MultiHeadAttention(2, 4)(hidden, hidden))
    wide = keras.ops.gelu(layers.Dense(16)(hidden), approximate=False)
    hidden = layers.LayerNormalization()(hidden + layers.Dense(8)(wide))
    return keras.Model(tokens, layers.Dense(3, name="label")(layers.GlobalAveragePooling1D()(hidden)))


class Typed(tf.Module):
    """Names out of alphabetical order, two outputs of one shape, and several element types."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(np.linspace(-1, 1, 12).reshape(4, 3).astype(np.float32))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, "zebra"),
            tf.TensorSpec([None, 3], tf.int64, "apple"),
            tf.TensorSpec([None, 3], tf.bool, "mask"),
        ]
    )
    def types(self, zebra: tf.Tensor, apple: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = tf.matmul(zebra, self.weights)
        return {
            "second": scores + tf.cast(apple, tf.float32),
            "first": tf.where(mask, scores, -scores),
            "count": apple * 2,
            "kept": tf.logical_not(mask),
        }


class Several(tf.Module):
    """Two signatures on one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(tf.constant([1.0, 2.0, 3.0, 4.0]))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def double(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"doubled": x * self.scale * 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def total(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": tf.reduce_sum(x * self.scale, axis=1, keepdims=True)}


def save_keras(model: keras.Model, folder: Path, specs: Sequence[tf.TensorSpec], output: str) -> None:
    """With one signature that has the model's own names."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", lambda tensor: {output: model(tensor, training=False)}, [specs[0]])
    archive.write_out(str(folder), verbose=False)


def save_untracked(model: keras.Model, folder: Path) -> None:
    """A module that holds no variables: a converter writes a file without weights of it, and says nothing."""

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, "image")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model(image, training=False)}

    module = tf.Module()
    module.variables_of_keras = model.variables
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve.get_concrete_function()})


def convert(folder: Path, **options: Any) -> bytes:
    """Options are attributes of the converter."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    for name, value in options.items():
        setattr(converter, name, value)
    return bytes(converter.convert())


def rows_of_images() -> Iterator[list[np.ndarray]]:
    """What quantization measures the ranges of activations by."""
    for image in digit_data()[0][:100]:
        yield [image[None]]


def main(folder: Path) -> None:
    keras.utils.set_random_seed(7)
    images, labels = digit_data()
    np.savez(folder / "digits.npz", image=images, labels=labels)
    image = [tf.TensorSpec([None, 8, 8, 1], tf.float32, "image")]
    models: dict[str, tuple[Callable[[], keras.Model], list[tf.TensorSpec], str]] = {
        "digits": (digits, image, "probabilities"),
        "lstm": (lambda: recurrent("LSTM"), TOKENS, "label"),
        "gru": (lambda: recurrent("GRU"), TOKENS, "label"),
        "looked-up": (looked_up, WORDS, "label"),
        "transformer": (transformer, TOKENS, "label"),
    }
    built = {name: build() for name, (build, _, _) in models.items()}
    for name, (_, specs, output) in models.items():
        save_keras(built[name], folder / name, specs, output)
    save_untracked(built["digits"], folder / "untracked")
    typed, several = Typed(), Several()
    tf.saved_model.save(typed, str(folder / "typed"), signatures=typed.types)
    tf.saved_model.save(
        several, str(folder / "several"), signatures={"double": several.double, "total": several.total}
    )
    for name in ("digits", "transformer", "typed", "several", "untracked"):
        (folder / f"{name}.tflite").write_bytes(convert(folder / name))
    default = [tf.lite.Optimize.DEFAULT]
    (folder / "dynamic.tflite").write_bytes(convert(folder / "digits", optimizations=default))
    half = {"optimizations": default, "target_spec": tf.lite.TargetSpec(supported_types=[tf.float16])}
    (folder / "half.tflite").write_bytes(convert(folder / "digits", **half))
    full = {
        "optimizations": default,
        "representative_dataset": rows_of_images,
        "target_spec": tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]),
    }
    (folder / "int8-inside.tflite").write_bytes(convert(folder / "digits", **full))
    whole = {**full, "inference_input_type": tf.int8, "inference_output_type": tf.int8}
    (folder / "int8.tflite").write_bytes(convert(folder / "digits", **whole))
    flex = tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS])
    (folder / "flex.tflite").write_bytes(convert(folder / "lstm", target_spec=flex))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
