"""Keras `.h5` → `.keras`: read by Keras 3 with Keras 2's meaning, and saved as Keras 3's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..edge import Edge, Facts, Opened
from ..wire import TaskError


def write(opened: Opened, out: Path, task: Mapping[str, Any]) -> None:
    """Where Keras 2 had a function that Keras 3 has not, the file holds layers that compute the same."""
    del task
    try:
        model = opened.model
    except TaskError as error:
        if error.code != "environment.missing" or importlib.util.find_spec("keras") is None:
            raise
        raise TaskError("export.no-way", f"Keras 3 cannot hold this model. {error.message}") from error
    model.model.save(str(out))


def _fits(facts: Facts) -> int | None:
    return None if facts.get("needs_trust") else 0


EDGES = (
    Edge(
        name="keras-h5/keras",
        start="keras-h5",
        end="keras",
        file=__file__,
        write=write,
        result="model.keras",
        fits=_fits,
        settings={"engines": ["keras-3"]},
        requires={"keras": "keras>=3.10,<4"},
        extra="keras",
    ),
)
