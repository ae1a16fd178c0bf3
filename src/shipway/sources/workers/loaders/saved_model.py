"""Loads a SavedModel of TensorFlow 1 or 2, and asks one of its signatures.

What goes in and out the parent has read from the graph's file (`settings["tensors"]`); only an output's free axes
are followed here.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..loaded import Arrays, Twin, followed_dimensions
from ..loading import require, versions_of
from ..wire import TaskError, blame, progress

_PLUG_INS = {
    "tensorflow-text": ("Sentencepiece", "WordpieceTokenize", "Regex", "Normalize", "Utf8", "FastWordpiece"),
    "tensorflow-decision-forests": ("SimpleML",),
}
"""Package → beginnings of the names of operators that it adds to TensorFlow."""


class Model:
    """One signature of a SavedModel: `saved` is the whole, `function` the concrete function of the signature."""

    framework = "TensorFlow"
    perturbs = True

    def __init__(self, tensorflow: Any, saved: Any, settings: Mapping[str, Any]) -> None:  # noqa: ANN401
        self.tensorflow = tensorflow
        self.saved = saved
        self.signature_name: str = settings["signature"]
        self.function = saved.signatures[self.signature_name]
        self._tensors = settings["tensors"]
        self.input_keys: list[str] = [spec["key"] for spec in self._tensors["inputs"]]
        """What `function` calls its inputs, in the order of `input_specs`."""
        self.output_keys: list[str] = [spec["key"] for spec in self._tensors["outputs"]]
        self.input_specs = [_without_key(spec) for spec in self._tensors["inputs"]]

    def predict(self, arrays: Arrays) -> Arrays:
        """One call of the signature."""
        given = {
            key: self.tensorflow.constant(arrays[spec["name"]], dtype=spec["dtype"])
            for key, spec in zip(self.input_keys, self.input_specs, strict=True)
        }
        try:
            found = self.function(**given)
        except self.tensorflow.errors.FailedPreconditionError as error:
            raise TaskError(
                "source.damaged",
                f"The SavedModel holds a variable or table without a value: {str(error).splitlines()[0][:300]}",
                hint="Save the model after its variables and tables were initialized.",
            ) from error
        names = [spec["name"] for spec in self._tensors["outputs"]]
        return {name: found[key].numpy() for name, key in zip(names, self.output_keys, strict=True)}

    def twin(self) -> Twin | None:
        """None: a graph's element types are fixed."""
        return None

    def versions(self) -> dict[str, str]:
        """Of TensorFlow and numpy."""
        return versions_of(("tensorflow", "tensorflow-cpu", "numpy"))

    @cached_property
    def output_specs(self) -> list[dict[str, Any]]:
        """A free axis (None in the settings) has the name of the input's axis that it follows, else its own."""
        specs = [_without_key(spec) for spec in self._tensors["outputs"]]
        is_free = any(None in spec["shape"] for spec in specs)
        followed = followed_dimensions(self) if is_free else {}
        return [
            {
                **spec,
                "shape": [
                    followed.get((spec["name"], axis), f"{spec['name']}_{axis}") if size is None else size
                    for axis, size in enumerate(spec["shape"])
                ],
            }
            for spec in specs
        ]


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """The model in the folder `path`; `settings` has `signature`, `tags` and `tensors`.

    Raises `source.unsupported` for operators that TensorFlow does not know.
    """
    require({"tensorflow": "tensorflow-cpu"})
    progress("starting TensorFlow")
    with blame("worker.crashed", "TensorFlow does not start"):
        tensorflow = importlib.import_module("tensorflow")
    progress("loading the model")
    try:
        with blame("source.damaged", f"TensorFlow {tensorflow.__version__} cannot load the SavedModel"):
            return Model(tensorflow, tensorflow.saved_model.load(str(path), settings["tags"]), settings)
    except TaskError as error:
        unknown = re.search(r"Op type not registered '([^']+)'", error.message)
        if unknown is None:
            raise
        raise TaskError(
            "source.unsupported",
            f"TensorFlow {tensorflow.__version__} knows no operator {unknown[1]}, which the model uses.",
            hint=_whose(unknown[1]),
        ) from error


def _whose(operator: str) -> str:
    for package, beginnings in _PLUG_INS.items():
        if operator.startswith(beginnings):
            return (
                f"It comes from {package}. Export the model without it, taking tensors instead of raw text."
            )
    return "It comes from a package that adds to TensorFlow. Export the model without it."


def _without_key(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": spec["name"], "dtype": spec["dtype"], "shape": list(spec["shape"])}
