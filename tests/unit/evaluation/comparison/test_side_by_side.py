"""Figures of two models in one list: what only one has, what no row tells, and what is noted of it."""

from dataclasses import replace

import numpy as np
import pytest

from shipway.evaluation.comparison.differences import UNBOUNDED
from shipway.evaluation.comparison.side_by_side import notes_of, pair_figures
from shipway.evaluation.metrics.classes import judge_classes
from shipway.evaluation.metrics.decisions import DecisionRule
from shipway.evaluation.metrics.regression import judge_regression
from shipway.evaluation.statistics import wilson_interval


@pytest.fixture
def judged():
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=100)
    scores = np.clip(labels * 0.4 + 0.6 * generator.random(100), 0, 1)
    return judge_classes(labels, DecisionRule("y", "threshold", 2, threshold=0.5).apply({"y": scores}))


def _only_decisions(judged):
    kept = {name: one for name, one in judged.metrics.items() if name not in ("log_loss", "pr_auc")}
    return replace(judged, metrics=kept, notes=("decisions only",))


@pytest.mark.parametrize("side", ["A", "B"])
def test_what_one_model_has_alone_is_told_without_a_difference(judged, side):
    less = _only_decisions(judged)
    pair = (judged, less) if side == "A" else (less, judged)
    differences = pair_figures(*pair, {})
    lone = {one.metric: one for one in differences}["log_loss"]
    values = (lone.a, lone.b) if side == "A" else (lone.b, lone.a)
    assert (values, lone.change) == ((judged.metrics["log_loss"].value, None), None)
    notes = notes_of(*pair, differences)
    assert f"pr_auc, log_loss: defined for {side} alone, so there is no difference" in notes
    assert f"{'B' if side == 'A' else 'A'}: decisions only" in notes


def test_what_no_row_tells_is_bounded_by_the_rows_not_seen(judged):
    found = {one.metric: one for one in pair_figures(judged, judged, {"accuracy": UNBOUNDED})}
    unseen = float(wilson_interval(0, 100)[1])
    for name, width in (("accuracy", 1), ("mcc", 2), ("f1_macro", 1)):
        assert found[name].change == 0
        assert (found[name].bounds.low, found[name].bounds.high) == pytest.approx(
            (-width * unseen, width * unseen)
        )
    assert not any(name.startswith(("f1[", "recall[")) for name in found)


def test_errors_have_no_ends_to_bound_them_by():
    labels = np.linspace(0, 1, 30)
    one = judge_regression(labels, labels + 0.1 * np.sin(np.arange(30)))
    differences = pair_figures(one, one, {})
    assert {(found.change, found.bounds.method) for found in differences} == {(0, "none")}
    assert notes_of(one, one, differences)[-1].startswith("mae, rmse, r2, error_q50")
