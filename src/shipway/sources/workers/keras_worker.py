"""Loads a `.keras` file and answers: its signature, its own outputs, and exports of it to ONNX.

The backend is chosen before Keras is imported: the first of the task's `backends` that is installed. The
model is loaded once for all tasks of the process, with `safe_mode=True`: no code from the file runs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from .wire import TaskError, blame, progress

_PACKAGES = {"tensorflow": "tensorflow-cpu", "torch": "torch"}
"""Backend → what pip calls it."""
_DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "torch": ("torch",)}
"""Backend → the distributions that it may come from."""


def signature(task: Mapping[str, Any]) -> dict[str, Any]:
    """Names, dtypes and shapes of the inputs and outputs; None is a free dimension without a name yet."""
    model = _model(task)
    return {"signature": model.signature(), "versions": _versions(model.backend)}


def reference(task: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own answers to the task's `cases` (`{name: file}`), written into the folder `out`."""
    model = _model(task)
    answer = _sibling("keras_reference").answer
    files = answer(model, task["cases"], Path(task["out"]))
    return {"signature": model.signature(), "files": files, "versions": _versions(model.backend)}


def export(task: Mapping[str, Any]) -> dict[str, Any]:
    """An ONNX file at `out`, made by the exporter that `exporter` names."""
    model = _model(task)
    exporter = _sibling("keras_export").EXPORTERS[task["exporter"]]
    if model.backend != exporter.backend:
        raise TaskError(
            "environment.missing",
            f"{task['exporter']} needs Keras on {exporter.backend}; it runs on {model.backend} here.",
            packages=(_PACKAGES[exporter.backend], *exporter.packages),
        )
    _require(exporter.packages)
    progress(f"exporting to ONNX ({task['exporter']})")
    with blame("export.no-way", f"{task['exporter']} failed"):
        exporter.write(model, Path(task["out"]), task)
    return {"versions": _versions(model.backend, *exporter.packages)}


def _model(task: Mapping[str, Any]) -> Any:  # noqa: ANN401 - `keras_model.Model`, see `_sibling`
    if "keras" not in sys.modules:
        _start(task["backends"])
    return _load(str(task["model"]))


def _start(backends: Sequence[str]) -> None:
    """Imports Keras on the first of `backends` that is installed; it stays the process's backend."""
    backend = next((name for name in backends if importlib.util.find_spec(name)), None)
    missing = [name for name in ("keras", "numpy") if not importlib.util.find_spec(name)]
    if missing or backend is None:
        wanted = ["keras", *([] if backend else [_PACKAGES[backends[0]]])]
        raise TaskError(
            "environment.missing",
            "Not installed in the child's Python: "
            f"{', '.join(missing + ([] if backend else [' or '.join(backends)]))}.",
            packages=[*wanted, "tf2onnx"] if backends[0] == "tensorflow" else wanted,
        )
    os.environ["KERAS_BACKEND"] = backend
    progress(f"starting Keras on {backend}")
    with blame("worker.crashed", f"Keras on {backend} does not start"):
        version = importlib.import_module("keras").__version__
    if int(version.split(".")[0]) < 3:
        raise TaskError(
            "environment.missing",
            f"Expected Keras 3, found {version}.",
            packages=("'keras>=3.10,<4'",),
        )


@cache
def _load(file: str) -> Any:  # noqa: ANN401 - `keras_model.Model`
    keras = importlib.import_module("keras")
    progress("loading the model")
    try:
        with blame("source.damaged", f"Keras {keras.__version__} cannot load the file"):
            return _sibling("keras_model").Model(keras, _load_model(keras, file), keras.backend.backend())
    except TaskError as error:
        written_by = _version_of(file)
        if error.code != "source.damaged" or _numbers(written_by) <= _numbers(keras.__version__):
            raise
        raise TaskError(
            "environment.missing",
            f"Keras {keras.__version__} cannot load the file, which Keras {written_by} wrote.",
            packages=(f"'keras>={written_by}'",),
        ) from error


def _version_of(file: str) -> str:
    """The Keras version that wrote the file, as its metadata has it; empty where it does not say."""
    with zipfile.ZipFile(file) as archive:
        return str(json.loads(archive.read("metadata.json")).get("keras_version", ""))


def _numbers(version: str) -> tuple[int, ...]:
    """`3.15.1` → (3, 15), what the file's form depends on."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _sibling(name: str) -> Any:  # noqa: ANN401 - a module
    """A file of this folder, imported late: it imports numpy, whose absence is to be reported, not met."""
    return importlib.import_module(f".{name}", __package__)


def _load_model(keras: Any, file: str) -> Any:  # noqa: ANN401 - Keras has no types
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (TypeError, ValueError) as error:
        text = str(error)
        foreign = re.search(r"Could not locate \w+ '([^']*)'", text)
        if foreign is not None:
            raise TaskError(
                "source.unsupported",
                f"The model holds a class or function that Keras itself does not have: {foreign[1]}.",
                hint="Rebuild the model from Keras's own layers, or export it to ONNX in the training script.",
            ) from error
        if "safe_mode" in text or "lambda" in text.lower():
            raise TaskError(
                "source.unsupported",
                "The model holds Python code of its own (a lambda), which would have to be trusted to be run.",
                hint="Replace the lambda by Keras's own layers or keras.ops, and save the model again.",
            ) from error
        raise


def _require(packages: Sequence[str]) -> None:
    missing = [name for name in packages if not importlib.util.find_spec(name)]
    if missing:
        raise TaskError(
            "environment.missing",
            f"Not installed in the child's Python: {', '.join(missing)}.",
            packages=missing,
        )


def _versions(backend: str, *converters: str) -> dict[str, str]:
    """Distribution → version of what took part."""
    versions = {}
    for name in ("keras", "numpy", *_DISTRIBUTIONS[backend], *converters):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


TASKS = {"signature": signature, "reference": reference, "export": export}
