"""Limits below which chance brings no row: right dimensions, few false pairs, none where nothing is told."""

import numpy as np
import pytest

from shipway.evaluation.inspection.near_by_chance import Chance

rng = np.random.default_rng(13)


def points(rows: int, dimension: int) -> np.ndarray:
    return rng.normal(size=(rows, dimension)) @ rng.normal(size=(dimension, 24)) / np.sqrt(dimension)


def nearest(measures: np.ndarray) -> np.ndarray:
    squares = (measures**2).mean(axis=1)
    distances = squares[:, None] + squares - 2 / measures.shape[1] * measures @ measures.T
    np.fill_diagonal(distances, np.inf)
    return np.sqrt(np.maximum(0, distances.min(axis=1)))


@pytest.mark.parametrize("dimension", [1, 2, 4, 8])
def test_the_dimension_is_found(dimension):
    found = Chance(points(3_000, dimension), 24).dimension
    assert 0.75 * dimension < found < 1.15 * dimension


@pytest.mark.parametrize("dimension", [2, 4, 8, 16])
@pytest.mark.parametrize("rows", [100, 1_000])
def test_chance_brings_few_rows_nearer_than_their_limits(dimension, rows):
    pairs = 0
    for _ in range(10):
        measures = points(rows, dimension)
        pairs += (nearest(measures) <= Chance(measures, 24).limits(measures, np.arange(rows))).sum() / 2
    assert pairs <= 1


def test_crowded_rows_have_a_lower_limit():
    measures = points(2_000, 10)
    measures[:600] *= 0.1
    limits = Chance(measures, 24).limits(measures, np.arange(2_000))
    assert np.median(limits[:600]) < 0.3 * np.median(limits[600:])
    assert (nearest(measures) <= limits).sum() <= 2


def test_copies_do_not_hide_themselves():
    measures = points(500, 12)
    doubled = np.concatenate([measures, measures + 1e-4 * rng.normal(size=measures.shape)])
    limits = Chance(doubled, 24).limits(doubled, np.arange(1_000))
    assert (nearest(doubled) <= limits).mean() > 0.99


def test_where_nothing_can_be_told_the_limit_is_0():
    for measures, features in ((points(10, 12), 24), (np.zeros((100, 24)), 24), (points(100, 12), 0)):
        assert not Chance(measures, features).limits(measures, np.arange(len(measures))).any()
