"""The counted bootstrap against scikit-learn's values, SciPy's row-by-row bootstrap, and by its coverage."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    f1_score,
    matthews_corrcoef,
    mean_absolute_error,
    precision_score,
    recall_score,
    root_mean_squared_error,
)

from shipway.evaluation.comparison.paired_bootstrap import (
    DECISION_METRICS,
    MANY_ROWS,
    bootstrap_decisions,
    bootstrap_errors,
    bootstrap_means,
)

SCORERS = {"precision": precision_score, "recall": recall_score, "f1": f1_score}


def _pair(rows, classes, *, seed=0, right=0.8, differing=0.1, weaker=0.0):
    """Labels and two models' decisions; the second answers anew on some rows, and wrongly on some more."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    a = np.where(generator.random(rows) < right, labels, generator.integers(classes, size=rows))
    b = np.where(generator.random(rows) < differing, generator.integers(classes, size=rows), a)
    return labels, a, np.where(generator.random(rows) < weaker, (labels + 1) % classes, b)


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (7, 3), (300, 4), (3000, 60)])
@pytest.mark.parametrize("metric", DECISION_METRICS)
def test_values_are_scikit_learns(rows, classes, metric):
    labels, a, b = _pair(rows, classes)
    found = bootstrap_decisions(labels, a, b, class_count=classes, replicates=10)[metric]
    for value, decided in ((found.a, a), (found.b, b)):
        assert value == (
            None if metric == "mcc" and rows == 1 else pytest.approx(_score(metric, labels, decided))
        )


def _score(metric, labels, decided):
    if metric == "mcc":
        return matthews_corrcoef(labels, decided)
    if metric == "balanced_accuracy":
        return recall_score(labels, decided, labels=np.unique(labels), average="macro")
    score, average = metric.split("_")
    return SCORERS[score](labels, decided, average=average, zero_division=0)


def test_decisions_all_of_one_class_have_no_mcc():
    labels, a, _ = _pair(50, 2)
    found = bootstrap_decisions(labels, a, np.zeros_like(a), class_count=2)["mcc"]
    assert (found.a is None, found.b, found.change, found.bounds.low) == (False, None, None, None)


def test_bounds_are_those_of_rows_drawn_one_by_one():
    """SciPy's BCa over rows, which are not drawn label by label there: alike where the labels are many."""
    labels, a, b = _pair(300, 2, right=0.85)

    def change(*rows):
        y, before, after = (np.asarray(part) for part in rows)
        return f1_score(y, after, average="macro") - f1_score(y, before, average="macro")

    expected = stats.bootstrap(
        (labels, a, b), change, paired=True, vectorized=False, n_resamples=500, rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap_decisions(labels, a, b, class_count=2)["f1_macro"].bounds
    width = expected.high - expected.low
    assert found.method == "bca"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.15 * width)


def test_pairing_narrows_the_interval():
    """Of two models that agree on most rows, what is hard cancels."""
    labels, a, b = _pair(2000, 3, differing=0.02)
    shuffled = np.random.default_rng(3).permutation(2000)
    together = bootstrap_decisions(labels, a, b, class_count=3)["f1_macro"].bounds
    order = np.argsort(labels[shuffled], kind="stable")
    apart_b = np.empty_like(b)
    apart_b[np.argsort(labels, kind="stable")] = b[shuffled][order]
    apart = bootstrap_decisions(labels, a, apart_b, class_count=3)["f1_macro"].bounds
    assert together.error is not None
    assert apart.error is not None
    assert together.error < 0.4 * apart.error


def test_equal_decisions_bound_nothing():
    labels, a, _ = _pair(50, 3)
    for found in bootstrap_decisions(labels, a, a, class_count=3).values():
        assert found.change == 0
        assert found.bounds.method == "none"


def test_the_answer_is_the_same_every_time():
    labels, a, b = _pair(200, 3)
    first, second = (bootstrap_decisions(labels, a, b, class_count=3) for _ in range(2))
    assert first == second


def test_classes_never_decided_and_decided_without_a_label():
    labels, a, b = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0]), np.array([0, 1, 1, 2])
    found = bootstrap_decisions(labels, a, b, class_count=4)["f1_macro"]
    assert found.a == pytest.approx(f1_score(labels, a, average="macro", zero_division=0))
    assert found.b == pytest.approx(f1_score(labels, b, average="macro", zero_division=0))


@pytest.mark.parametrize("weaker", [0.0, 0.05])
def test_intervals_cover_the_truth(weaker):
    """200 data sets: the true change lies in the 95 % interval about as often (the count's 99.9 % range)."""
    names = ("f1_macro", "balanced_accuracy", "mcc")
    labels, a, b = _pair(400_000, 3, seed=9, weaker=weaker)
    truth = bootstrap_decisions(labels, a, b, class_count=3, replicates=2)
    covered = dict.fromkeys(names, 0)
    for seed in range(200):
        pair = _pair(300, 3, seed=100 + seed, weaker=weaker)
        found = bootstrap_decisions(*pair, class_count=3, replicates=1000)
        for name in names:
            covered[name] += found[name].bounds.low <= truth[name].change <= found[name].bounds.high
    assert min(covered.values()) >= stats.binom.ppf(0.0005, 200, 0.95)


@pytest.mark.parametrize("rows", [1, 2, 500, MANY_ROWS + 1])
def test_errors_are_scikit_learns(rows):
    generator = np.random.default_rng(4)
    labels, a, b = (generator.normal(size=(rows, 2)) for _ in range(3))
    found = bootstrap_errors(a - labels, b - labels, replicates=50)
    for name, scorer in (("mae", mean_absolute_error), ("rmse", root_mean_squared_error)):
        assert found[name].absolute.a == pytest.approx(scorer(labels, a))
        assert found[name].absolute.b == pytest.approx(scorer(labels, b))
        assert found[name].relative.b == pytest.approx(scorer(labels, b) / scorer(labels, a))
        single = bootstrap_errors((a - labels)[:, 0], (b - labels)[:, :1], replicates=50)[name].absolute
        assert single.a == pytest.approx(scorer(labels[:, 0], a[:, 0]))


def test_rmse_of_equal_outputs_is_bounded_as_that_of_one():
    generator = np.random.default_rng(8)
    a = generator.normal(size=1000)
    b = a + 0.2 * generator.normal(size=1000)
    one = bootstrap_errors(a, b)["rmse"].absolute.bounds
    two = bootstrap_errors(np.stack([a, a], axis=1), np.stack([b, b], axis=1))["rmse"].absolute.bounds
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=0.05 * (one.high - one.low))


def test_means_of_terms():
    generator = np.random.default_rng(9)
    a = generator.exponential(size=300)
    b = a + generator.normal(0.1, 0.2, size=300)
    found = bootstrap_means("log_loss", a, b)
    assert (found.metric, found.a, found.b) == ("log_loss", pytest.approx(a.mean()), pytest.approx(b.mean()))
    half = 1.96 * np.std(b - a) / np.sqrt(300)
    assert (found.bounds.low, found.bounds.high) == pytest.approx(
        ((b - a).mean() - half, (b - a).mean() + half), abs=0.1 * half
    )


def test_error_bounds_are_scipys():
    generator = np.random.default_rng(5)
    a = generator.standard_t(5, size=200)
    b = a * 1.03 + 0.2 * generator.normal(size=200)

    def growth(before, after, axis=-1):
        return np.abs(after).mean(axis=axis) / np.abs(before).mean(axis=axis) - 1

    expected = stats.bootstrap(
        (a, b), growth, paired=True, vectorized=True, n_resamples=10_000, rng=np.random.default_rng(6)
    ).confidence_interval
    bounds = bootstrap_errors(a, b)["mae"].relative.bounds
    assert bounds.method == "bca"
    width = expected.high - expected.low
    assert (bounds.low, bounds.high) == pytest.approx((expected.low, expected.high), abs=0.04 * width)


def test_the_normal_limit_is_what_drawing_tends_to():
    generator = np.random.default_rng(7)
    a = generator.exponential(size=MANY_ROWS)
    b = a + 0.1 * generator.normal(size=MANY_ROWS)
    drawn = bootstrap_errors(a, b, replicates=4000)["rmse"].absolute.bounds
    limit = bootstrap_errors(np.append(a, a[:1]), np.append(b, b[:1]), replicates=4000)[
        "rmse"
    ].absolute.bounds
    assert (limit.low, limit.high) == pytest.approx(
        (drawn.low, drawn.high), abs=0.1 * (drawn.high - drawn.low)
    )


def test_a_share_of_no_error_is_undefined():
    none, some = np.zeros(30), np.linspace(0, 1, 30)
    for b in (none, some):
        found = bootstrap_errors(none, b)["mae"].relative
        assert (found.a, found.b, found.change) == (None, None, None)
    growing = bootstrap_errors(np.eye(30)[0], some)["mae"].relative
    assert growing.bounds.method == "percentile"  # a third of the draws miss A's only error
    assert growing.to_json()["high"] is None
