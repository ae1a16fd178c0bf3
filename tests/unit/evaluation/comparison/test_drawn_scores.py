"""Differences of rankings and of calibration: scikit-learn's values, and intervals that cover the truth."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn.metrics import average_precision_score, roc_auc_score

from shipway.evaluation.comparison.delong import auc_differences
from shipway.evaluation.comparison.drawn_scores import calibration_difference, ranking_differences
from shipway.evaluation.comparison.draws import PairedDraws
from shipway.evaluation.metrics.calibration import Calibration


def _scores(rows, seed):
    """A third of the rows is of the class; B sees them less clearly than A."""
    generator = np.random.default_rng(seed)
    positive = generator.random(rows) < 1 / 3
    seen = generator.normal(size=rows) + 1.5 * positive
    a = seen + 0.3 * generator.normal(size=rows)
    return positive, a, seen + 0.6 * generator.normal(size=rows)


def _differences(rows, seed):
    positive, a, b = _scores(rows, seed)
    draws = PairedDraws(rows, positive.astype(np.int64))
    return ranking_differences(positive[:, None], a[:, None], b[:, None], draws)


@pytest.mark.parametrize("rows", [200, 3_000])
def test_of_one_class_the_values_are_scikit_learns(rows):
    positive, a, b = _scores(rows, 1)
    area, precision = _differences(rows, 1)
    assert (area.metric, precision.metric) == ("roc_auc", "pr_auc")
    for side, scores in (("a", a), ("b", b)):
        assert getattr(area, side) == pytest.approx(roc_auc_score(positive, scores))
        assert getattr(precision, side) == pytest.approx(average_precision_score(positive, scores))


def test_the_drawn_interval_of_an_area_is_delongs():
    positive, a, b = _scores(3_000, 2)
    area = _differences(3_000, 2)[0].bounds
    (exact,) = auc_differences(positive.astype(np.int64), a[:, None], b[:, None])
    width = exact.bounds.high - exact.bounds.low
    assert (area.low, area.high) == pytest.approx((exact.bounds.low, exact.bounds.high), abs=0.1 * width)


def test_averages_go_over_the_classes_with_rows():
    generator = np.random.default_rng(3)
    labels = generator.choice(3, size=500, p=[0.6, 0.3, 0.1])
    positive = labels[:, None] == np.arange(4)
    a = positive + generator.normal(size=positive.shape)
    b = a + 0.5 * generator.normal(size=positive.shape)
    found = {one.metric: one for one in ranking_differences(positive, a, b, PairedDraws(500, labels))}
    for average in ("macro", "weighted"):
        for side, scores in (("a", a), ("b", b)):
            expected = average_precision_score(positive[:, :3], scores[:, :3], average=average)
            assert getattr(found[f"pr_auc_{average}"], side) == pytest.approx(expected)
        assert found[f"pr_auc_{average}"].bounds.low < found[f"pr_auc_{average}"].bounds.high


def test_without_a_class_to_rank_nothing_is_defined():
    nothing = np.zeros((30, 2), bool)
    scores = np.random.default_rng(4).random((30, 2))
    for one in ranking_differences(nothing, scores, scores, PairedDraws(30)):
        assert (one.a, one.b, one.bounds.low) == (None, None, None)


def _claims(positive, scores, sureness):
    own = special.expit(sureness * (scores - 0.75))
    probabilities = np.stack([1 - own, own], axis=1)
    return Calibration.of(probabilities.max(axis=1), probabilities.argmax(axis=1) == positive)


def _calibration(rows, seed):
    """Both are surer than they should be, B more so."""
    positive, a, b = _scores(rows, seed)
    draws = PairedDraws(rows, positive.astype(np.int64))
    return calibration_difference(_claims(positive, a, 4.0), _claims(positive, b, 6.0), draws)


def test_calibration_errors_are_the_evaluations():
    positive, a, b = _scores(400, 5)
    found = _calibration(400, 5)
    for side, scores, sureness in (("a", a, 4.0), ("b", b, 6.0)):
        expected = _claims(positive, scores, sureness).estimate(PairedDraws(400)).value
        assert getattr(found, side) == pytest.approx(expected)
    assert found.bounds.method == "basic"


def test_equal_answers_have_no_difference():
    positive, a, _ = _scores(300, 6)
    draws = PairedDraws(300, positive.astype(np.int64))
    found = ranking_differences(positive[:, None], a[:, None], a[:, None], draws)
    claims = _claims(positive, a, 4.0)
    for one in (*found, calibration_difference(claims, claims, draws)):
        assert (one.change, one.bounds.method) == (0, "none")


def test_equal_data_gives_equal_intervals():
    assert _differences(300, 7) == _differences(300, 7)
    assert _calibration(300, 7) == _calibration(300, 7)


def test_a_model_that_is_calibrated_is_not_taken_for_one_that_is_not():
    """Chance alone gives A, whose true error is near 0, one of 0.05 on 300 rows: the difference is too low."""
    pairs = [
        (_scores(rows, seed), rows) for rows, seed in ((20_000, 1), *((300, 100 + one) for one in range(100)))
    ]
    found = [
        calibration_difference(
            _claims(positive, a, 1.45),
            _claims(positive, b, 2.0),
            PairedDraws(rows, positive.astype(np.int64)),
        )
        for (positive, a, b), rows in pairs
    ]
    truth, few = found[0].change, [one.bounds for one in found[1:]]
    covered = sum(one.low <= truth <= one.high for one in few)
    assert covered >= 90  # 95; 83 were the ends where reflecting alone puts them


def test_intervals_cover_the_truth():
    """40 data sets: the true change lies in the 95 % interval about as often (the count's 99.9 % range)."""
    large = [(_differences(20_000, seed)[1].change, _calibration(20_000, seed).change) for seed in (1, 2)]
    truth = np.mean(large, axis=0)
    covered = np.zeros(2)
    for seed in range(100, 140):
        bounds = _differences(300, seed)[1].bounds, _calibration(300, seed).bounds
        covered += [one.low <= true <= one.high for one, true in zip(bounds, truth, strict=True)]
    assert covered.min() >= stats.binom.ppf(0.0005, 40, 0.95)
