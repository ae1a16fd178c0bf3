"""Makes the classic CNN of the Keras guides and trains it, briefly, on real images scaled up.

    Conv2D(32) → MaxPool → Conv2D(64) → MaxPool → Flatten → Dense(1024) → Dropout → Dense(10)

At its own size, 224×224×3, `Dense(1024)` alone holds 191 million weights: a 765 MB `.keras` file, the size at
which TensorFlow's way to ONNX runs out of memory. `--size 32` makes the twin: the same layers, 2.4 million
parameters. The images are scikit-learn's bundled digits, enlarged from 8×8 and repeated over three channels,
so nothing is downloaded. It leaves in the folder:

    guide_cnn.keras   the model; input `image`, float32 [batch, SIZE, SIZE, 3] in 0..1, output [batch, 10]
    test.npz          labelled images that the training never saw: `x` as the input, `y` the digits, int64

Usage: python train.py [FOLDER] [--size 224] [--train-rows 480] [--test-rows 100] [--epochs 1]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets with lines about the CPU,
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # and with two more about oneDNN

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def build(size: int) -> keras.Model:
    """The guide's layers, in its order, for images of `size`×`size`×3."""
    return keras.Sequential(
        [
            keras.Input((size, size, 3), name="image"),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(1024, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="guide_cnn",
    )


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """Digits `[rows, 8, 8]` in 0..16 become float32 `[rows, size, size, 3]` in 0..1, smoothly enlarged."""
    gray = (images[..., None] / 16.0).astype(np.float32)
    large = np.asarray(keras.ops.image.resize(gray, (size, size), interpolation="bilinear"))
    return np.repeat(large, 3, axis=-1)


def main() -> None:
    """Trains, tells the held-out accuracy, and writes both files."""
    parser = argparse.ArgumentParser(description="Train the guide CNN on enlarged digits.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--train-rows", type=int, default=480)
    parser.add_argument("--test-rows", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(7)
    digits = load_digits()
    small_train, small_test, y_train, y_test = train_test_split(
        digits.images,
        digits.target,
        train_size=arguments.train_rows,
        test_size=arguments.test_rows,
        stratify=digits.target,
        random_state=7,
    )
    model = build(arguments.size)
    # Plain SGD: Adam keeps two more numbers per weight, 1.5 GB here.
    rate = 0.02
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    side = arguments.size
    print(
        f"  {model.count_params():,} parameters, {arguments.train_rows} images of {side}×{side}×3", flush=True
    )
    began = time.monotonic()
    model.fit(
        enlarge(small_train, arguments.size), y_train, epochs=arguments.epochs, batch_size=16, verbose=0
    )
    x_test = enlarge(small_test, arguments.size)
    _, accuracy = model.evaluate(x_test, y_test, batch_size=16, verbose=0)
    seconds = time.monotonic() - began
    print(f"  trained for {seconds:.0f} s, held-out accuracy as Keras counts it: {accuracy:.1%}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model.save(arguments.folder / "guide_cnn.keras")
    np.savez_compressed(arguments.folder / "test.npz", x=x_test, y=y_test.astype(np.int64))
    for path in (arguments.folder / "guide_cnn.keras", arguments.folder / "test.npz"):
        print(f"  {path}  {path.stat().st_size / 1e6:,.1f} MB")


if __name__ == "__main__":
    main()
