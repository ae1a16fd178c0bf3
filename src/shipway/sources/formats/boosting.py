"""What the sources of both boosting libraries share: the file's head says all about what goes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shipway.sources.base import Description, Hints, Limits
from shipway.sources.files.boosting_file import BoostingOutline
from shipway.sources.framework import FrameworkSource
from shipway.types import DType, TensorSpec

_INPUT = "x"


class BoostedSource(FrameworkSource):
    """One file with a forest of boosted trees."""

    def __init__(
        self, path: Path, outline: BoostingOutline, *, python: Path | None, limits: Limits, hints: Hints
    ) -> None:
        name = hints.inputs[0].name if hints.inputs else _INPUT
        super().__init__(path, python=python, limits=limits, settings={"input": name})
        self._outline = outline

    def describe(self) -> Description:
        """From the file's head; the outputs are known when the library has been asked."""
        found = self._outline
        details: dict[str, Any] = {
            f"{found.library}_version": found.version,
            "model": found.booster,
            "objective": found.objective,
            "features": found.features,
            "feature_names": list(found.feature_names),
            "classes": found.classes,
            "trees": found.trees,
            "has_categories": found.has_categories,
            "takes_missing": found.booster != "gblinear",
        }
        rows = TensorSpec(self._settings["input"], DType.FP32, ("batch", found.features))
        return self.description(details, inputs=(rows,))

    def assume_inputs(self, inputs: tuple[TensorSpec, ...]) -> None:
        """Takes the name of the one input; its dtype and shape are the file's."""
        if inputs:
            self._settings["input"] = inputs[0].name
