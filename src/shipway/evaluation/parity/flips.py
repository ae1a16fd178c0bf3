"""The rule `decision-parity`: do two models decide alike, and if not, could rounding have done it?

A decision whose margin is more than twice its error cannot flip. So where numeric parity holds, flips that are
near ties owe nothing to statistics; where it does not (a quantized model), real flips are counted and their rate
is bounded. `docs/reference/verdicts.md` has the rule in words.
"""

from __future__ import annotations

import numpy as np

from shipway.bundle.closeness import row_scales
from shipway.bundle.evidence import Json, Result, Verdict
from shipway.bundle.golden import Tolerance
from shipway.evaluation.metrics.decisions import Decisions
from shipway.evaluation.statistics import lower_bound, rows_to_settle, upper_bound

DECISION_PARITY = "decision-parity"
BUDGET = 0.02
"""The rate of real flips that a cheaper model may have, unless the user says otherwise."""


def decision_parity(
    reference: Decisions,
    found: Decisions,
    *,
    numeric: Result,
    tolerance: Tolerance,
    subject: str,
    budget: float = BUDGET,
) -> Verdict:
    """Judges what a model decided (`found`) by what its source decided on the same rows.

    `numeric` is the result of numeric parity for the same pair, `tolerance` (of the output that decides) gives
    each row's error bound. After PASS: PASS when every flip is a near tie, FAIL on a real flip, at any number
    of rows. Else the exact one-sided 95 % bounds of the rate of real flips stand against `budget`: PASS when
    the upper one is within it, FAIL when the lower one is above it, else INCONCLUSIVE with the rows that would
    settle it.
    """
    rows = len(reference.predicted)
    flipped = reference.predicted != found.predicted
    bounds = tolerance.budget * row_scales(reference.scores, scale=tolerance.scale)
    near = flipped & (reference.margins <= 2 * bounds)
    flips, near_ties = int(flipped.sum()), int(near.sum())
    real = flips - near_ties
    upper = upper_bound(real, rows) if rows else 1.0
    figures: dict[str, Json] = {
        "n": rows,
        "flips": flips,
        "near_ties": near_ties,
        "real_flips": real,
        "upper_bound": upper,
        "budget": budget,
        "decision_rule": str(reference.rule),
        "first_real_flips": np.flatnonzero(flipped & ~near)[:5].tolist(),
    }

    def verdict(result: Result, reason: str) -> Verdict:
        return Verdict(DECISION_PARITY, subject, result, reason, figures)

    if not rows:
        return verdict(Result.INCONCLUSIVE, "there is no row to decide on")
    if numeric is Result.PASS:
        if real:
            row = int(np.flatnonzero(flipped & ~near)[0])
            return verdict(
                Result.FAIL,
                f"{real} of {rows} decisions flipped that rounding cannot flip; the first is row {row}: "
                f"class {reference.predicted[row]} became {found.predicted[row]} at a margin of "
                f"{reference.margins[row]:.2g}",
            )
        ties = f"; {near_ties} near ties within rounding" if near_ties else ""
        return verdict(Result.PASS, f"{rows - flips} of {rows} decisions are equal{ties}")
    return _judge_rate(verdict_figures=figures, subject=subject, real=real, rows=rows, budget=budget)


def _judge_rate(
    *, verdict_figures: dict[str, Json], subject: str, real: int, rows: int, budget: float
) -> Verdict:
    upper, lower = upper_bound(real, rows), lower_bound(real, rows)
    seen = f"{real} of {rows} decisions flipped"
    if upper <= budget:
        reason = f"{seen}; the rate is at most {upper:.2%} (95 % bound), {budget:.2%} is allowed"
        return Verdict(DECISION_PARITY, subject, Result.PASS, reason, verdict_figures)
    if lower > budget:
        reason = f"{seen}; the rate is at least {lower:.2%} (95 % bound), {budget:.2%} is allowed"
        return Verdict(DECISION_PARITY, subject, Result.FAIL, reason, verdict_figures)
    needed = rows_to_settle(real, rows, budget)
    verdict_figures["rows_needed"] = needed
    more = f"about {needed} rows would settle it at this rate" if needed else "the rate is the budget itself"
    reason = f"{seen}; the rate may be up to {upper:.2%}, {budget:.2%} is allowed: {more}"
    return Verdict(DECISION_PARITY, subject, Result.INCONCLUSIVE, reason, verdict_figures)
