"""The rules `numeric-parity` and `answer-parity`: does a converted or deployed model answer as its source does?

Differences are normalized by the row's scale (`bundle.closeness`) and judged against the source's own noise
(`noise.py`), not against a tolerance out of the air. `docs/reference/verdicts.md` has the rules in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.closeness import output_scale, row_errors
from shipway.bundle.evidence import Json, Result, Verdict
from shipway.bundle.golden import Tolerance, tied_decisions
from shipway.evaluation.blame.causes import likely_cause, swapped_outputs
from shipway.evaluation.parity.noise import FACTOR, Noise, OutputNoise
from shipway.evaluation.parity.probes import is_typical
from shipway.sources.workers.loaded import is_request
from shipway.types import Array

NUMERIC_PARITY = "numeric-parity"
ANSWER_PARITY = "answer-parity"

CaseOutputs = Mapping[str, Mapping[str, Array]]
"""Case name → output name → `[rows, ...]`, or the answer to one request, of any shape."""


@dataclass
class _Comparison:
    """One output over all cases."""

    name: str
    noise: OutputNoise
    errors: list[NDArray[np.float64]] = field(default_factory=list)
    worst_share: float = -1.0
    """Of the budget; infinite where any difference is one too many."""
    worst_error: float = 0.0
    worst_case: str = ""
    worst_row: int = 0

    def add(self, case: str, found: Array, reference: Array) -> None:
        errors = row_errors(found, reference, scale=self.noise.scale)
        unsettled = self.noise.unsettled.get(case)
        if unsettled is not None and len(unsettled) == len(errors):
            errors = np.where(unsettled, 0.0, errors)
        self.errors.append(errors)
        if not errors.size:
            return
        row = int(errors.argmax())
        worst, budget = float(errors[row]), self.noise.budget_of(case)
        share = worst / budget if budget else (np.inf if worst else 0.0)
        if share > self.worst_share:
            self.worst_share, self.worst_error, self.worst_case, self.worst_row = share, worst, case, row

    def figures(self) -> dict[str, Json]:
        errors = np.concatenate(self.errors) if self.errors else np.zeros(0)
        finite = errors[np.isfinite(errors)]
        shown: dict[str, Json] = {
            "max": _number(float(errors.max())) if errors.size else 0.0,
            "p99_9": float(np.quantile(finite, 0.999)) if finite.size else None,
            "rms": float(np.sqrt(np.square(finite).mean())) if finite.size else None,
            "worst_case": self.worst_case,
            "worst_row": self.worst_row,
            "budget": self.noise.budget_of(self.worst_case),
            "noise_floor": self.noise.floor_of(self.worst_case),
        }
        return shown


def numeric_parity(
    reference_outputs: CaseOutputs,
    found: CaseOutputs,
    *,
    noise: Noise,
    subject: str,
    inputs: str = "",
) -> Verdict:
    """Judges a float model's answers (`found`) by the source's (`reference_outputs`), case by case.

    `inputs` says in words what the cases are (`Cases.described`). FAIL: an output or case missing or unknown,
    another dtype or shape, NaN or infinity where the source has none, an error above the budget. INCONCLUSIVE:
    the source's own noise is so large that the difference could be it, the source answers every row alike, or
    nothing it answers is finite. Else PASS. A figure that is not finite is None.
    """
    figures: dict[str, Json] = {
        **_count(reference_outputs),
        "cases": list(reference_outputs),
        "inputs": inputs,
        "noise": noise.described,
    }
    verdict = _judge(NUMERIC_PARITY, subject, reference_outputs, found, noise, figures)
    if verdict.result is not Result.PASS:
        return verdict
    if not _any_finite(reference_outputs):
        reason = "the source answers NaN or infinity in every row, so nothing can be told"
    elif not _any_varies(reference_outputs, noise):
        reason = (
            "the source answers every row alike but for rounding, so a model that ignores its input would pass; "
            "judge it on data that it tells apart"
        )
    else:
        return verdict
    return Verdict(NUMERIC_PARITY, subject, Result.INCONCLUSIVE, reason, verdict.figures)


def answer_parity(
    reference: Mapping[str, Array],
    found: Mapping[str, Array],
    *,
    tolerances: Mapping[str, Tolerance],
    subject: str,
) -> Verdict:
    """Judges a live endpoint's answers by the source's on the same rows, within the tolerances of its bundle.

    Arrays are `[rows, ...]` by output name. An output without a tolerance must be equal. The form of the
    verdict and of its figures is that of `numeric_parity`.
    """
    outputs = {}
    for name, array in reference.items():
        tolerance = tolerances.get(name) or Tolerance(output_scale(array), 0.0)
        is_float = array.dtype.kind == "f"
        unsettled = (
            {"rows": tied} if (tied := tied_decisions(name, reference, tolerances)) is not None else {}
        )
        outputs[name] = OutputNoise(tolerance.scale, {}, tolerance.budget / FACTOR, is_float, unsettled)
    noise = Noise(outputs, "recorded in the bundle when the model was exported")
    figures: dict[str, Json] = {"rows": _rows(reference), "noise": noise.described}
    return _judge(ANSWER_PARITY, subject, {"rows": reference}, {"rows": found}, noise, figures)


def _judge(
    rule: str,
    subject: str,
    reference: CaseOutputs,
    found: CaseOutputs,
    noise: Noise,
    figures: dict[str, Json],
) -> Verdict:
    """The verdict on the differences alone; `figures` are completed."""
    problem = _form_problem(reference, found)
    if problem:
        swapped = _swapped(reference, found, noise)
        return Verdict(rule, subject, Result.FAIL, f"{problem}; {swapped}" if swapped else problem, figures)
    comparisons = _compare(reference, found, noise)
    worst = max(comparisons, key=lambda comparison: comparison.worst_share)
    figures.update(worst.figures(), worst_output=worst.name)
    figures["outputs"] = {comparison.name: comparison.figures() for comparison in comparisons}
    judged = _judge_difference(worst, reference, found, noise)
    result, reason = judged or (Result.PASS, _why_pass(worst))
    return Verdict(rule, subject, result, reason, figures)


def _compare(reference: CaseOutputs, found: CaseOutputs, noise: Noise) -> list[_Comparison]:
    names = list(dict.fromkeys(name for case in reference.values() for name in case))
    comparisons = [_Comparison(name, noise.outputs[name]) for name in names]
    for comparison in comparisons:
        for case, outputs in reference.items():
            if comparison.name in outputs:
                comparison.add(case, _text(found[case][comparison.name]), _text(outputs[comparison.name]))
    return comparisons


def _judge_difference(
    worst: _Comparison, reference: CaseOutputs, found: CaseOutputs, noise: Noise
) -> tuple[Result, str] | None:
    """FAIL or INCONCLUSIVE with the reason, or None where the worst error is within its budget."""
    if worst.worst_share <= 1:
        return None
    where = f"row {worst.worst_row} of case {worst.worst_case!r}"
    budget, floor = worst.noise.budget_of(worst.worst_case), worst.noise.floor_of(worst.worst_case)
    if worst.noise.is_float and worst.worst_error <= FACTOR * floor:
        return Result.INCONCLUSIVE, (
            f"output {worst.name!r} differs by {worst.worst_error:.2g} of its scale at {where}, and the source's "
            f"own noise is {floor:.2g} ({noise.described}): the two can't be told apart"
        )
    if not worst.noise.is_float:
        what = f"output {worst.name!r} is not equal at {where}"
    elif not np.isfinite(worst.worst_error):
        what = f"output {worst.name!r} has NaN or infinity where the source has not, at {where}"
    else:
        what = (
            f"output {worst.name!r} differs by {worst.worst_error:.2g} of its scale at {where}; "
            f"at most {budget:.2g} is rounding"
        )
    cause = _cause(worst, reference, found, noise)
    return Result.FAIL, f"{what}; {cause}" if cause else what


def _why_pass(worst: _Comparison) -> str:
    if not worst.noise.is_float:
        return "every answer is equal"
    budget = worst.noise.budget_of(worst.worst_case)
    return (
        f"the largest difference is {worst.worst_error:.2g} of the output's scale; "
        f"up to {budget:.2g} is rounding"
    )


def _form_problem(reference: CaseOutputs, found: CaseOutputs) -> str | None:
    """The first mismatch of cases, names, dtypes or shapes, or None."""
    for case, outputs in reference.items():
        if case not in found:
            return f"case {case!r} was not answered"
        missing, extra = set(outputs) - set(found[case]), set(found[case]) - set(outputs)
        if missing or extra:
            names = [f"{name!r} is missing" for name in sorted(missing)]
            names += [f"{name!r} is not the source's" for name in sorted(extra)]
            return f"the outputs' names differ: {', '.join(names)}"
        for name, expected in outputs.items():
            array = found[case][name]
            if array.shape != expected.shape:
                return (
                    f"output {name!r} has shape {list(array.shape)} in case {case!r}, "
                    f"the source's has {list(expected.shape)}"
                )
            if array.dtype != expected.dtype and not {array.dtype.kind, expected.dtype.kind} <= set("OSU"):
                return f"output {name!r} is {array.dtype}, the source's is {expected.dtype}"
    return None


def _cause(worst: _Comparison, reference: CaseOutputs, found: CaseOutputs, noise: Noise) -> str | None:
    swapped = _swapped(reference, found, noise)
    if swapped:
        return swapped
    case = next((case for case in reference if is_typical(case)), worst.worst_case)
    return likely_cause(
        found[case][worst.name],
        reference[case][worst.name],
        scale=worst.noise.scale,
        budget=worst.noise.budget_of(case),
    )


def _swapped(reference: CaseOutputs, found: CaseOutputs, noise: Noise) -> str | None:
    case = next(iter(reference))

    def fits(name: str, array: Array) -> bool:
        expected = reference[case][name]
        if (array.dtype.kind in "OSU") != (expected.dtype.kind in "OSU"):
            return False  # text is no number's like
        errors = row_errors(_text(array), _text(expected), scale=noise.outputs[name].scale)
        return bool(errors.size and errors.max() <= noise.outputs[name].budget_of(case))

    return swapped_outputs(found.get(case, {}), reference[case], fits)


def _any_finite(reference: CaseOutputs) -> bool:
    """Whether any typical row of any output is finite throughout."""
    return any(
        array.dtype.kind != "f"
        or not array.size
        or np.isfinite(array).reshape(_rows_of(array), -1).all(axis=1).any()
        for case, outputs in reference.items()
        if is_typical(case)
        for array in outputs.values()
    )


def _any_varies(reference: CaseOutputs, noise: Noise) -> bool:
    """Whether any output's rows differ by more than noise does, within a case or between cases."""
    first_rows: dict[tuple[str, tuple[int, ...]], Array] = {}
    for case, outputs in reference.items():
        for name, array in outputs.items():
            if not array.size:
                continue
            # What stands along the first axis of an answer to a whole request need not be rows.
            rows, output = _text(array[None] if is_request(case) else array), noise.outputs[name]
            first = first_rows.setdefault((name, rows.shape[1:]), rows[:1])
            errors = row_errors(np.broadcast_to(first, rows.shape), rows, scale=output.scale)
            if (errors > output.budget_of("")).any():
                return True
    return False


def _text(array: Array) -> Array:
    """Strings as one type, bytes, whichever way they came."""
    if array.dtype.kind not in "OSU":
        return array
    flat = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel().tolist()]
    text = np.empty(len(flat), dtype=object)
    text[:] = flat
    return text.reshape(array.shape)


def _count(reference: CaseOutputs) -> dict[str, Json]:
    if any(map(is_request, reference)):
        return {"requests": len(reference)}
    return {"rows": sum(_rows(case) for case in reference.values())}


def _rows_of(array: Array) -> int:
    return len(array) if array.ndim else 1


def _rows(outputs: Mapping[str, Array]) -> int:
    return max((_rows_of(array) for array in outputs.values()), default=0)


def _number(value: float) -> float | None:
    """JSON has no infinity."""
    return value if np.isfinite(value) else None
