"""A fitted scikit-learn model behind one face: named inputs, and outputs by what its last step can do.

A classifier answers `label` and `probabilities` (or `scores` where it has no probabilities), a regressor
`prediction`, a clusterer or outlier detector `label` and `scores`, a transformer `transformed`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from ..loaded import Arrays, Twin
from ..loading import versions_of
from ..wire import TaskError
from .table_inputs import Table

_TWIN_ROWS = 64
_JUMPING = (
    *("sklearn.tree", "sklearn.ensemble", "sklearn.neighbors", "sklearn.preprocessing._discretization"),
    *("xgboost", "lightgbm"),
)
"""Modules of estimators whose answers jump: a change in an input's last place may change them by a leaf."""

Method = Callable[[Any], np.ndarray]


class Model:
    """One fitted estimator."""

    framework = "scikit-learn"

    def __init__(self, estimator: Any, table: Table) -> None:  # noqa: ANN401 - scikit-learn has no types
        self.estimator = estimator
        self.table = table
        self.input_specs = table.specs
        self.methods = _methods(estimator)
        self.perturbs = not any(type(part).__module__.startswith(_JUMPING) for part in parts_of(estimator))

    def predict(self, arrays: Arrays) -> Arrays:
        """One call of each method, in float64 as the model was trained; fractions are given as float32."""
        return {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in self._answer(arrays).items()
        }

    def twin(self) -> Twin | None:
        """The same answers before they are cast."""
        return Twin(self._answer, rows=_TWIN_ROWS)

    def versions(self) -> dict[str, str]:
        """Of scikit-learn and what it computes with."""
        return versions_of(("scikit-learn", "numpy", "scipy"))

    @cached_property
    def output_specs(self) -> list[dict[str, Any]]:
        """From two rows that the model knows."""
        found = self.predict(self.table.examples())
        return [
            {
                "name": name,
                "dtype": "string" if array.dtype.kind in "OU" else array.dtype.name,
                "shape": ["batch", *array.shape[1:]],
            }
            for name, array in found.items()
        ]

    def _answer(self, arrays: Arrays) -> Arrays:
        rows = self.table.assemble(arrays)
        with warnings.catch_warnings():
            # Said of an array without column names, and of categories that the encoder is to ignore.
            warnings.simplefilter("ignore", UserWarning)
            return {name: _shaped(name, method(rows)) for name, method in self.methods.items()}


def parts_of(estimator: Any) -> Iterator[Any]:  # noqa: ANN401 - an estimator
    """The estimator and all that it is made of, steps of pipelines and members of unions and votes."""
    yield estimator
    inner = [step for _, step in getattr(estimator, "steps", ())]
    inner += [transformer for _, transformer, _ in getattr(estimator, "transformers_", ())]
    inner += [member for _, member in getattr(estimator, "transformer_list", ())]
    inner += list(getattr(estimator, "named_estimators_", {}).values())
    for name in ("estimator_", "final_estimator_", "regressor_"):
        inner += [found] if (found := getattr(estimator, name, None)) is not None else []
    for part in inner:
        if not isinstance(part, str):
            yield from parts_of(part)


def all_parts(estimator: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    """The same with the members of ensembles, which may be many."""
    for part in parts_of(estimator):
        yield part
        for member in np.ravel(np.asarray(getattr(part, "estimators_", ()), dtype=object)).tolist():
            yield from all_parts(member)


def last_step(estimator: Any) -> Any:  # noqa: ANN401 - as above
    """What gives the answer: of a pipeline its last step that is one."""
    steps = [step for _, step in getattr(estimator, "steps", ()) if not isinstance(step, str)]
    return last_step(steps[-1]) if steps else estimator


def _methods(estimator: Any) -> dict[str, Method]:  # noqa: ANN401 - as above
    """Output → the method that gives it. Raises `source.unsupported` for what answers nothing about new rows."""
    if not hasattr(estimator, "predict"):
        if hasattr(estimator, "transform"):
            return {"transformed": estimator.transform}
        raise TaskError(
            "source.unsupported",
            f"{type(last_step(estimator)).__name__} can neither predict nor transform rows that it was not "
            "fitted on.",
            hint="Save an estimator with a predict or transform method.",
        )
    if getattr(estimator, "_estimator_type", None) == "regressor" or _is("regressor", estimator):
        return {"prediction": estimator.predict}
    if hasattr(estimator, "predict_proba"):
        return {"label": estimator.predict, "probabilities": estimator.predict_proba}
    if hasattr(estimator, "decision_function"):
        return {"label": estimator.predict, "scores": estimator.decision_function}
    if _is("clusterer", estimator) and hasattr(estimator, "transform"):
        return {"label": estimator.predict, "scores": estimator.transform}
    return {"label": estimator.predict}


def _is(kind: str, estimator: Any) -> bool:  # noqa: ANN401 - as above
    """By the tags of scikit-learn 1.6 and later."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags is not None and tags().estimator_type == kind


def _shaped(name: str, found: Any) -> np.ndarray:  # noqa: ANN401 - an array, a sparse one or a list of arrays
    if isinstance(found, list):
        raise TaskError(
            "source.unsupported",
            f"The model gives {len(found)} sets of {name} for a row, one for each of its targets.",
            hint="Save one model for each target.",
        )
    array = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    if name != "label":
        return array if array.ndim > 1 else array[:, None]
    return _labels(array)


def _labels(array: np.ndarray) -> np.ndarray:
    """int64 for whole numbers and booleans, else strings; ONNX has no other labels."""
    if array.dtype.kind == "O":
        array = np.array(array.tolist())
    if array.dtype.kind in "US":
        return array.astype(str).astype(object)
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array):
        raise TaskError(
            "source.unsupported",
            f"The model's labels are fractions ({array.ravel()[0]!r}); expected whole numbers or strings.",
            hint="Train it on whole numbers or names of classes.",
        )
    return whole
