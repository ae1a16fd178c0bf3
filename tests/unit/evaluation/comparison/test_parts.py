"""Parts of the rows: which of them tell two models apart, and by what tests."""

import numpy as np
import pytest
from scipy import stats

from shipway.evaluation.comparison.parts import compare_slices
from shipway.evaluation.comparison.tango import tango_interval


def _right(rows, seed=0):
    generator = np.random.default_rng(seed)
    a = generator.random(rows) < 0.9
    return a.astype(float), np.where(generator.random(rows) < 0.1, ~a, a).astype(float)


def test_shares_are_compared_by_tango_and_mcnemar():
    a, b = _right(400)
    mask = np.arange(400) < 150
    (found,), notes = compare_slices({"young": mask}, a, b, metric="accuracy")
    won, lost = int(((b > a) & mask).sum()), int(((a > b) & mask).sum())
    assert (found.name, found.rows, notes) == ("young", 150, [])
    assert (found.figure.a, found.figure.b) == (a[mask].mean(), b[mask].mean())
    assert (found.figure.bounds.low, found.figure.bounds.high) == tango_interval(n=150, b=won, c=lost)
    assert found.p_value == stats.binomtest(won, won + lost).pvalue
    assert found.to_json()["method"] == "tango"


def test_errors_are_compared_row_by_row():
    generator = np.random.default_rng(1)
    a = -generator.exponential(size=300)
    b = a - 0.05 + 0.2 * generator.normal(size=300)
    mask = np.arange(300) % 2 == 0
    (found,), _ = compare_slices({"even": mask}, a, b, metric="mae")
    assert (found.figure.a, found.figure.b) == (
        pytest.approx(-a[mask].mean()),
        pytest.approx(-b[mask].mean()),
    )
    assert found.figure.bounds.low < found.figure.change < found.figure.bounds.high
    assert found.p_value == pytest.approx(stats.ttest_rel(a[mask], b[mask]).pvalue)


def test_the_slice_where_b_is_worse_is_found_among_many():
    a, b = np.ones(2_000), np.ones(2_000)
    a[::7], b[1::7] = 0, 0
    b[:40] = 0
    slices = {
        "bad": np.arange(2_000) < 40,
        **{f"part {one}": np.arange(2_000) % 10 == one for one in range(10)},
    }
    found, _ = compare_slices(slices, a, b, metric="accuracy")
    assert [one.name for one in found if one.differs] == ["bad"]
    assert all(one.p_holm >= one.p_value for one in found)


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_equal_models_differ_on_no_slice(metric):
    a = _right(50)[0] if metric == "accuracy" else -np.linspace(0, 1, 50)
    (found,), notes = compare_slices({"all": np.ones(50, bool)}, a, a, metric=metric)
    assert (found.figure.change, found.p_holm, found.differs, notes) == (0, 1, False, [])


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_a_slice_without_rows_has_no_figures(metric):
    (found,), notes = compare_slices({"none": np.zeros(5, bool)}, np.ones(5), np.ones(5), metric=metric)
    told = found.to_json()
    assert (told["rows"], told["a"], told["b"], told["difference"], told["p_holm"]) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert notes == ["Slice 'none': it holds no row, and is not compared"]


def test_errors_without_number_or_spread_are_not_compared():
    a, b = -np.ones(4), np.array([-np.inf, -2, -2, -2])
    slices = {"broken": np.arange(4) < 2, "alike": np.arange(4) > 1}
    found, notes = compare_slices(slices, a, b, metric="mae")
    assert (found[0].figure.b, found[0].figure.change, found[0].p_value) == (None, None, None)
    assert (found[1].figure.change, found[1].figure.bounds.low, found[1].p_value) == (1, None, None)
    assert len(notes) == 2
