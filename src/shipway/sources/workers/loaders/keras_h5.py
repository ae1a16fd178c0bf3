"""Loads a legacy `.h5` file of Keras, in Keras 2 where it is installed, else in Keras 3 with Keras 2's meaning.

No code from the file runs unless `settings["trust"]` says so. Files that Keras 3 itself wrote are Keras 3's.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..frameworks.hdf5_outline import outline
from ..frameworks.keras_2_to_3 import is_keras_3, rewrite
from ..frameworks.keras_model import Model
from ..loading import require
from ..wire import TaskError, blame, progress, summarize

_NEEDS_KERAS_2 = "'tf-keras>=2.19,<2.22'"


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """The model at `path`, by `settings["engines"][0]`: `"keras-2"` or `"keras-3"`."""
    outlined = outline(path)  # it raises for links out of the file, before Keras follows them
    if outlined["model_config"] is None:
        raise TaskError("source.unsupported", "The file holds weights only, and no model to put them into.")
    safe = not settings.get("trust", False)
    if settings["engines"][0] == "keras-2":
        return _load_in_keras_2(path, safe=safe)
    return _load_in_keras_3(path, outlined, safe=safe)


def _load_in_keras_2(path: Path, *, safe: bool) -> Model:
    require({"tf_keras": "tf-keras>=2.19,<2.22", "tensorflow": "tensorflow-cpu"})
    progress("starting Keras 2")
    with blame("worker.crashed", "Keras 2 does not start"):
        keras = importlib.import_module("tf_keras")
        model_class = importlib.import_module("..frameworks.keras_2_model", __package__).Keras2Model
    progress("loading the model")
    with blame("source.damaged", f"Keras {keras.__version__} cannot load the file"), _foreign_classes():
        return model_class(keras, keras.models.load_model(path, compile=False, safe_mode=safe))  # type: ignore[no-any-return]


def _load_in_keras_3(path: Path, outlined: Mapping[str, Any], *, safe: bool) -> Model:
    require({"keras": "keras>=3.10,<4", "tensorflow": "tensorflow-cpu"})
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    progress("starting Keras on tensorflow")
    with blame("worker.crashed", "Keras on tensorflow does not start"):
        keras = importlib.import_module("keras")
    progress("loading the model")
    if not is_keras_3(outlined["keras_version"]):
        return _load_as_keras_2_meant(keras, path, outlined, safe=safe)
    with blame("source.damaged", f"Keras {keras.__version__} cannot load the file"), _foreign_classes():
        return Model(keras, _load_file(keras, path, safe=safe), keras.backend.backend())


def _load_as_keras_2_meant(keras: Any, path: Path, outlined: Mapping[str, Any], *, safe: bool) -> Model:  # noqa: ANN401
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.h5"
        _copy_rewritten(path, copy, outlined["model_config"])
        try:
            return Model(keras, _load_file(keras, copy, safe=safe), keras.backend.backend())
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if _LAMBDA.search(str(error)):
                raise _untrusted() from error
            raise TaskError(
                "environment.missing",
                f"Keras {keras.__version__} cannot load the file, which Keras "
                f"{outlined['keras_version'] or 2} wrote: {summarize(error, 300)}",
                packages=[_NEEDS_KERAS_2],
            ) from error


def _copy_rewritten(path: Path, copy: Path, config: dict[str, Any]) -> None:
    """The model's weights under a configuration that Keras 3 reads; without the optimizer's state."""
    rewrite(config)
    h5py = importlib.import_module("h5py")
    with h5py.File(path, "r") as source, h5py.File(copy, "w") as target:
        for name, value in source.attrs.items():
            if name not in ("model_config", "training_config"):
                target.attrs[name] = value
        target.attrs["model_config"] = json.dumps(config).encode()
        source.copy("model_weights", target)


def _load_file(keras: Any, path: Path, *, safe: bool) -> Any:  # noqa: ANN401 - Keras has no types
    return keras.saving.load_model(path, compile=False, safe_mode=safe)


_FOREIGN = re.compile(r"Unknown \w+(?: \w+)?: '?(\w+)|Could not locate (?:\w+ )?'([^']*)'")
_LAMBDA = re.compile(r"safe_mode|deserialization of a `Lambda`|[Ll]ambda.*unsafe")


@contextmanager
def _foreign_classes() -> Iterator[None]:
    """Tells what a file names and Keras has not, and code that is not trusted, from a damaged file."""
    try:
        yield
    except (TypeError, ValueError, NameError) as error:
        foreign = _FOREIGN.search(str(error))
        if _LAMBDA.search(str(error)):
            raise _untrusted() from error
        if foreign is None:
            raise
        raise TaskError(
            "source.unsupported",
            "The model holds a class or function that Keras itself does not have: "
            f"{foreign[1] or foreign[2]}.",
            hint="In the training script, model.export('folder') writes a SavedModel, which needs none of "
            "that code; or rebuild the model from Keras's own layers.",
        ) from error


def _untrusted() -> TaskError:
    return TaskError(
        "source.unsupported",
        "The model holds Python code of its own (a lambda), which would have to be trusted to be run.",
        hint="Run it with --trust if you know who made it; or replace the lambda by Keras's own layers.",
    )
