"""A boosted forest behind one face, whichever library grew it: one input of features, answers by its objective.

A classifier answers `label` (the class's index) and `probabilities`, anything else `prediction`. A missing value
is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..loaded import Arrays, Specs, Twin
from ..loading import versions_of

_TWIN_ROWS = 64

Ask = Callable[[np.ndarray], np.ndarray]
"""`[rows, features]` float32 to what the library's own `predict` gives."""


class Model:
    """One booster. `kind` is `"binary"`, `"multi"` or `"value"`."""

    perturbs = False

    def __init__(
        self,
        booster: Any,  # noqa: ANN401 - the library's own class
        ask: Ask,
        *,
        framework: str,
        distributions: tuple[str, ...],
        input_name: str,
        features: int,
        kind: str,
        width: int,
        is_double: bool,
    ) -> None:
        self.booster = booster
        self.framework = framework
        self.kind = kind
        self.features = features
        self._ask = ask
        self._distributions = distributions
        self._is_double = is_double
        self.input_specs: Specs = [{"name": input_name, "dtype": "float32", "shape": ["batch", features]}]
        label: dict[str, Any] = {"name": "label", "dtype": "int64", "shape": ["batch"]}
        answer = "prediction" if kind == "value" else "probabilities"
        values: dict[str, Any] = {"name": answer, "dtype": "float32", "shape": ["batch", width]}
        self.output_specs: Specs = [values] if kind == "value" else [label, values]

    def predict(self, arrays: Arrays) -> Arrays:
        """One run; fractions as float32."""
        return {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in self._answer(arrays).items()
        }

    def twin(self) -> Twin | None:
        """The same answers before they are cast, of a library that computes in float64."""
        return Twin(self._answer, rows=_TWIN_ROWS) if self._is_double else None

    def versions(self) -> dict[str, str]:
        """Of the library, under whichever name it was installed."""
        return versions_of((*self._distributions, "numpy"))

    def _answer(self, arrays: Arrays) -> Arrays:
        rows = np.ascontiguousarray(arrays[self.input_specs[0]["name"]], np.float32)
        found = np.asarray(self._ask(rows))
        if self.kind == "value":
            return {"prediction": found.reshape(len(rows), -1)}
        if self.kind == "binary":
            return {
                "label": (found > 0.5).astype(np.int64),
                "probabilities": np.stack([1 - found, found], axis=1),
            }
        return {"label": found.argmax(axis=1).astype(np.int64), "probabilities": found}
