"""Slices: who is worse, and how often chance says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shipway.evaluation.metrics.slices import holm, slice_report
from shipway.evaluation.statistics import wilson_interval


def split(rows, inside):
    mask = np.zeros(rows, dtype=bool)
    mask[:inside] = True
    return mask


def test_a_worse_slice_is_found():
    correct = np.r_[np.ones(50), np.zeros(50), np.ones(380), np.zeros(20)]
    (entry,), notes = slice_report({"night": split(500, 100)}, correct, metric="accuracy")
    low, high = wilson_interval(50, 100)
    assert entry == {
        "name": "night",
        "rows": 100,
        "metric": "accuracy",
        "value": 0.5,
        "low": pytest.approx(low),
        "high": pytest.approx(high),
        "rest": 0.95,
        "difference": pytest.approx(-0.45),
        "p_value": pytest.approx(stats.fisher_exact([[50, 380], [50, 20]]).pvalue),
        "p_holm": entry["p_value"],
        "differs": True,
    }
    assert notes == []


def test_many_rows_are_compared_by_the_score_test():
    generator = np.random.default_rng(0)
    correct = (generator.random(40_000) < 0.9).astype(float)
    mask = generator.random(40_000) < 0.3
    (entry,), _ = slice_report({"a": mask}, correct, metric="accuracy")
    table = [
        [correct[mask].sum(), (1 - correct[mask]).sum()],
        [correct[~mask].sum(), (1 - correct[~mask]).sum()],
    ]
    assert entry["p_value"] == pytest.approx(stats.fisher_exact(np.int64(table)).pvalue, abs=0.02)
    (flawless,), _ = slice_report({"a": mask}, np.ones(40_000), metric="accuracy")
    assert flawless["p_value"] == 1


def test_errors_are_compared_by_welch():
    generator = np.random.default_rng(1)
    errors = np.abs(np.r_[generator.normal(0, 3, 60), generator.normal(0, 1, 300)])
    (entry,), _ = slice_report({"far": split(360, 60)}, -errors, metric="mae")
    assert entry["value"] == pytest.approx(errors[:60].mean())
    assert entry["rest"] == pytest.approx(errors[60:].mean())
    assert entry["low"] < entry["value"] < entry["high"]
    assert entry["p_value"] == pytest.approx(
        stats.ttest_ind(errors[:60], errors[60:], equal_var=False).pvalue
    )
    assert entry["differs"]


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_empty_and_whole_slices_are_not_compared(metric):
    correct = np.array([1.0, 0.0, 1.0, 1.0])
    masks = {"none": np.zeros(4, bool), "all": np.ones(4, bool), "half": np.array([1, 1, 0, 0], bool)}
    entries, notes = slice_report(masks, correct, metric=metric)
    assert [entry["p_value"] is None for entry in entries] == [True, True, False]
    assert entries[0]["value"] is None
    assert entries[1]["rest"] is None
    assert not any(entry["differs"] for entry in entries)
    assert "'none': it holds no row" in notes[0]
    assert "'all': it holds every row" in notes[1]


def test_a_slice_of_one_rows_error_is_not_compared():
    entries, notes = slice_report({"one": split(5, 1)}, -np.arange(5.0), metric="mae")
    assert entries[0]["p_value"] is None
    assert entries[0]["low"] is None
    assert "too few rows" in notes[0]


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_slices_that_do_not_differ_are_rarely_accused(metric):
    """Ten slices at a time, all of one truth: at most one family in twenty has an accusation."""
    generator = np.random.default_rng(2)
    accused = 0
    for _ in range(100):
        correct = (
            (generator.random(400) < 0.8).astype(float)
            if metric == "accuracy"
            else -generator.exponential(size=400)
        )
        masks = {str(index): generator.random(400) < 0.3 for index in range(10)}
        entries, _ = slice_report(masks, correct, metric=metric)
        accused += any(entry["differs"] for entry in entries)
    assert accused <= 11  # of 100 at 5 %: above 11 once in 200


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_the_value_and_bonferroni(chances):
    found = holm(chances)
    for chance, corrected in zip(chances, found, strict=True):
        assert chance <= corrected <= min(1, chance * len(chances)) + 1e-12
    order = np.argsort(chances)
    assert (np.diff([found[index] for index in order]) >= 0).all()
