"""Areas, curves and what binning leaves of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from shipway.evaluation.metrics.bootstrap import RowBootstrap
from shipway.evaluation.metrics.ranking import average_estimates, rank_class, rank_classes


def two_normals(rows, apart, seed, positive_share=0.3):
    generator = np.random.default_rng(seed)
    positive = generator.random(rows) < positive_share
    return positive, generator.normal(apart * positive)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=40))
def test_areas_are_scikit_learns_for_any_ties(rows):
    positive = np.array([one for one, _ in rows])
    scores = np.array([score for _, score in rows]) / 4
    found = rank_class(positive, scores, RowBootstrap(len(rows)))
    if positive.all() or not positive.any():
        assert found.values == {"roc_auc": None, "pr_auc": None}
        return
    assert found.values["roc_auc"] == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-12)
    assert found.values["pr_auc"] == pytest.approx(
        metrics.average_precision_score(positive, scores), abs=1e-12
    )
    for name in ("roc_auc", "pr_auc"):
        estimate = found.estimate(name)
        if estimate.low is not None:  # one row of each class: every draw may miss one of them
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@pytest.mark.parametrize("positive_share", [0.3, 0.01])
def test_bins_leave_the_width_of_the_interval(positive_share):
    positive, scores = two_normals(8_000, 1.5, 3, positive_share)
    draws = RowBootstrap(len(scores))
    fine = rank_class(positive, scores, draws, bins=len(scores))
    coarse = rank_class(positive, scores, draws, bins=256)
    for name in ("roc_auc", "pr_auc"):
        one, other = fine.estimate(name), coarse.estimate(name)
        assert one.value == other.value
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.05)


@pytest.mark.parametrize("rows", [300, 3_000])
def test_intervals_of_areas_cover_the_truth(rows):
    """300 rows are drawn one by one, 3,000 in groups of three."""
    positive, scores = two_normals(100_000, 1.2, 0)
    truth = rank_class(positive, scores, RowBootstrap(len(scores)), with_curves=False).values
    hits = dict.fromkeys(truth, 0)
    for seed in range(60):
        found = rank_class(*two_normals(rows, 1.2, seed + 1), RowBootstrap(rows), bins=256, with_curves=False)
        for name in hits:
            estimate = found.estimate(name)
            hits[name] += estimate.low <= truth[name] <= estimate.high
    assert min(hits.values()) >= 52  # of 60 at 95 %: 57 on average, below 52 once in 300


def test_curves_are_thin_and_their_area_stays():
    positive, scores = two_normals(5_000, 1.0, 4)
    curves = rank_class(positive, scores, RowBootstrap(len(scores))).curves
    for curve in curves.values():
        assert len(curve["x"]) == len(curve["y"]) <= 100
        assert curve["x"] == sorted(curve["x"])
        assert (curve["x"][0], curve["x"][-1]) == (0, 1)
    roc, precision = curves["roc"], curves["precision_recall"]
    assert metrics.auc(roc["x"], roc["y"]) == pytest.approx(metrics.roc_auc_score(positive, scores), abs=2e-3)
    assert (roc["y"][0], roc["y"][-1]) == (0, 1)
    assert precision["y"][0] == 1
    assert precision["y"][-1] == pytest.approx(positive.mean())


def test_points_of_the_precision_curve_are_scikit_learns():
    positive, scores = two_normals(60, 1.0, 5)
    curve = rank_class(positive, np.round(scores, 1), RowBootstrap(60)).curves["precision_recall"]
    precision, recall, _ = metrics.precision_recall_curve(positive, np.round(scores, 1))
    known = list(zip(recall.tolist(), precision.tolist(), strict=True))
    for point in zip(curve["x"], curve["y"], strict=True):
        assert any(point == pytest.approx(other, abs=1e-12) for other in known)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_scores_at_the_ends_of_their_type_rank(dtype):
    most = np.finfo(dtype).max
    found = rank_class(
        np.array([False, True, True]), np.array([-most, 0, most], dtype=dtype), RowBootstrap(3)
    )
    assert found.values == {"roc_auc": 1, "pr_auc": 1}


def test_a_perfect_ranking_is_doubted_as_much_as_its_rarer_side_allows():
    positive = np.arange(200) < 8
    found = rank_class(positive, positive.astype(float), RowBootstrap(200))
    estimate = found.estimate("roc_auc")
    assert (estimate.value, estimate.high) == (1, 1)
    assert estimate.low == pytest.approx(0.676, abs=0.001)  # Wilson for 8 of 8


def test_averages_go_over_defined_classes_and_weigh_by_their_rows():
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=500)
    positive = labels[:, None] == np.arange(4)
    scores = generator.normal(positive * 1.0)
    ranked = rank_classes(positive, scores, RowBootstrap(500))
    found = average_estimates(ranked)
    values = [one.values["roc_auc"] for one in ranked]
    assert values[3] is None
    assert found["roc_auc_macro"].value == pytest.approx(np.mean(values[:3]), abs=1e-12)
    assert found["roc_auc_weighted"].value == pytest.approx(
        np.average(values[:3], weights=positive[:, :3].sum(axis=0)), abs=1e-12
    )
    nothing = average_estimates(rank_classes(np.zeros((5, 2), bool), np.zeros((5, 2)), RowBootstrap(5)))
    assert all(estimate.value is None for estimate in nothing.values())


def test_curves_are_drawn_for_the_largest_classes():
    labels = np.repeat(np.arange(6), [5, 60, 5, 50, 40, 5])
    scores = np.random.default_rng(0).random((len(labels), 6))
    ranked = rank_classes(labels[:, None] == np.arange(6), scores, RowBootstrap(len(labels)), most_curves=3)
    assert [bool(one.curves) for one in ranked] == [False, True, False, True, True, False]
