"""One real model of every format, with rows for it: what the contract suites run over.

A format joins by a line in `EXAMPLES`; the files come from the session's fixtures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from shipway.sources.base import Hints, Limits, Source
from shipway.sources.detect import open_source
from shipway.types import DType, TensorSpec

Inputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Example:
    """A real model of a format, and rows for it: `rows(count)`."""

    fixture: str
    file: str
    rows: Callable[[int], Inputs]
    hints: Hints = field(default_factory=Hints)
    tells: str = ""
    """The format that the source calls itself by, where it hands on to another."""

    def path(self, request: pytest.FixtureRequest) -> Path:
        """The file or folder; tests must not change it."""
        return request.getfixturevalue(self.fixture) / self.file

    def open(self, path: Path, **limits: object) -> Source:
        """The source at `path`, told what goes in where its file does not say."""
        source = open_source(path, limits=Limits(timeout_seconds=240, **limits), hints=self.hints)
        if source.describe().asks_inputs is not None:
            source.assume_inputs(self.hints.inputs)
        return source


def images(name: str, *shape: int) -> Callable[[int], Inputs]:
    def rows(count: int) -> Inputs:
        return {name: np.random.default_rng(count).uniform(0, 1, (count, *shape)).astype(np.float32)}

    return rows


def wine(count: int) -> Inputs:
    from sklearn.datasets import load_wine

    return {"x": load_wine().data[:: 178 // count][:count].astype(np.float32)}


SCRIPT = Hints(inputs=(TensorSpec("input", DType.FP32, ("batch", 3, 12, 12)),))
EXAMPLES = {
    "keras": Example("keras_models", "cnn.keras", images("image", 12, 12, 3)),
    "keras-h5": Example("tensorflow_sources", "digits.h5", images("image", 8, 8, 1)),
    "lightgbm": Example("tabular_models", "lgbm-multi.txt", wine),
    "litert": Example("litert_models", "digits.tflite", images("image", 8, 8, 1)),
    "mar": Example("torch_models", "script.mar", images("input", 3, 12, 12), SCRIPT, tells="torchscript"),
    "onnx": Example("onnx_models", "digits.onnx", images("image", 8, 8, 3)),
    "openvino": Example("openvino_models", "digits.xml", images("image", 8, 8, 3)),
    "pt2": Example("torch_models", "cnn.pt2", images("input", 3, 12, 12)),
    "savedmodel": Example("litert_models", "digits", images("image", 8, 8, 1)),
    "sklearn": Example("tabular_models", "mlp.skops", wine),
    "torch": Example("torch_models", "net.py:cnn", images("input", 3, 12, 12)),
    "torchscript": Example("torch_models", "cnn.ts", images("input", 3, 12, 12), SCRIPT),
    "xgboost": Example("tabular_models", "xgb-multi.json", wine),
}
