"""The rule on known counts, and by simulation: how often it passes and fails models whose true drop is known."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from shipway.bundle.evidence import Result
from shipway.evaluation.comparison.differences import UNBOUNDED, Bounds, PairedDifference
from shipway.evaluation.comparison.non_inferiority import (
    MARGIN,
    error_non_inferiority,
    non_inferiority,
    power_at,
    rows_needed,
)
from shipway.evaluation.comparison.paired_bootstrap import bootstrap_errors

PASS, FAIL, INCONCLUSIVE = Result.PASS, Result.FAIL, Result.INCONCLUSIVE


def _judge(n, b, c, **given):
    return non_inferiority(n=n, b=b, c=c, subject="test", **given)


def _shares(*, n, lost, won, data_sets, seed, margin=MARGIN):
    """How often each result comes, of simulated data sets with these true rates of rows lost and won."""
    drawn = np.random.default_rng(seed).multinomial(n, [lost, won, 1 - lost - won], size=data_sets)
    kinds, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    found = Counter()
    for (b, c), count in zip(kinds.tolist(), counts.tolist(), strict=True):
        found[_judge(n, b, c, margin=margin).result] += count
    return {result: found[result] / data_sets for result in Result}


def _allowed(share, data_sets):
    """The largest share that chance makes of a true one, but for one simulation in a thousand."""
    return stats.binom.ppf(0.999, data_sets, share) / data_sets


@pytest.mark.parametrize(
    ("counts", "margin", "result"),
    [
        ((1000, 5, 7), 0.01, PASS),  # MLPerf Tiny keyword spotting, int8 against float32
        ((1000, 5, 7), 0.005, PASS),
        ((1000, 5, 7), 0.001, INCONCLUSIVE),
        ((1000, 60, 7), 0.01, FAIL),
        ((10, 10, 0), 0.01, FAIL),
        ((1, 1, 0), 0.01, INCONCLUSIVE),
        ((5000, 300, 255), 0.01, INCONCLUSIVE),
        ((0, 0, 0), 0.01, INCONCLUSIVE),
    ],
)
def test_known_counts(counts, margin, result):
    verdict = _judge(*counts, margin=margin)
    assert (verdict.result, verdict.rule) == (result, "quality-non-inferiority")


def test_the_reason_says_what_was_seen_and_what_is_allowed():
    verdict = _judge(1000, 5, 7)
    assert verdict.reason == (
        "accuracy rose by 0.2 points on 1000 rows (5 lost, 7 won); it may be worse by at most 0.411 points "
        "(95 % bound), the margin is 1 point"
    )
    assert verdict.figures["drop"] == pytest.approx(-0.002)
    assert verdict.figures["p_value"] == pytest.approx(stats.binomtest(5, 12).pvalue)


def test_inconclusive_says_how_many_rows_are_needed():
    verdict = _judge(300, 8, 7)
    assert verdict.result is INCONCLUSIVE
    assert verdict.figures["n_needed"] == rows_needed(0.05, 0.01) == 3162
    assert "about 3162 rows are needed" in verdict.reason
    near = _judge(10_000, 300, 230)
    assert near.figures["n_needed"] < 10_000
    assert "near the margin" in near.reason
    assert "no number of rows" in _judge(2000, 24, 4).reason


@pytest.mark.parametrize(("discordance", "rows"), [(0.01, 619), (0.05, 3092), (0.1, 6183)])
def test_rows_needed_tend_to_the_short_formula(discordance, rows):
    """(z_α + z_β)²·ρ/m²: nearly the same where many rows differ, too few where they are few."""
    needed = rows_needed(discordance, 0.01)
    assert rows < needed < rows + 250
    assert power_at(needed, discordance, 0.01) == pytest.approx(0.8, abs=1e-3)


def test_identical_decisions_pass_with_enough_rows_and_never_fail():
    needed = rows_needed(0, 0.01)
    assert needed == 268
    assert _judge(needed, 0, 0).result is PASS
    few = _judge(needed - 1, 0, 0)
    assert few.result is INCONCLUSIVE
    assert few.figures["n_needed"] == needed
    assert "about 268 rows are needed" in few.reason


@pytest.mark.parametrize("n", [1, 2, 10, 267, 5000])
def test_identical_answers_pass_at_any_number_of_rows(n):
    verdict = _judge(n, 0, 0, are_same=True)
    assert (verdict.result, verdict.figures["direction"]) == (PASS, "the same")


@pytest.mark.parametrize(
    ("counts", "direction", "result"),
    [
        ((100_000, 300, 100), "worse", PASS),  # certain, and within the margin
        ((1000, 5, 7), "not worse", PASS),
        ((1000, 1, 30), "better", PASS),
        ((100, 1, 1), "not told apart", INCONCLUSIVE),
        ((1000, 60, 7), "worse", FAIL),
    ],
)
def test_the_word_is_two_sided_whatever_the_margin(counts, direction, result):
    verdict = _judge(*counts)
    assert (verdict.figures["direction"], verdict.result) == (direction, result)


def test_better_is_said():
    assert "it is better by at least" in _judge(1000, 1, 30).reason


def test_a_handful_of_lost_rows_does_not_fail():
    """Tango's lower bound is above the margin; the exact one of the rate of lost rows is not."""
    verdict = _judge(300, 6, 0)
    assert verdict.figures["lower_bound"] > MARGIN
    assert verdict.result is INCONCLUSIVE
    assert "rows would settle it" in verdict.reason


@pytest.mark.parametrize(("n", "discordance"), [(300, 0.1), (1000, 0.03), (3000, 0.05)])
def test_false_alarms_at_the_margin_are_at_most_five_per_cent(n, discordance):
    lost, won = (discordance + MARGIN) / 2, (discordance - MARGIN) / 2
    found = _shares(n=n, lost=lost, won=won, data_sets=4000, seed=n)
    assert found[PASS] <= _allowed(0.05, 4000)
    assert found[FAIL] <= _allowed(0.05, 4000)


@pytest.mark.parametrize("discordance", [0.01, 0.05])
def test_equal_models_pass_as_often_as_was_predicted(discordance):
    needed = rows_needed(discordance, MARGIN)
    shares = [
        _shares(n=n, lost=discordance / 2, won=discordance / 2, data_sets=2000, seed=7)[PASS]
        for n in (needed // 4, needed // 2, needed, 2 * needed)
    ]
    assert shares == sorted(shares)
    assert shares[2] == pytest.approx(0.8, abs=0.05)
    assert shares[3] > 0.95


def test_true_drops_fail_more_often_the_larger_they_are():
    shares = [
        _shares(n=2000, lost=0.02 + drop, won=0.02, data_sets=1000, seed=5)[FAIL]
        for drop in (0, 0.01, 0.02, 0.03)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.005
    assert shares[-1] > 0.95


@pytest.mark.heavy
@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02])
@pytest.mark.parametrize("discordance_in_margins", [1.2, 2, 5, 10, 20])
@pytest.mark.parametrize("n", [50, 100, 300, 1000, 3000, 10_000])
def test_false_alarms_over_the_plane(n, discordance_in_margins, margin):
    """The score interval is not exact: with fewer than ten differing rows in sight it errs in up to 6.5 %."""
    discordance = discordance_in_margins * margin
    lost, won = (discordance + margin) / 2, (discordance - margin) / 2
    found = _shares(n=n, lost=lost, won=won, data_sets=20_000, seed=n, margin=margin)
    level = 0.065 if n * discordance < 10 else 0.056
    assert found[PASS] <= _allowed(level, 20_000)
    assert found[FAIL] <= _allowed(level, 20_000)


@pytest.mark.heavy
@pytest.mark.parametrize("discordance", [0.002, 0.01, 0.05])
@pytest.mark.parametrize("margin", [0.005, 0.01, 0.02])
def test_power_curve(discordance, margin):
    needed = rows_needed(discordance, margin)
    sizes = [max(1, int(needed * share)) for share in (0.25, 0.5, 0.75, 1, 1.5, 2)]
    shares = [
        _shares(n=n, lost=discordance / 2, won=discordance / 2, data_sets=2000, seed=11, margin=margin)[PASS]
        for n in sizes
    ]
    assert all(after >= before - 0.05 for before, after in itertools.pairwise(shares))
    assert shares[3] == pytest.approx(0.8, abs=0.1)
    assert shares[-1] > 0.95


@pytest.mark.parametrize(("growth", "result"), [(0.0, PASS), (0.01, INCONCLUSIVE), (0.05, FAIL)])
def test_errors_are_judged_by_their_growth(growth, result):
    generator = np.random.default_rng(0)
    a = generator.normal(size=2000)
    b = (1 + growth) * a + 0.02 * generator.normal(size=2000)
    verdict = error_non_inferiority(bootstrap_errors(a, b)["mae"].relative, n=2000, subject="test")
    assert verdict.result is result
    assert verdict.figures["metric"] == "mae"
    assert verdict.figures["n_needed"] >= 20


def test_few_rows_no_error_and_no_spread_are_inconclusive():
    generator = np.random.default_rng(1)
    few = generator.normal(size=19)
    verdict = error_non_inferiority(bootstrap_errors(few, 3 * few)["mae"].relative, n=19, subject="test")
    assert (verdict.result, verdict.figures["n_needed"]) == (INCONCLUSIVE, 20)
    none = error_non_inferiority(
        bootstrap_errors(np.zeros(50), np.ones(50))["mae"].relative, n=50, subject="test"
    )
    assert none.result is INCONCLUSIVE
    mirrored = generator.normal(size=50)
    verdict = error_non_inferiority(
        bootstrap_errors(mirrored, -mirrored)["mae"].relative, n=50, subject="test"
    )
    assert verdict.result is INCONCLUSIVE
    assert "equal on every row" in verdict.reason


def test_identical_errors_pass_where_the_answers_are_the_same():
    same = PairedDifference("mae", 1.0, 1.0, UNBOUNDED)
    assert error_non_inferiority(same, n=3, subject="test", are_same=True).result is PASS


def test_an_infinite_end_is_no_pass_and_no_number():
    bounds = Bounds(0.1, np.inf, -0.2, np.inf, np.inf, "percentile")
    verdict = error_non_inferiority(PairedDifference("mae", 1.0, 1.1, bounds), n=50, subject="test")
    assert verdict.result is INCONCLUSIVE
    assert verdict.figures["upper_bound"] is None


def test_false_alarms_of_errors_are_few():
    """300 data sets whose true growth is the margin; the bootstrap is not exact, hence 7 % (99.9 % of counts)."""
    found = Counter()
    for seed in range(300):
        generator = np.random.default_rng(seed)
        a = generator.normal(size=400)
        # |b| grows by the margin on average: scaled after a symmetric disturbance.
        b = (1 + MARGIN) / math.sqrt(1.01) * (a + 0.1 * generator.normal(size=400))
        relative = bootstrap_errors(a, b, replicates=1000)["mae"].relative
        found[error_non_inferiority(relative, n=400, subject="test").result] += 1
    most = stats.binom.ppf(0.999, 300, 0.07)
    assert found[PASS] <= most
    assert found[FAIL] <= most
    assert found[INCONCLUSIVE] > 200
