"""How values flow through a source's layers, and how far along it a candidate's values are its own.

Who computes from whom is told by equal arrays: a layer that got what another gave was behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shipway.evaluation.blame.value_matching import NO_MATCH, Match, ValueIndex
from shipway.sources.base import LayerAnswer
from shipway.types import Array

SMALLEST_JUMP = 10.0
"""A fault's error is this many times the error before it."""


@dataclass(frozen=True)
class Limits:
    """Errors by the row's scale."""

    rounding: float
    """Errors are not told apart below this."""
    smallest: float
    """A fault's error reaches this."""
    far: float
    """Above it all is equally wrong: a layer must not be blamed for making an error that it got larger."""


FULL = Limits(rounding=1e-6, smallest=2e-5, far=1e-2)
HALF = Limits(rounding=2e-3, smallest=2e-2, far=0.5)
"""Where the candidate computes in float16."""


@dataclass
class Step:
    """A layer in the flow of values; or the gap before one, where the source computes without a layer."""

    layer: LayerAnswer
    answers: tuple[Array, ...]
    parents: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    match: Match = NO_MATCH
    proof: float = np.inf
    """The smallest error of this step's answer and of all that is computed from it."""


def trace_layers(layers: Sequence[LayerAnswer]) -> list[Step]:
    """Who computes from whom, told by equal arrays; a step of its own for what comes from no layer."""
    steps: list[Step] = []
    makers: dict[tuple[object, ...], int] = {}
    flat_makers: dict[bytes, int] = {}

    def add(step: Step, parents: set[int]) -> int:
        step.parents = sorted(parents)
        for parent in parents:
            steps[parent].children.append(len(steps))
        steps.append(step)
        for array in step.answers:
            makers[_key(array)] = len(steps) - 1
            flat_makers[array.tobytes()] = len(steps) - 1
        return len(steps) - 1

    for layer in layers:
        parents = set()
        for array in layer.inputs:
            maker = makers.get(_key(array))
            if maker is None and steps and array.dtype.kind == "f" and array.ndim > 1:
                origin = flat_makers.get(array.tobytes(), len(steps) - 1)
                gap = LayerAnswer(layer.name, f"input of {layer.kind}", steps[origin].answers, (array,))
                maker = add(Step(gap, (array,)), {origin})
            parents |= set() if maker is None else {maker}
        add(Step(layer, layer.outputs), parents)
    return steps


def match_steps(steps: Sequence[Step], index: ValueIndex) -> None:
    """Finds each step's answer among the candidate's values and sets `match` and `proof`."""
    for step in steps:
        step.match = _match(step.answers, index)
    _prove(steps)


def _prove(steps: Sequence[Step]) -> None:
    """Backwards from what is found; a step whose answer tells nothing is as good as what it is computed from."""
    for step in reversed(steps):
        step.proof = min([step.match.error, *(steps[child].proof for child in step.children)])
    for position, step in enumerate(steps):
        if not any(map(_tells, step.answers)):
            step.proof = min(step.proof, error_before(steps, position))


def _key(array: Array) -> tuple[object, ...]:
    return array.shape, array.dtype.str, array.tobytes()


def _match(answers: tuple[Array, ...], index: ValueIndex) -> Match:
    """Of the answer that is found worst."""
    telling = [array for array in answers if _tells(array)]
    return max((index.nearest(array) for array in telling), key=lambda match: match.error, default=NO_MATCH)


def _tells(array: Array) -> bool:
    """An answer that is everywhere the same, or not made of floats, is like many others."""
    return array.dtype.kind == "f" and array.size > 1 and bool((array != array.flat[0]).any())


def error_before(steps: Sequence[Step], position: int) -> float:
    """The error of what a step is computed from; 0 for the model's inputs."""
    return max((steps[parent].proof for parent in steps[position].parents), default=0.0)


def first_jump(steps: Sequence[Step], limits: Limits) -> int | None:
    """The step whose error is the most times that of what it is computed from; the first of equals."""

    def jump(position: int) -> float:
        return min(steps[position].proof, limits.far) / max(error_before(steps, position), limits.rounding)

    suspects = [
        position
        for position, step in enumerate(steps)
        if step.proof >= limits.smallest
        and jump(position) >= SMALLEST_JUMP
        and any(map(_tells, step.answers))
    ]
    leading = [position for position in suspects if _leads_to_end(steps, position)] or suspects
    return max(leading, key=jump, default=None)


def _leads_to_end(steps: Sequence[Step], position: int) -> bool:
    """Whether the last layer is computed from this one; what is left aside may not be in the candidate at all."""
    reached = {position}
    for later in range(position + 1, len(steps)):
        if reached & set(steps[later].parents):
            reached.add(later)
    return len(steps) - 1 in reached
