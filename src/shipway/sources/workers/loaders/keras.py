"""Loads a `.keras` file with `safe_mode=True`: no code from the file runs unless the user trusts it.

The backend is chosen before Keras is imported, and stays the process's.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..frameworks.keras_model import Model
from ..wire import TaskError, blame, progress

_PACKAGES = {"tensorflow": "tensorflow-cpu", "torch": "torch"}
"""Backend → what pip calls it."""


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """The model at `path`, on the first of `settings["backends"]` that is installed.

    An edge may need another backend than the process runs on: `environment.missing`.
    """
    backends = settings["backends"]
    if "keras" not in sys.modules:
        _start(backends)
    keras = importlib.import_module("keras")
    running = keras.backend.backend()
    if running not in backends:
        raise TaskError(
            "environment.missing",
            f"Keras on {' or '.join(backends)} is needed here; it runs on {running}.",
            packages=tuple(_PACKAGES[name] for name in backends),
        )
    return _load(str(path), bool(settings.get("trust")))


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
def _load(file: str, trust: bool) -> Model:
    """One model for all tasks, whichever backends they would also take."""
    keras = importlib.import_module("keras")
    progress("loading the model")
    try:
        with blame("source.damaged", f"Keras {keras.__version__} cannot load the file"):
            return Model(keras, _load_model(keras, file, trust), keras.backend.backend())
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


def _load_model(keras: Any, file: str, trust: bool) -> Any:  # noqa: ANN401 - Keras has no types
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=not trust)
    except (TypeError, ValueError) as error:
        text = str(error)
        foreign = re.search(r"Could not locate \w+ '([^']*)'", text)
        if foreign is not None:
            raise TaskError(
                "source.unsupported",
                f"The model holds a class or function that Keras itself does not have: {foreign[1]}.",
                hint="In the training script, model.export('folder') writes a SavedModel, which needs none of "
                "that code; or rebuild the model from Keras's own layers.",
            ) from error
        if "safe_mode" in text or "lambda" in text.lower():
            raise TaskError(
                "source.unsupported",
                "The model holds Python code of its own (a lambda), which would have to be trusted to be run.",
                hint="Replace the lambda by Keras's own layers or keras.ops, and save the model again.",
            ) from error
        raise
