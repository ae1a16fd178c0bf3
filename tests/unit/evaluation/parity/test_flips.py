"""Decisions that flipped: rounding's, a fault's, or too few rows to say."""

import numpy as np
import pytest

from shipway.bundle.evidence import Result
from shipway.bundle.golden import Tolerance
from shipway.evaluation.metrics.decisions import DecisionRule
from shipway.evaluation.parity.flips import decision_parity

TOLERANCE = Tolerance(scale=1.0, budget=1e-5)


def decisions(scores):
    scores = np.asarray(scores)
    kind = "argmax" if scores.shape[1] > 1 else "threshold"
    rule = DecisionRule("y", kind, max(2, scores.shape[1]), threshold=0.5)
    return rule.apply({"y": scores})


def confident(rows, flipped=0, margin=0.8):
    """Two classes, the first `flipped` rows decided the other way."""
    right = np.tile([[0.5 + margin / 2, 0.5 - margin / 2]], (rows, 1))
    found = right.copy()
    found[:flipped] = found[:flipped, ::-1]
    return decisions(right), decisions(found)


def judge(pair, numeric, **settings):
    return decision_parity(*pair, numeric=numeric, tolerance=TOLERANCE, subject="net", **settings)


@pytest.mark.parametrize("rows", [1, 5, 100])
def test_after_numeric_parity_equal_decisions_pass_at_any_number_of_rows(rows):
    verdict = judge(confident(rows), Result.PASS)
    assert verdict.result is Result.PASS
    assert verdict.figures["n"] == rows


def test_after_numeric_parity_a_near_tie_may_flip():
    verdict = judge(confident(3, flipped=2, margin=1e-6), Result.PASS)
    assert verdict.result is Result.PASS
    assert (verdict.figures["near_ties"], verdict.figures["real_flips"]) == (2, 0)
    assert "2 near ties" in verdict.reason


def test_after_numeric_parity_one_real_flip_fails_and_is_named():
    verdict = judge(confident(1000, flipped=1), Result.PASS)
    assert verdict.result is Result.FAIL
    assert verdict.figures["first_real_flips"] == [0]
    assert "row 0: class 0 became 1" in verdict.reason


def test_identical_nets_with_kernel_noise_pass(nets, rows_of):
    for seed in range(200):
        net = nets.trained(seed)
        rows = rows_of(seed, 1 + seed % 100)
        pair = (decisions(net.run(rows, order=0)), decisions(net.run(rows, order=seed + 1)))
        assert judge(pair, Result.PASS).result is Result.PASS


@pytest.mark.parametrize(
    ("rows", "flipped", "result"),
    [(149, 0, Result.PASS), (148, 0, Result.INCONCLUSIVE), (1000, 11, Result.PASS),
     (1000, 20, Result.INCONCLUSIVE), (1000, 40, Result.FAIL), (3, 3, Result.FAIL), (1, 0, Result.INCONCLUSIVE)],
)  # fmt: skip
def test_without_numeric_parity_the_exact_bounds_decide(rows, flipped, result):
    verdict = judge(confident(rows, flipped=flipped), Result.FAIL)
    assert verdict.result is result
    if result is Result.INCONCLUSIVE:
        assert verdict.figures["rows_needed"] is None or verdict.figures["rows_needed"] > rows


def test_near_ties_do_not_count_against_a_quantized_model():
    verdict = judge(confident(1000, flipped=1000, margin=1e-6), Result.FAIL)
    assert (verdict.result, verdict.figures["real_flips"]) == (Result.PASS, 0)


def test_binary_flips_are_measured_from_the_threshold():
    pair = (decisions([[0.5 + 4e-6], [0.9]]), decisions([[0.5 - 4e-6], [0.9]]))
    assert judge(pair, Result.PASS).figures["near_ties"] == 1
    pair = (decisions([[0.5 + 4e-5], [0.9]]), decisions([[0.5 - 4e-6], [0.9]]))
    assert judge(pair, Result.PASS).result is Result.FAIL


def test_no_row_tells_nothing():
    assert judge(confident(0), Result.PASS).result is Result.INCONCLUSIVE


@pytest.mark.parametrize("rows", [200, 500, 2000])
def test_false_alarms_at_the_budget_are_at_most_five_percent(rows):
    generator = np.random.default_rng(rows)
    wrong_pass = wrong_fail = 0
    flips, counts = np.unique(generator.binomial(rows, 0.02, size=4000), return_counts=True)
    for flipped, count in zip(flips.tolist(), counts.tolist(), strict=True):
        result = judge(confident(rows, flipped=flipped), Result.FAIL).result
        wrong_pass += count * (result is Result.PASS)
        wrong_fail += count * (result is Result.FAIL)
    assert wrong_pass <= 0.055 * 4000
    assert wrong_fail <= 0.055 * 4000


def test_power_a_model_at_a_tenth_of_the_budget_passes_on_a_thousand_rows():
    generator = np.random.default_rng(0)
    results = [
        judge(confident(1000, flipped=k), Result.FAIL).result for k in generator.binomial(1000, 0.002, 300)
    ]
    assert results.count(Result.PASS) >= 0.99 * 300
