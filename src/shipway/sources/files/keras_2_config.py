"""Keras 2's configuration in the form that `keras_config` reads: that of Keras 3.

It comes from a file that may be hostile: every look into it expects any JSON, and nothing recurses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shipway.sources.workers.frameworks.keras_2_to_3 import layers

Json = Any

_MODELS = ("Sequential", "Functional", "Model")


def rewrite(config: dict[str, Json]) -> None:
    """Lets, in place, layers name their module, and nodes their feeders, as Keras 3 writes them."""
    for layer in layers(config):
        layer["module"] = "keras" if layer["class_name"] in _MODELS else "keras.layers"
        layer["registered_name"] = None
        if isinstance(nodes := layer.get("inbound_nodes"), list):
            layer["inbound_nodes"] = [{"keras_history": [name, 0, 0]} for name in _feeders(nodes)]
    if config.get("class_name") == "Model":  # what Keras 2.3 called it
        config["class_name"] = "Functional"


def _feeders(nodes: list[Json]) -> Iterator[str]:
    """Layers' names from `[[["a", 0, 0, {}], ["b", 0, 0, {}]]]`, one list for each call."""
    for node in nodes:
        for entry in node if isinstance(node, list) else []:
            if isinstance(entry, list) and entry and isinstance(entry[0], str):
                yield entry[0]
