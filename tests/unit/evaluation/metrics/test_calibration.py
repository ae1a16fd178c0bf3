"""Calibration error, its bins, and its interval."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from shipway.evaluation.metrics.bootstrap import RowBootstrap
from shipway.evaluation.metrics.calibration import Calibration, probability_estimates
from shipway.evaluation.statistics import wilson_interval


def test_bins_are_those_of_scikit_learns_curve():
    generator = np.random.default_rng(0)
    confidence = generator.random(2_000)
    right = generator.random(2_000) < confidence**2
    bins = Calibration.of(confidence, right).to_json()["bins"]
    accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=15)
    assert [one["accuracy"] for one in bins] == pytest.approx(accuracy.tolist())
    assert [one["confidence"] for one in bins] == pytest.approx(mean_confidence.tolist())
    assert sum(one["rows"] for one in bins) == 2_000
    first = bins[0]
    held = round(first["accuracy"] * first["rows"])
    low, high = wilson_interval(held, first["rows"])
    assert first["accuracy_low"] == pytest.approx(float(low))
    assert first["accuracy_high"] == pytest.approx(float(high))


def test_ends_of_bins_belong_to_the_bin_below():
    found = Calibration.of(np.array([0.0, 1 / 15, 1.0]), np.array([True, True, True]))
    assert found.bin.tolist() == [0, 0, 14]


def test_by_hand():
    confidence = np.array([0.95, 0.95, 0.62, 0.62])
    right = np.array([True, False, True, True])
    value = Calibration.of(confidence, right).estimate(RowBootstrap(4)).value
    assert value == pytest.approx(0.5 * abs(0.5 - 0.95) + 0.5 * abs(1 - 0.62))


def test_calibration_without_a_fault_is_doubted():
    found = Calibration.of(np.full(10, 0.5), np.arange(10) < 5).estimate(RowBootstrap(10))
    assert (found.value, found.low) == (0, 0)
    assert 0.1 < found.high < 0.5


def test_only_bins_with_rows_are_told():
    bins = Calibration.of(np.array([0.5, 0.99]), np.array([True, False])).to_json()["bins"]
    assert [(one["low"], one["high"]) for one in bins] == [(7 / 15, 8 / 15), (14 / 15, 1.0)]


def test_the_interval_covers_the_true_error():
    """Overconfident by 0.1 everywhere: the error of infinitely many rows is 0.1."""
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        confidence = generator.uniform(0.4, 0.9, size=800)
        right = generator.random(800) < confidence - 0.1
        found = Calibration.of(confidence, right).estimate(RowBootstrap(800))
        assert found.low <= found.value <= found.high
        hits += found.low <= 0.1 <= found.high
    assert hits >= 88  # of 100 at 95 %: below 88 once in 700


def test_log_loss_and_brier_intervals_cover():
    generator = np.random.default_rng(2)

    def sample(rows):
        logits = generator.normal(size=(rows, 3)) * 1.5
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (probabilities.cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1)
        return labels, probabilities

    truth = probability_estimates(*sample(400_000), RowBootstrap(400_000))
    hits = {"log_loss": 0, "brier": 0}
    for _ in range(100):
        found = probability_estimates(*sample(300), RowBootstrap(300))
        for name in hits:
            hits[name] += found[name].low <= truth[name].value <= found[name].high
    assert min(hits.values()) >= 88
