"""The rule `quality-non-inferiority`: is B no worse than A by more than the margin, on the same labelled rows?

Not a test of whether the two are equal: on few rows any two models look equal, and on many a drop that nobody
minds is significant. `docs/reference/verdicts.md` has the rule in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import special, stats

from shipway.bundle.evidence import Json, Result, Verdict
from shipway.evaluation.comparison.differences import (
    CONFIDENCE,
    FEWEST_ROWS,
    PairedDifference,
    finite,
)
from shipway.evaluation.comparison.tango import tango_bounds, tango_interval
from shipway.evaluation.statistics import lower_bound, rows_to_settle

NON_INFERIORITY = "quality-non-inferiority"
MARGIN = 0.01
"""One point of accuracy, or one per cent of A's error."""
POWER = 0.80
SAME = "the answers are the same, bit by bit"


def non_inferiority(
    *,
    n: int,
    b: int,
    c: int,
    subject: str,
    margin: float = MARGIN,
    metric: str = "accuracy",
    are_same: bool = False,
) -> Verdict:
    """Judges a share of rows that are right, `metric`, by paired counts: of `n` rows A alone is right on `b`,
    and B alone on `c`.

    The drop is (b - c) / n, its bounds are Tango's (1998). PASS when the one-sided 95 % upper bound of the
    drop is below `margin` (a share, above 0), FAIL when the lower one is above it, else INCONCLUSIVE with the
    rows that a pair of equally good models would need to pass with a power of 80 %. A drop above the margin
    needs more than `margin` of rows on which A alone is right, and FAIL also needs that by the exact bound of
    that rate (Clopper and Pearson): on a handful of such rows Tango's bound alone fails up to 9 % of models
    at the margin. `are_same` says that all answers are bitwise equal, which passes at any number of rows.
    """
    figures: dict[str, Json] = {"metric": metric, "n": n, "b": b, "c": c, "margin": margin}
    if n == 0:
        return _verdict(Result.INCONCLUSIVE, subject, "there is no labelled row to judge on", figures)
    drop, discordance = (b - c) / n, (b + c) / n
    lower, upper = tango_bounds(n=n, b=b, c=c, confidence=CONFIDENCE)
    low, high = tango_interval(n=n, b=b, c=c, confidence=CONFIDENCE)
    figures |= {
        "drop": drop,
        "low": low,
        "high": high,
        "lower_bound": lower,
        "upper_bound": upper,
        "discordance": discordance,
        "power": power_at(n, discordance, margin),
        "n_needed": rows_needed(discordance, margin),
        "p_value": float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0,
    }
    if are_same:
        return _verdict(Result.PASS, subject, SAME, figures | {"direction": "the same"})
    seen = f"{metric.replace('_', ' ')} {_moved(drop)} on {n} rows ({b} lost, {c} won)"
    certainly_lost = lower_bound(b, n, confidence=CONFIDENCE) > margin
    result = _judge(lower, upper, margin, may_fail=certainly_lost)
    figures["direction"] = _direction(low, high, result)
    reason = f"{seen}; {_bound_in_words(lower, upper, margin, result, _points)}"
    if result is Result.INCONCLUSIVE and lower > margin:
        reason += f"; about {rows_to_settle(b, n, margin)} rows would settle it"
    elif result is Result.INCONCLUSIVE:
        reason += f"; {_needed_in_words(n, figures['n_needed'], drop, margin, discordance)}"
    return _verdict(result, subject, reason, figures)


def error_non_inferiority(
    difference: PairedDifference, *, n: int, subject: str, margin: float = MARGIN, are_same: bool = False
) -> Verdict:
    """Judges an error by its growth as a share of A's (`ErrorDifference.relative`), `n` rows having been
    resampled.

    PASS when the one-sided 95 % upper bound of the growth is below `margin`, FAIL when the lower one is above
    it, else INCONCLUSIVE. INCONCLUSIVE too below 20 rows, and where A's error is 0, of which no share can be
    taken.
    """
    bounds, metric = difference.bounds, difference.metric
    figures: dict[str, Json] = {
        "metric": metric,
        "n": n,
        "margin": margin,
        "growth": finite(difference.change),
        "low": finite(bounds.low),
        "high": finite(bounds.high),
        "lower_bound": finite(bounds.lower),
        "upper_bound": finite(bounds.upper),
        "method": bounds.method,
    }
    if are_same:
        return _verdict(Result.PASS, subject, SAME, figures | {"direction": "the same"})
    if difference.change is None:
        return _verdict(
            Result.INCONCLUSIVE,
            subject,
            f"{metric} of A is 0 or undefined, and no share of it can be allowed",
            figures,
        )
    if n < FEWEST_ROWS:
        reason = f"{n} rows are too few to resample; from {FEWEST_ROWS} on their spread tells something"
        return _verdict(Result.INCONCLUSIVE, subject, reason, figures | {"n_needed": FEWEST_ROWS})
    lower, upper, error = bounds.lower, bounds.upper, bounds.error
    if lower is None or upper is None or error is None:
        reason = (
            f"{metric} is equal on every row though the answers differ: nothing tells how far it may move"
        )
        return _verdict(Result.INCONCLUSIVE, subject, reason, figures)
    spread = (error**2) * n
    needed = max(FEWEST_ROWS, _needed(spread, margin) or 0)
    figures |= {"power": _power_of_mean(margin, error), "n_needed": needed}
    result = _judge(lower, upper, margin, may_fail=True)
    figures["direction"] = _direction(bounds.low or 0.0, bounds.high or 0.0, result)
    reason = f"{metric} {_grown(difference.change)} on {n} rows; " + _bound_in_words(
        lower, upper, margin, result, _share
    )
    if result is Result.INCONCLUSIVE:
        reason += f"; {_needed_in_words(n, needed, difference.change, margin, spread)}"
    return _verdict(result, subject, reason, figures)


def broken_answers(metric: str, *, rows: int, first: int, subject: str) -> Verdict:
    """FAIL: B answers `rows` rows with NaN or infinity and A none, so that B has no figure at all."""
    reason = f"B answers {rows} rows with NaN or infinity (first: row {first}): its {metric} is undefined"
    return _verdict(Result.FAIL, subject, reason, {"metric": metric, "broken_rows": rows, "first_row": first})


def rows_needed(discordance: float, margin: float, *, power: float = POWER) -> int:
    """Rows at which two equally good models that differ in `discordance` (a share) of rows pass with this power.

    ((z_α·√V₀ + z_β·√ρ) / m)², Nam (Biometrics 53:1422, 1997), where V₀ is a row's variance at the margin. The
    shorter (z_α + z_β)²·ρ/m² takes ρ for it, which is too little where few rows differ: at ρ = 1 % and a
    margin of one point its 619 rows have a power of 67 %.
    """
    at_margin = _variance_at_margin(discordance, margin)
    reach = _z(CONFIDENCE) * math.sqrt(at_margin) + _z(power) * math.sqrt(discordance)
    return math.floor((reach / margin) ** 2) + 1


def power_at(n: int, discordance: float, margin: float) -> float:
    """How likely two equally good models that differ in this share of rows pass on `n` rows."""
    distance = margin * math.sqrt(n) - _z(CONFIDENCE) * math.sqrt(_variance_at_margin(discordance, margin))
    if discordance <= 0:
        return float(distance > 0)
    return float(special.ndtr(distance / math.sqrt(discordance)))


def _variance_at_margin(discordance: float, margin: float) -> float:
    """A row's variance by Tango's estimate, were the drop the margin where it is measured to be none."""
    linear = 2 * margin - discordance
    share = (math.sqrt(linear**2 + 4 * discordance * margin * (1 - margin)) - linear) / 4
    return 2 * share + margin * (1 - margin)


def _needed(variance: float, distance: float) -> int | None:
    """Rows that tell a mean from one at that distance, or None where no number does."""
    rows = (_z(CONFIDENCE) + _z(POWER)) ** 2 * variance / distance**2 if distance else math.inf
    return math.ceil(rows) if rows < 1e15 else None


def _power_of_mean(distance: float, error: float) -> float:
    """How likely a normal figure of this standard error is told from one at that distance."""
    return float(special.ndtr(distance / error - _z(CONFIDENCE)))


def _judge(lower: float, upper: float, margin: float, *, may_fail: bool) -> Result:
    if upper < margin:
        return Result.PASS
    return Result.FAIL if may_fail and lower > margin else Result.INCONCLUSIVE


def _direction(low: float, high: float, result: Result) -> str:
    """Two-sided, whatever the margin: a drop can be certain and small."""
    if low > 0:
        return "worse"
    if high < 0:
        return "better"
    return "not worse" if result is Result.PASS else "not told apart"


def _bound_in_words(
    lower: float, upper: float, margin: float, result: Result, show: Callable[[float], str]
) -> str:
    if result is Result.FAIL:
        return f"it is worse by at least {show(lower)} (95 % bound), the margin is {show(margin)}"
    if upper <= 0:
        return f"it is better by at least {show(-upper)} (95 % bound), the margin is {show(margin)}"
    may = f"by at most {show(upper)}" if result is Result.PASS else f"by up to {show(upper)}"
    return f"it may be worse {may} (95 % bound), the margin is {show(margin)}"


def _needed_in_words(n: int, needed: int, worse: float, margin: float, variance: float) -> str:
    """What would settle it: enough rows for two equal models, else for the distance that was measured."""
    if needed > n:
        return f"about {needed} rows are needed"
    settling = _needed(variance, margin - worse)
    if settling is None:
        return "the measured change is the margin itself, which no number of rows would settle"
    return f"the measured change is near the margin: about {max(settling, n + 1)} rows would settle it"


def _verdict(result: Result, subject: str, reason: str, figures: dict[str, Json]) -> Verdict:
    return Verdict(NON_INFERIORITY, subject, result, reason, figures)


def _moved(drop: float) -> str:
    if drop == 0:
        return "is equal"
    return f"{'fell' if drop > 0 else 'rose'} by {_points(abs(drop))}"


def _grown(growth: float) -> str:
    if growth == 0:
        return "is equal"
    return f"{'grew' if growth > 0 else 'shrank'} by {_share(abs(growth))}"


def _points(share: float) -> str:
    return f"{100 * share:.3g} point{'' if share == 0.01 else 's'}"


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _z(share: float) -> float:
    return float(special.ndtri(share))
