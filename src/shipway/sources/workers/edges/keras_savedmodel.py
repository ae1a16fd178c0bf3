"""Keras → SavedModel."""

from __future__ import annotations

from ..edge import Edge
from ..frameworks.saved_model_export import write

EDGES = (
    Edge(
        name="tensorflow/saved-model",
        start="keras",
        end="savedmodel",
        file=__file__,
        write=write,
        result="saved_model",
        settings={"backends": ["tensorflow"]},
        extra="keras",
    ),
)
