"""How exact a model's own answers are: the floor below which a difference says nothing about a conversion.

Two correct runs of one float32 model differ, because sums are taken in another order. The floor is measured on
the source itself, in its own framework, so a deep net is allowed what a deep net does and a small one is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.closeness import output_scale, row_errors, scores_beside, tied_rows
from shipway.bundle.golden import Tolerance
from shipway.evaluation.parity.probes import is_typical
from shipway.sources.base import Reference
from shipway.sources.workers.loaded import is_request
from shipway.types import Array

FACTOR = 16.0
"""Times the floor is the budget. The floor is the largest of some tens of rows of one run against the truth; the
judged difference is between two runs with other kernels, at the largest of hundreds of rows."""
LEAST_EPS = 8.0
"""The floor is at least this many units of rounding of the output's dtype, so float32's least budget is 1.5e-5.
Between PyTorch and ONNX Runtime a net of 19 convolutions and a sigmoid showed 2.2e-6 at the worst of 269 rows,
where 16 rows against float64 had shown less than 4.8e-7."""
HALF_EPS = 2.0
"""The same for float16: a unit is 1e-3 there, and runtimes compute in float32 between."""
ASSUMED_EPS = 32.0
"""The same where no float64 answer tells. Running rows one by one changes few of the sums, so it can show a
spread of zero for a net whose true error is 1e-6."""
EDGE_FACTOR = 4.0
"""Edge rows drive a net where it was not trained and cancel more, in one runtime more than in another: ONNX
Runtime's mean over a constant image of 111 × 111 lies 1.2e-5 from the true one, torch's 1e-7."""
LARGEST_BUDGET = 0.05
"""No measured floor buys more than this: a float64 answer that lies far off is a wrong answer, not noise."""


@dataclass(frozen=True)
class OutputNoise:
    """One output's floor and what follows from it. Errors are as `row_errors` has them, without a unit."""

    scale: float
    """`output_scale` of the typical rows."""
    floors: Mapping[str, float]
    """Case → floor."""
    floor: float
    """Of typical rows."""
    is_float: bool
    unsettled: Mapping[str, NDArray[np.bool_]]
    """Case → rows `[rows]` in which the source's own runs differ, or that are a decision between tied scores; for
    outputs that are not float."""

    def floor_of(self, case: str) -> float:
        """The floor that rows of a case are judged by."""
        return self.floors.get(case, self.floor)

    def budget_of(self, case: str) -> float:
        """The largest error that is rounding."""
        return min(FACTOR * self.floor_of(case), LARGEST_BUDGET) if self.is_float else 0.0


@dataclass(frozen=True)
class Noise:
    """The floors of all outputs, and in words how they were measured."""

    outputs: Mapping[str, OutputNoise]
    described: str

    def tolerance(self, output: str) -> Tolerance:
        """What typical rows of an output are judged by, for a bundle to carry. Raises `KeyError`."""
        noise = self.outputs[output]
        return Tolerance(scale=noise.scale, budget=noise.budget_of(""))


def measure_noise(reference: Reference) -> Noise:
    """The floor of every output, from the source's float32 answers against its own float64 ones.

    Where there are none, from answers repeated with the rows divided otherwise. `reference.precise` and
    `reference.repeated` may hold fewer cases than `outputs`, and of a case the first rows only.
    """
    names = list(dict.fromkeys(name for case in reference.outputs.values() for name in case))
    outputs = {name: _measure_output(name, reference) for name in names}
    outputs = {name: _with_ties(name, outputs, reference.outputs) for name in names}
    if reference.precise:
        words = f"the source against itself in float64, {_size(reference.precise)}"
    elif reference.repeated:
        how = "asked again" if any(map(is_request, reference.repeated)) else "with the rows divided otherwise"
        words = f"the source against itself {how}, {_size(reference.repeated)}; no float64 answer"
    else:
        words = "assumed from the dtype; the source gave one answer only"
    return Noise(outputs=outputs, described=words)


def typical_outputs(outputs: Mapping[str, Mapping[str, Array]], name: str) -> list[Array]:
    """The arrays of one output in the cases that show the model in use, else in all."""
    typical = [case[name] for key, case in outputs.items() if is_typical(key) and name in case]
    return typical or [case[name] for case in outputs.values() if name in case]


def whole_scale(outputs: Mapping[str, Mapping[str, Array]], name: str) -> float:
    """`output_scale` of one output over typical rows: an edge row of 1e6 must not hide errors in real ones."""
    arrays = typical_outputs(outputs, name)
    if arrays[0].dtype.kind != "f":
        return output_scale(arrays[0])
    extremes = [_extremes(array) for array in arrays]
    return output_scale(np.concatenate(extremes))


def _extremes(array: Array) -> Array:
    """The least and the largest finite value: all that a scale depends on."""
    values = array[np.isfinite(array)]
    return np.array([values.min(), values.max()]) if values.size else values


def _measure_output(name: str, reference: Reference) -> OutputNoise:
    scale = whole_scale(reference.outputs, name)
    dtype = typical_outputs(reference.outputs, name)[0].dtype
    if dtype.kind != "f":
        return OutputNoise(scale, {}, 0.0, False, _unsettled(name, reference))
    eps = float(np.finfo(dtype).eps)
    precise = _spreads(name, reference, reference.precise, scale)
    repeated = _spreads(name, reference, reference.repeated, scale)
    # A float64 output's float64 answer is the same computation again, and shows no rounding.
    is_measured = bool(precise) and dtype.itemsize < 8
    least = HALF_EPS if dtype.itemsize < 4 else LEAST_EPS if is_measured else ASSUMED_EPS
    measured = {case: max(precise.get(case, 0.0), repeated.get(case, 0.0)) for case in {*precise, *repeated}}
    typical = max([least * eps, *(value for case, value in measured.items() if is_typical(case))])
    floors = {}
    for case in reference.outputs:
        if is_typical(case):
            continue
        floors[case] = max(EDGE_FACTOR * typical, measured.get(case, 0.0))
    return OutputNoise(scale, floors, typical, True, {})


def _spreads(
    name: str, reference: Reference, again: Mapping[str, Mapping[str, Array]], scale: float
) -> dict[str, float]:
    """Case → largest error between the source's answer and its second one; rows not finite tell nothing."""
    found = {}
    for case, outputs in again.items():
        pair = _paired(reference.outputs.get(case, {}).get(name), outputs.get(name))
        if pair is None:
            continue
        errors = row_errors(pair[0], pair[1].astype(np.float64), scale=scale)
        finite = errors[np.isfinite(errors)]
        if finite.size:
            found[case] = float(finite.max())
    return found


def _unsettled(name: str, reference: Reference) -> dict[str, NDArray[np.bool_]]:
    found: dict[str, NDArray[np.bool_]] = {}
    for again in (reference.precise, reference.repeated):
        for case, outputs in again.items():
            first = reference.outputs.get(case, {}).get(name)
            pair = _paired(first, outputs.get(name))
            if first is None or pair is None:
                continue
            rows = found.setdefault(case, np.zeros(len(np.atleast_1d(first)), dtype=bool))
            differs = (pair[0] != pair[1]).reshape(len(pair[0]), -1).any(axis=1)
            rows[: len(differs)] |= differs
    return found


def _with_ties(
    name: str, outputs: Mapping[str, OutputNoise], reference: Mapping[str, Mapping[str, Array]]
) -> OutputNoise:
    noise, unsettled = outputs[name], dict(outputs[name].unsettled)
    for case, answers in reference.items():
        scores = None if is_request(case) else scores_beside(answers, name)
        if scores is None:
            continue
        of_scores = outputs[scores]
        tied = tied_rows(answers[scores], scale=of_scores.scale, budget=of_scores.budget_of(case))
        unsettled[case] = tied | unsettled[case] if case in unsettled else tied
    return replace(noise, unsettled=unsettled)


def _paired(first: Array | None, second: Array | None) -> tuple[Array, Array] | None:
    """The rows that both answers have (a scalar is one), or None where their shapes do not belong together."""
    if first is None or second is None or first.ndim != second.ndim or first.shape[1:] != second.shape[1:]:
        return None
    first, second = np.atleast_1d(first), np.atleast_1d(second)
    rows = min(len(first), len(second))
    return (first[:rows], second[:rows]) if rows else None


def _size(answers: Mapping[str, Mapping[str, Array]]) -> str:
    """In words: `24 rows`, `3 requests`."""
    if any(map(is_request, answers)):
        return f"{len(answers)} request{'s' if len(answers) > 1 else ''}"
    return f"{sum(_row_count(case) for case in answers.values())} rows"


def _row_count(outputs: Mapping[str, Array]) -> int:
    return max((len(array) for array in outputs.values() if array.ndim), default=0)
