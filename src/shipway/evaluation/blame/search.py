"""Finds where a converted model parts from its source: the first layer whose answer the candidate does not hold.

Layers are found among the candidate's values by what they hold (`value_matching.py`), never by name alone.
Converters merge layers, so a layer that is not found is no fault while one that is computed from it is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shipway.bundle.closeness import output_scale, row_errors
from shipway.bundle.evidence import Json
from shipway.evaluation.blame.layer_causes import BATCH, SWAPPED, Examined, cause_of
from shipway.evaluation.blame.tapped import NodeAnswer
from shipway.evaluation.blame.value_flow import (
    FULL,
    HALF,
    Limits,
    Step,
    error_before,
    first_jump,
    match_steps,
    trace_layers,
)
from shipway.evaluation.blame.value_matching import ValueIndex, arranged
from shipway.sources.base import LayerAnswer
from shipway.types import Array

_MOST_SUSPECTS = 24
"""Values of the candidate on which causes are tried."""
_RESHAPING = {"Reshape", "Expand", "Tile", "Concat", "Split"}
"""These may have a number of rows written into them."""
_FUSED = 3
"""Layers behind the first one not found that a converter may have merged with it."""


@dataclass(frozen=True)
class Blame:
    """The first place where the two part."""

    layer: str
    kind: str
    node: str
    """The candidate's node that stands in the layer's place, `""` where none is found."""
    input_low: float
    input_high: float
    """The range of what went into the layer; NaN where nothing is known of it."""
    error_before: float
    error_after: float
    """Of what goes in and what comes out, normalized by the row's scale."""
    cause: str
    """`""` where the table has none."""

    def describe(self) -> str:
        """One line for the verdict."""
        parts = [f"parts first at {self.layer!r} ({self.kind})"]
        if np.isfinite(self.input_low):
            parts.append(f"its inputs lie in [{self.input_low:.4g}, {self.input_high:.4g}]")
        after = f"{self.error_after:.2g}" if np.isfinite(self.error_after) else "beyond measure"
        parts.append(f"error {self.error_before:.2g} before and {after} after it")
        if self.node:
            parts.append(f"node {self.node!r}")
        if self.cause:
            parts.append(f"likely cause: {self.cause}")
        return "; ".join(parts)

    def to_json(self) -> dict[str, Json]:
        """As a verdict's figures hold it; None where a figure is not finite."""
        figures = {
            "input_low": self.input_low,
            "input_high": self.input_high,
            "error_before": self.error_before,
            "error_after": self.error_after,
        }
        told = {name: float(value) if np.isfinite(value) else None for name, value in figures.items()}
        return {"layer": self.layer, "kind": self.kind, "node": self.node, **told, "cause": self.cause}


def find_blame(
    layers: Sequence[LayerAnswer],
    nodes: Sequence[NodeAnswer],
    *,
    reference: Mapping[str, Array] | None = None,
    found: Mapping[str, Array] | None = None,
    stopped_at: tuple[str, str] | None = None,
) -> Blame | None:
    """The layer at which the candidate parts from the source, or None where they agree throughout.

    `layers` and `nodes` answered the same rows, asked at once. `reference` and `found` are the outputs of the
    two by name; with them a fault behind the last layer is found too, such as outputs under exchanged names.
    `stopped_at` is the candidate's node (name, operator) that failed, where it could not be run to its end
    (`find_stop`); `nodes` are then those before it.
    """
    steps = trace_layers(layers)
    if not nodes:  # a runtime that tells nothing of its inside
        return _blame_outputs(steps, nodes, reference or {}, found or {})
    index = ValueIndex(nodes, rows=_rows(layers))
    match_steps(steps, index)
    is_half = any(node.value.dtype == np.float16 for node in nodes)
    for limits in (HALF, FULL) if is_half else (FULL,):
        suspect = first_jump(steps, limits)
        if suspect is not None:
            return _Search(steps, nodes, index, limits, stopped_at).explain(suspect)
    return _blame_outputs(steps, nodes, reference or {}, found or {})


def find_stop(values: Sequence[str], runs: Callable[[str], bool]) -> int:
    """The position of the first value that cannot be computed; `len(values)` where all can.

    `values` are names in topological order; `runs(name)` says whether the graph cut behind that value runs.
    """
    good, bad = -1, len(values)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if runs(values[middle]) else (good, middle)
    return bad


def find_node(
    plain: Sequence[NodeAnswer], ask: Callable[[str], Array], *, kind: str = "ONNX node"
) -> Blame | None:
    """The first node of a graph at which graph optimization changes the answer, or None.

    `plain` are its values without optimization; `ask(name)` gives one of them with optimization, computed in a
    run that keeps no other (keeping a value keeps the runtime from merging the nodes around it). Bisects, so it
    asks about log2(nodes) times, and takes an error once made to stay.
    """
    known = [node for node in plain if node.value.dtype.kind == "f" and node.value.size]
    errors: dict[int, float] = {}

    def error(position: int) -> float:
        if position not in errors:
            errors[position] = _error(ask(known[position].name), known[position].value)
        return errors[position]

    if not known or error(len(known) - 1) < FULL.smallest:
        return None
    good, bad = -1, len(known) - 1
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if error(middle) < FULL.smallest else (good, middle)
    node = known[bad]
    values = {held.name: held.value for held in plain}
    low, high = _range(tuple(values[name] for name in node.inputs if name in values))
    before = error(good) if good >= 0 else 0.0
    layer = LayerAnswer(node.node, node.op, (), (node.value,))
    cause = cause_of(layer, node.value, ask(node.name)) or "graph optimization of the runtime"
    return Blame(node.node, f"{node.op}, {kind}", node.node, low, high, before, errors[bad], cause)


@dataclass(frozen=True)
class _Search:
    """Looks for the cause around the first step that the candidate does not hold."""

    steps: Sequence[Step]
    nodes: Sequence[NodeAnswer]
    index: ValueIndex
    limits: Limits
    stopped_at: tuple[str, str] | None

    def explain(self, suspect: int) -> Blame:
        """Blames the suspect, a layer that a converter merged with it, or one before it that only moves values.

        A layer that moves values (dropout, flatten) is found even where the candidate gets it wrong: at the
        value that goes into it.
        """
        after = max((self.steps[parent].match.position for parent in self._proven(suspect)), default=-1)
        for position in (suspect, *reversed(self._movers(suspect)), *self._merged(suspect)):
            cause, node = self._cause(position, after if position >= suspect else self._start(position))
            if cause:
                blame = self._blame(position, node, cause)
                before = min(blame.error_before, error_before(self.steps, suspect))
                return replace(blame, error_before=before)
        if self.stopped_at is not None:
            return self._blame_stop(suspect, *self.stopped_at)
        return self._blame(suspect, self._stand_in(suspect, after), "")

    def _blame_stop(self, suspect: int, node: str, op: str) -> Blame:
        """The failed node; where it is one that shapes, a number of rows written into it is the usual reason."""
        if op not in _RESHAPING:
            return replace(self._blame(suspect, -1, ""), node=node)
        position = [suspect, *self._movers(suspect)][-1]
        rows = len(self.steps[position].answers[0])
        cause = f"{BATCH}: {op} {node!r} cannot take {rows} rows"
        return replace(self._blame(position, -1, cause), node=node, error_after=np.inf)

    def _proven(self, position: int) -> list[int]:
        return [
            parent
            for parent in self.steps[position].parents
            if self.steps[parent].match.error < self.limits.smallest
        ]

    def _start(self, position: int) -> int:
        return self.steps[position].match.position

    def _merged(self, suspect: int) -> list[int]:
        """The layers in one line behind the suspect that are not found either; none where it has its own node."""
        line = [suspect]
        if self._has_node(suspect):
            return []
        while len(line) <= _FUSED and len(self.steps[line[-1]].children) == 1:
            child = self.steps[line[-1]].children[0]
            if self.steps[child].proof < self.limits.smallest:
                break
            line.append(child)
        return line[1:]

    def _has_node(self, position: int) -> bool:
        step = self.steps[position]
        return any(
            self._is_named(place, step.layer.name)
            for answer in step.answers
            for place in self.index.same_size(answer, after=-1)
        )

    def _movers(self, suspect: int) -> list[int]:
        """The layers right before the suspect that give the values that they got, the nearest first."""
        line: list[int] = []
        position = suspect
        while len(self.steps[position].parents) == 1:
            position = self.steps[position].parents[0]
            step = self.steps[position]
            if not any(given.tobytes() == step.answers[0].tobytes() for given in step.layer.inputs):
                break
            line.append(position)
        return line

    def _cause(self, position: int, after: int) -> tuple[str, int]:
        """The first cause that explains one of the values that may stand in the layer's place, and where."""
        step = self.steps[position]
        examined = Examined(step.layer)
        for answer in step.answers:
            if answer.dtype.kind != "f":
                continue
            for node in self._suspects(step, answer, after):
                for value in arranged(self.nodes[node].value, answer):
                    cause = cause_of(examined, answer, value)
                    if cause:
                        return cause, node
            node = self._other_rows(answer, after)
            if node >= 0:
                shape = list(self.nodes[node].value.shape)
                return f"{BATCH}: {len(answer)} rows became the shape {shape}", node
        return "", -1

    def _suspects(self, step: Step, answer: Array, after: int) -> list[int]:
        """Values as large as the answer, those first whose node is named after the layer."""
        places = self.index.same_size(answer, after=after)
        return sorted(places, key=lambda place: not self._is_named(place, step.layer.name))[:_MOST_SUSPECTS]

    def _is_named(self, place: int, layer: str) -> bool:
        node = self.nodes[place]
        return bool(layer) and any(_mentions(text, layer) for text in (node.node, node.name))

    def _other_rows(self, answer: Array, after: int) -> int:
        """A value as large as the answer with another number of rows, where no value has the right one."""
        if self.index.same_size(answer, after=after):
            return -1
        for place in range(after + 1, len(self.nodes)):
            value = self.nodes[place].value
            if value.size == answer.size and value.ndim and len(value) != len(answer):
                return place
        return -1

    def _stand_in(self, position: int, after: int) -> int:
        """The node named after the layer, or that gives the value nearest to the layer's; -1 for none."""
        step = self.steps[position]
        for answer in step.answers:
            named = [p for p in self._suspects(step, answer, after) if self._is_named(p, step.layer.name)]
            if named:
                return min(named, key=lambda place: self._distance(place, answer))
        return step.match.position if step.match.position > after else -1

    def _distance(self, place: int, answer: Array) -> float:
        return min(
            (_error(value, answer) for value in arranged(self.nodes[place].value, answer)), default=np.inf
        )

    def _blame(self, position: int, node: int, cause: str) -> Blame:
        step = self.steps[position]
        low, high = _range(step.layer.inputs)
        after = self._distance(node, step.answers[0]) if node >= 0 else np.inf
        return Blame(
            step.layer.name,
            step.layer.kind,
            self.nodes[node].node if node >= 0 else "",
            low,
            high,
            error_before(self.steps, position),
            min(step.proof, after) if step.proof >= self.limits.smallest else after,
            cause,
        )


def _blame_outputs(
    steps: Sequence[Step],
    nodes: Sequence[NodeAnswer],
    reference: Mapping[str, Array],
    found: Mapping[str, Array],
) -> Blame | None:
    """Every layer is in the candidate; what stands under the outputs' names is not what the layers gave."""
    for name, expected in reference.items():
        given = found.get(name)
        if given is None or expected.dtype.kind != "f":
            continue
        error = _error(given, expected)
        if error < FULL.smallest:
            continue
        step = min(
            steps, key=lambda step: min(_error(array, expected) for array in step.answers), default=None
        )
        layer = step.layer if step else LayerAnswer(name, "output", (), (expected,))
        low, high = _range(layer.inputs)
        before = step.match.error if step else 0.0
        cause = _exchanged(name, reference, found) or cause_of(layer, expected, given)
        if not cause and given.shape[:1] != expected.shape[:1]:
            cause = f"{BATCH}: {len(expected)} rows became the shape {list(given.shape)}"
        node = next((held.node for held in reversed(nodes) if held.value.shape == given.shape
                     and np.array_equal(held.value, given, equal_nan=True)), "")  # fmt: skip
        return Blame(layer.name, layer.kind, node, low, high, before, error, cause)
    return None


def _exchanged(name: str, reference: Mapping[str, Array], found: Mapping[str, Array]) -> str:
    for other in reference:
        if other != name and other in found:
            pairs = ((found[other], reference[name]), (found[name], reference[other]))
            if all(_error(given, expected) < FULL.smallest for given, expected in pairs):
                return f"{SWAPPED}: {name!r} and {other!r} stand under each other's name"
    return ""


def _mentions(text: str, layer: str) -> bool:
    """`layer` as a part of a path, with a number behind it or none: `fc` in `net/fc_1/MatMul`, not in `fc2`."""
    return re.search(rf"(?:^|[/:.]){re.escape(layer)}(?:_\d+)?(?:$|[/:.])", text) is not None


def _error(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return np.inf
    return float(row_errors(found, expected, scale=output_scale(expected)).max(initial=0.0))


def _rows(layers: Sequence[LayerAnswer]) -> int:
    """How many were asked: the first length of the first input or answer."""
    return next((len(a) for layer in layers for a in (*layer.inputs, *layer.outputs) if a.ndim), 0)


def _range(arrays: tuple[Array, ...]) -> tuple[float, float]:
    """The lowest and highest finite value; NaN without any."""
    finite = [array[np.isfinite(array)] for array in arrays if array.dtype.kind in "fiu"]
    finite = [array for array in finite if array.size]
    if not finite:
        return np.nan, np.nan
    return min(float(array.min()) for array in finite), max(float(array.max()) for array in finite)
