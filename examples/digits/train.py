"""Trains a small CNN in Keras on scikit-learn's bundled handwritten digits, as a user would.

Nothing here knows of Shipway. It leaves the two files that `shipway deploy` takes:

    digits.keras   the trained model; input `image`, float32 [batch, 8, 8, 1] in 0..1, output [batch, 10]
    test.npz       540 labelled images that the training never saw: `x` as the input, `y` the digits, int64

Usage: python train.py [FOLDER]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets with lines about the CPU,
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # and with two more about oneDNN

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 15


def build() -> keras.Model:
    """The net: two convolutions with pooling between, one dropout, a softmax over the ten digits."""
    image = keras.Input((8, 8, 1), name="image")
    hidden = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(hidden)
    hidden = keras.layers.Flatten()(hidden)
    hidden = keras.layers.Dropout(0.3)(hidden)
    digit = keras.layers.Dense(10, activation="softmax", name="digit")(hidden)
    return keras.Model(image, digit, name="digits")


def main(folder: Path) -> None:
    """Trains, tells the accuracy on the held-out images, and writes both files into `folder`."""
    keras.utils.set_random_seed(7)
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype(np.float32).reshape(-1, 8, 8, 1)  # 0..16 shades of gray
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.3, stratify=labels, random_state=7
    )
    model = build()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    print(f"  {len(x_train)} images to train on, {len(x_test)} held out, {model.count_params():,} parameters")
    history = model.fit(x_train, y_train, epochs=EPOCHS, batch_size=32, verbose=0)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"  {EPOCHS} epochs, loss {history.history['loss'][0]:.2f} to {history.history['loss'][-1]:.2f}")
    print(f"  held-out accuracy as Keras counts it: {accuracy:.1%} (loss {loss:.2f})")
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "digits.keras")
    np.savez_compressed(folder / "test.npz", x=x_test, y=y_test.astype(np.int64))
    print(f"  {folder / 'digits.keras'}  {folder / 'test.npz'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
