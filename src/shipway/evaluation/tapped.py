"""What was heard at one place inside a model: at a layer of the source, at a node of the candidate.

Frameworks and runtimes are asked elsewhere; here are arrays and names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipway.types import Array


@dataclass(frozen=True)
class LayerAnswer:
    """One tapped layer of the source, in the order in which the source computed it."""

    name: str
    """`conv2d` in Keras, `features.0` in torch."""
    kind: str
    """`Conv2D` in Keras, `Conv2d` in torch."""
    inputs: tuple[Array, ...]
    """What went in, `[rows, ...]` each."""
    outputs: tuple[Array, ...]
    parameters: Mapping[str, Array] = field(default_factory=dict)
    """By the framework's own name (`kernel`, `weight`, `bias`, `gamma`); may leave out large ones."""


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
