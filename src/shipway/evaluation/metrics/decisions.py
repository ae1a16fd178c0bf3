"""From a classifier's output to the class it decides for, and how near that decision was.

The rule is chosen once, on the source's answers, and applied to both sides: a rule read anew from the other
side's values could differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shipway.errors import DataMismatchError, UsageError
from shipway.types import Array, Signature


@dataclass(frozen=True)
class DecisionRule:
    """How one output decides."""

    output: str
    kind: str
    """`"argmax"`, `"threshold"`, `"label"` (the output is the class index itself) or `"each"` (several classes a
    row: a threshold for each column)."""
    class_count: int | None
    """None where a label output does not tell."""
    threshold: float = 0.0

    def __str__(self) -> str:
        if self.kind == "argmax":
            return f"the class with the largest value of output {self.output!r}"
        if self.kind == "label":
            return f"the class that output {self.output!r} names"
        if self.kind == "each":
            return f"every class whose value of output {self.output!r} is above {self.threshold:g}"
        return f"class 1 where output {self.output!r} is above {self.threshold:g}, else class 0"

    def apply(self, outputs: Mapping[str, Array]) -> Decisions:
        """The decisions in one answer. Raises `DataMismatchError` where the output has another form."""
        if self.output not in outputs:
            raise DataMismatchError(
                f"The answer has no output {self.output!r}; it has {', '.join(map(repr, outputs))}.",
                hint="Check that this is the model that the bundle was made from.",
            )
        values = _as_rows(outputs[self.output])
        columns = self.class_count if self.kind in ("argmax", "each") else 1
        if values.shape[1] != columns:
            raise DataMismatchError(
                f"Output {self.output!r} has shape {list(outputs[self.output].shape)}; "
                f"expected [rows, {columns}].",
                hint="Check that this is the model that the bundle was made from.",
            )
        return Decisions(rule=self, scores=values)


@dataclass(frozen=True)
class Decisions:
    """What a model decided for each row."""

    rule: DecisionRule
    scores: Array
    """`[rows, classes]` for argmax and each, `[rows, 1]` else, in the output's dtype."""

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The class index of each row, `[rows]`; the first of equal largest values, as numpy and ONNX have it.

        With several classes a row (`each`): 0 and 1, `[rows, classes]`.
        """
        if self.rule.kind == "argmax":
            return np.asarray(self.scores.argmax(axis=1), dtype=np.int64)
        if self.rule.kind == "label":
            return self.scores[:, 0].astype(np.int64)
        if self.rule.kind == "each":
            return (self.scores > self.rule.threshold).astype(np.int64)
        return (self.scores[:, 0] > self.rule.threshold).astype(np.int64)

    @cached_property
    def margins(self) -> NDArray[np.float64]:
        """How far apart the decision and its alternative are, `[rows]`, in the output's unit.

        The largest value less the second, or twice the distance from the threshold, so that a decision can flip
        only where the margin is at most twice the error. Infinite for label outputs.
        """
        if self.rule.kind == "label":
            return np.full(len(self.scores), np.inf)
        values = self.scores.astype(np.float64)
        if self.rule.kind == "threshold":
            return 2 * np.abs(values[:, 0] - self.rule.threshold)
        if self.rule.kind == "each":
            return np.asarray(2 * np.abs(values - self.rule.threshold).min(axis=1))
        top = np.partition(values, -2, axis=1)
        return np.asarray(top[:, -1] - top[:, -2])

    @property
    def class_count(self) -> int:
        """How many classes the model tells apart; from the answers where a label output does not say."""
        if self.rule.class_count is not None:
            return self.rule.class_count
        return int(self.predicted.max(initial=0)) + 1


def decide(
    outputs: Mapping[str, Array],
    signature: Signature,
    *,
    output: str | None = None,
    threshold: float | None = None,
) -> Decisions:
    """What a classifier decided. `outputs` are `[rows, ...]` by name, those of `signature`.

    `[rows, classes]` with two or more classes: the largest value. `[rows, 1]` or `[rows]`: above 0.5 where all
    values are probabilities (in [0, 1]), else above 0 (logits); `threshold` says otherwise. With several
    outputs the one to read is `output`, else the only float one of such a form, else the only whole-number
    one. Raises `UsageError` where several could be meant, `DataMismatchError` where none could.
    """
    return choose_rule(outputs, signature, output=output, threshold=threshold).apply(outputs)


def choose_rule(
    outputs: Mapping[str, Array],
    signature: Signature,
    *,
    output: str | None = None,
    threshold: float | None = None,
) -> DecisionRule:
    """The rule that `decide` applies; raises what it raises."""
    name, values = read_output(outputs, signature, output=output)
    if values.dtype.kind in "iub":
        return DecisionRule(output=name, kind="label", class_count=None)
    if values.shape[1] > 1:
        return DecisionRule(output=name, kind="argmax", class_count=values.shape[1])
    if threshold is None:
        threshold = 0.5 if bool(((values >= 0) & (values <= 1)).all()) else 0.0
    return DecisionRule(output=name, kind="threshold", class_count=2, threshold=threshold)


def choose_each_rule(
    outputs: Mapping[str, Array],
    signature: Signature,
    *,
    output: str | None = None,
    threshold: float | None = None,
) -> DecisionRule:
    """The rule for several classes a row: a column decides for itself, above 0.5 where all values are in [0, 1]
    or whole numbers, else above 0. Raises what `decide` raises."""
    name, values = read_output(outputs, signature, output=output, several=True)
    if threshold is None:
        inside = values.dtype.kind in "iub" or bool(((values >= 0) & (values <= 1)).all())
        threshold = 0.5 if inside else 0.0
    return DecisionRule(output=name, kind="each", class_count=values.shape[1], threshold=threshold)


def read_output(
    outputs: Mapping[str, Array], signature: Signature, *, output: str | None = None, several: bool = False
) -> tuple[str, Array]:
    """The output to judge, chosen as `decide` does, and its values `[rows, columns]`.

    `several` takes whole numbers of several columns too: classes that are each decided already. Raises what
    `decide` raises.
    """
    name = output if output is not None else _only_candidate(outputs, signature, several=several)
    if name not in outputs:
        raise UsageError(
            f"The model has no output {name!r}.", hint=f"Its outputs are {', '.join(map(repr, outputs))}."
        )
    return name, _as_rows(outputs[name])


def _only_candidate(outputs: Mapping[str, Array], signature: Signature, *, several: bool = False) -> str:
    forms = {name: outputs[name] for name in (spec.name for spec in signature.outputs) if name in outputs}
    possible = [name for name, array in forms.items() if _is_row_of_scores(array)]
    floats = [name for name in possible if forms[name].dtype.kind == "f"]
    whole = [name for name in possible if forms[name].dtype.kind in "iub"]
    if not several:
        whole = [name for name in whole if forms[name][:1].size == 1]
    for candidates in (floats, whole):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise UsageError(
                f"The model has {len(candidates)} outputs that could hold its classes: "
                f"{', '.join(map(repr, candidates))}.",
                hint=f"Say which: --output {candidates[0]}. Export, serve and check without labels judge all.",
            )
    shown = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in outputs.items())
    raise DataMismatchError(
        f"No output of the model reads as classes or numbers: expected float[rows, columns]; found {shown}.",
        hint="Metrics need one value a row, or one a row and class (or target).",
    )


def _is_row_of_scores(array: Array) -> bool:
    """True for `[rows]`, `[rows, n]`, and shapes that are the same but for axes of size 1."""
    return array.ndim >= 1 and sum(size != 1 for size in array.shape[1:]) <= 1 and array.dtype.kind in "fiub"


def _as_rows(array: Array) -> Array:
    if not _is_row_of_scores(array):
        raise DataMismatchError(
            f"An output of {array.dtype}{list(array.shape)} does not read as classes; expected [rows, classes].",
            hint="Name another output, or evaluate a model that gives one value a class and row.",
        )
    return array.reshape(len(array), math.prod(array.shape[1:]))
