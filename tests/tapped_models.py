"""Builds what the tests of blame compare: `python tapped_models.py keras|torch FOLDER`.

Writes the model itself (`model.keras`, `model.pt2`), `model.onnx` by the framework's own exporter, `x.npy`, and
the taps of the source (`layers.json`, `N.npz`); of torch also those of the exported program, into `exported`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

ROWS = 16


def stored(records: list[dict], folder: Path) -> None:
    described = []
    for number, record in enumerate(records):
        sides = {f"{side}_{n}": a for side in ("inputs", "outputs") for n, a in enumerate(record[side])}
        weights = dict(record["parameters"])
        np.savez(
            folder / f"{number}.npz", **sides, **{f"weight_{n}": a for n, a in enumerate(weights.values())}
        )
        counts = {side: len(record[side]) for side in ("inputs", "outputs")}
        described.append({"name": record["name"], "kind": record["kind"], **counts, "weights": list(weights)})
    (folder / "layers.json").write_text(json.dumps(described), encoding="utf-8")


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (ROWS, *shape)).astype(np.float32)


def keras_model(folder: Path) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf
    from keras import layers

    from shipway.sources.workers.frameworks import keras_taps
    from shipway.sources.workers.frameworks.tf2onnx_patch import patched_tf2onnx

    keras.utils.set_random_seed(3)
    image = layers.Input((12, 10, 3), name="image")
    hidden = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
    hidden = layers.MaxPooling2D(name="pool")(hidden)
    hidden = layers.Conv2D(8, 3, padding="same", use_bias=True, name="body")(hidden)
    hidden = layers.Add(name="skip")([hidden, layers.Activation("tanh", name="bend")(hidden)])
    features = layers.Flatten(name="flat")(hidden)
    inner_in = layers.Input((6 * 5 * 8,), name="features")
    inner = keras.Model(inner_in, layers.Dense(16, activation="tanh", name="hidden")(inner_in), name="inner")
    hidden = layers.LayerNormalization(name="norm")(inner(layers.Dropout(0.5, name="drop")(features)))
    outputs = [
        layers.Dense(5, activation="softmax", name="kind")(hidden),
        layers.Dense(5, activation="softmax", name="place")(hidden),
    ]
    model = keras.Model(image, outputs)
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in ("bias", "beta"):
            weight.assign(generator.normal(0, 0.4, weight.shape))
    model.save(folder / "model.keras")
    x = rows(12, 10, 3)
    stored(keras_taps.record(model, [x]), folder)
    tf2onnx = patched_tf2onnx()
    specs = [tf.TensorSpec((None, 12, 10, 3), tf.float32, name="image")]

    def function(tensor: object) -> dict:
        return dict(zip(("kind", "place"), model(tensor, training=False), strict=True))

    tf2onnx.convert.from_function(
        tf.function(function, input_signature=specs),
        input_signature=specs,
        opset=18,
        output_path=str(folder / "model.onnx"),
    )
    np.save(folder / "x.npy", x)


def torch_model(folder: Path) -> None:
    import torch
    from torch import nn

    from shipway.sources.workers.frameworks import torch_taps

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 6, 3, stride=2, padding=1),
                nn.BatchNorm2d(6),
                nn.ReLU(inplace=True),
                nn.Conv2d(6, 4, 3, padding=1),
                nn.GELU(),
            )
            self.grow = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            self.pool = nn.AvgPool2d(3)
            self.drop = nn.Dropout(0.5)
            self.fc1 = nn.Linear(4 * 4 * 4, 16)
            self.fc2 = nn.Linear(16, 5)

        def forward(self, image):
            found = self.pool(self.grow(self.features(image)))
            found = self.drop(torch.flatten(found, 1))
            return self.fc2(torch.relu(self.fc1(found)))

    torch.manual_seed(0)
    model = Net().eval()
    with torch.no_grad():
        model.features[3].weight.mul_(8)  # or GELU's input stays where it is a straight line
        model.fc1.weight.mul_(4e5)  # beyond what float16 holds
        model.fc1.bias.mul_(4e5)
        model.fc2.weight.div_(4e5)
        norm = model.features[1]
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.5, 2.0)
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.3)
    x = rows(3, 12, 12)
    tensor = torch.from_numpy(x)
    stored(torch_taps.record(model, [x]), folder)
    (folder / "exported").mkdir()
    stored(torch_taps.record(torch.export.export(model, (tensor,)), [x]), folder / "exported")
    free = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(model, (tensor,), dynamic_shapes=free), folder / "model.pt2")
    torch.onnx.export(
        model,
        (tensor,),
        str(folder / "model.onnx"),
        input_names=["image"],
        output_names=["output"],
        dynamic_shapes=free,
        dynamo=True,
        opset_version=18,
        external_data=False,
        optimize=False,
        verbose=False,
    )
    np.save(folder / "x.npy", x)


if __name__ == "__main__":
    kind, target = sys.argv[1], Path(sys.argv[2])
    {"keras": keras_model, "torch": torch_model}[kind](target)
