"""Draws within labels: how many of each, the same every time, and groups where rows are many."""

import numpy as np
import pytest

from shipway.evaluation.comparison.draws import MOST_GROUPS, PairedDraws


@pytest.mark.parametrize("rows", [7, 900, MOST_GROUPS])
def test_of_few_rows_each_draw_holds_as_many_of_each_label(rows):
    labels = np.arange(rows) % 7 % 3
    draws = PairedDraws(rows, labels)
    assert draws.groups == rows
    drawn = draws.sums(np.eye(3)[labels])
    np.testing.assert_array_equal(drawn, np.broadcast_to(np.bincount(labels, minlength=3), drawn.shape))


def test_of_many_rows_groups_of_a_label_are_drawn():
    labels = np.repeat([0, 4, 9], [50_000, 300, 4_000])
    draws = PairedDraws(len(labels), labels)
    for value in (0, 4, 9):
        mine = np.unique(draws.group[labels == value], return_counts=True)
        assert np.ptp(mine[1]) <= 1
        assert not np.isin(draws.group[labels != value], mine[0]).any()
    assert draws.groups == 666 + 300 + 666
    share = draws.sums((labels == 9).astype(float)) / 4_000
    assert np.abs(share - 1).max() < 0.01


def test_the_spread_of_a_mean_is_the_rows():
    values = np.random.default_rng(1).exponential(size=20_000)
    for labels in (None, np.arange(20_000) % 5, np.arange(20_000) % 200):
        spread = PairedDraws(20_000, labels).means(values).std(ddof=1)
        assert spread == pytest.approx(values.std() / np.sqrt(20_000), rel=0.1)


def test_equal_data_is_drawn_alike():
    labels = np.arange(5_000) % 3
    first, second = PairedDraws(5_000, labels), PairedDraws(5_000, labels)
    np.testing.assert_array_equal(first.group, second.group)
    np.testing.assert_array_equal(first.weights, second.weights)
