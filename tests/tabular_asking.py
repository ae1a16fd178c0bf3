"""Asks and converts the models of `tabular_models.py` in the tests' own process, which is quick: no torch, no
TensorFlow. What goes through a child is tested beside it, on a few of them."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from shipway.sources.workers.edge import Edge, Opened

FORMATS = {
    ".skops": "sklearn",
    ".joblib": "sklearn",
    ".json": "xgboost",
    ".ubj": "xgboost",
    ".txt": "lightgbm",
}


def load(file: Path, **settings: Any) -> Any:
    """As the child's loader gives it."""
    loader = importlib.import_module(f"shipway.sources.workers.loaders.{FORMATS[file.suffix]}")
    return loader.load(file, {"input": "x", **settings})


def edge(name: str) -> Edge:
    files = ("sklearn_onnx", "xgboost_onnx", "xgboost_onnx_trees", "lightgbm_onnx", "lightgbm_onnx_trees")
    modules = [importlib.import_module(f"shipway.sources.workers.edges.{file}") for file in files]
    return next(found for module in modules for found in module.EDGES if found.name == name)


def rows_of(file: Path, model: Any) -> dict[str, np.ndarray]:
    """The data beside the model, by input."""
    with np.load(file.with_suffix(".npz")) as data:
        return {spec["name"]: data[spec["name"]] for spec in model.input_specs}


def convert(model: Any, way: str, into: Path) -> onnxruntime.InferenceSession:
    out = into / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converters, about numpy and each other
        edge(way).write(Opened(into, lambda: model), out, {})
    return onnxruntime.InferenceSession(str(out))


def ask(session: onnxruntime.InferenceSession, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """In the session's own order of outputs."""
    feed = {name: array.astype(object) if array.dtype.kind == "U" else array for name, array in rows.items()}
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def require_same(expected: dict[str, np.ndarray], found: dict[str, np.ndarray], share: float = 3e-6) -> None:
    """Names, order, dtypes and shapes; labels are equal, fractions within `share` of their scale."""
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape, name
        if array.dtype.kind == "f":
            assert found[name].dtype == array.dtype, name
            np.testing.assert_allclose(found[name], array, rtol=0, atol=share * np.abs(array).max())
        else:
            assert found[name].tolist() == array.tolist(), name
