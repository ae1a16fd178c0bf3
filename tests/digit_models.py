"""Small real models and the command line, for end-to-end tests: linear classifiers on scikit-learn's digits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

SHIPWAY = Path(sys.executable).with_name("shipway")
TINT = np.array([1.0, 0.6, 0.2], dtype=np.float32)
"""Red, green and blue get unlike shares of the gray value, so that exchanged channels are another picture."""


SHARPNESS = 5.0
"""Ridge regression on ±1 gives scores near ±1; times this, a softmax of them is as sure as a trained net's."""


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, the document on standard output (None: none), standard error."""

    code: int
    document: dict[str, Any]
    text: str


def run(*arguments: str | Path, timeout: float = 120) -> Ran:
    """Runs `shipway … --json` as a user's script would."""
    done = subprocess.run(
        [SHIPWAY, *arguments, "--json"], capture_output=True, text=True, timeout=timeout, check=False
    )
    return Ran(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)


def colored_digits(rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Images `[rows, 8, 8, 3]` float32 in 0..1, and their digits."""
    digits = load_digits()
    gray = (digits.images[rows] / 16).astype(np.float32)
    return gray[..., None] * TINT, digits.target[rows]


def classifier(
    path: Path,
    *,
    seed: int = 0,
    before: list[onnx.NodeProto] | None = None,
    change: float = 0.0,
    swap: bool = False,
) -> Path:
    """Writes a classifier with outputs `probs` and `other`, equal in shape, of inputs `image`.

    `before` is put between `image` and `pixels`, `change` is added to one weight, `swap` exchanges the outputs.
    """
    rng = np.random.default_rng(seed)
    x, y = colored_digits(slice(0, 900))
    chosen = rng.choice(len(x), 600, replace=False)
    fitted = RidgeClassifier().fit(x[chosen].reshape(600, -1), y[chosen])
    matrix = (SHARPNESS * fitted.coef_.T).astype(np.float32)
    matrix[40, 3] += change
    nodes = [
        *(before or [helper.make_node("Identity", ["image"], ["pixels"])]),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "W", "b"], ["z"]),
        helper.make_node("Neg", ["z"], ["minus"]),
        helper.make_node("Softmax", ["z"], ["other" if swap else "probs"], axis=-1),
        helper.make_node("Softmax", ["minus"], ["probs" if swap else "other"], axis=-1),
    ]
    initializers = [
        numpy_helper.from_array(matrix, "W"),
        numpy_helper.from_array((SHARPNESS * fitted.intercept_).astype(np.float32), "b"),
        numpy_helper.from_array(np.array([2, 1, 0]), "reversed"),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 10]) for n in ("probs", "other")],
        initializers,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def single_output(path: Path, **fault: Any) -> Path:
    """The same classifier with `probs` alone, which evaluation can read as classes."""
    model = onnx.load(classifier(path, **fault))
    del model.graph.output[1]
    onnx.save(model, path)
    return path


REVERSED_CHANNELS = [helper.make_node("Gather", ["image", "reversed"], ["pixels"], axis=3)]
