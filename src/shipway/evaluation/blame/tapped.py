"""What was heard at one node of a candidate, beside what the layers of its source told (`sources.base`).

Frameworks and runtimes are asked elsewhere; here are arrays and names only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipway.sources.base import LayerAnswer
from shipway.types import Array


@dataclass(frozen=True)
class NodeAnswer:
    """One value inside the candidate, in the order in which it was computed."""

    name: str
    """Of the value."""
    op: str
    node: str
    """Of the node that computes it; the name of the value where the node has none."""
    value: Array
    inputs: tuple[str, ...] = ()
    """The names of the values that the node takes, where known."""


def layers_of_nodes(nodes: Sequence[NodeAnswer]) -> list[LayerAnswer]:
    """The nodes of an ONNX source as its layers. Inputs that were not tapped, such as weights, are left out."""
    values = {node.name: node.value for node in nodes}
    return [
        LayerAnswer(
            node.node,
            node.op,
            tuple(values[name] for name in node.inputs if name in values),
            (node.value,),
        )
        for node in nodes
    ]
