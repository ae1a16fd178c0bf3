"""Keras `.h5` → SavedModel, by the Keras that reads the file."""

from __future__ import annotations

from ..edge import Edge
from ..frameworks.saved_model_export import write

EDGES = (
    Edge(
        name="keras-h5/saved-model",
        start="keras-h5",
        end="savedmodel",
        file=__file__,
        write=write,
        result="saved_model",
        extra="tensorflow",
    ),
)
