"""Agreement of embeddings."""

import json

import numpy as np
import pytest

from shipway.errors import DataEmptyError, DataMismatchError
from shipway.evaluation.metrics.embeddings import embedding_agreement


def vectors(rows, dim=16, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def neighbors(array, k):
    unit = array / np.linalg.norm(array, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    return np.argsort(-cosine, axis=1)[:, :k]


def test_equal_to_the_definition():
    a = vectors(400).astype(np.float64)
    b = a + 0.3 * vectors(400, seed=1)
    found = embedding_agreement(a, b)
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert found.metrics["cosine_mean"].value == pytest.approx(cosines.mean(), abs=1e-12)
    assert found.metrics["cosine_min"].value == pytest.approx(cosines.min(), abs=1e-12)
    assert found.metrics["cosine_q1"].value == pytest.approx(np.sort(cosines)[3], abs=1e-12)
    for k in (1, 10):
        shared = [len(set(x) & set(y)) / k for x, y in zip(neighbors(a, k), neighbors(b, k), strict=True)]
        estimate = found.metrics[f"recall_at[{k}]"]
        assert estimate.value == pytest.approx(np.mean(shared), abs=1e-12)
        assert estimate.low < estimate.value < estimate.high
    json.dumps(found.to_json(), allow_nan=False)


def test_scale_and_rounding_change_nothing():
    a = vectors(200)
    found = embedding_agreement(a, 3 * a)
    assert found.metrics["cosine_min"].value == pytest.approx(1)
    assert found.metrics["recall_at[10]"].value == 1
    assert found.metrics["recall_at[10]"].low < 1
    assert found.metrics["recall_at[1]"].low < 1


def test_shuffled_rows_lose_their_neighbors():
    a = vectors(300)
    found = embedding_agreement(a, a[::-1])
    assert found.metrics["recall_at[1]"].value < 0.1
    assert abs(found.metrics["cosine_mean"].value) < 0.1


def test_rows_without_direction_are_left_out_and_said():
    a, b = vectors(50), vectors(50)
    a[3], b[7], b[9, 0] = 0, 0, np.nan
    found = embedding_agreement(a, b)
    assert found.metrics["cosine_mean"].value == pytest.approx(1)
    assert "3 rows (first: 3)" in found.notes[0]
    nothing = embedding_agreement(np.zeros((4, 3)), np.zeros((4, 3)))
    assert all(estimate.value is None for estimate in nothing.metrics.values())


def test_few_rows_have_no_ten_neighbors():
    found = embedding_agreement(vectors(5), vectors(5))
    assert found.metrics["recall_at[1]"].value == 1
    assert found.metrics["recall_at[10]"].value is None
    assert any("more than 10 rows" in note for note in found.notes)


def test_equal_vectors_do_not_push_a_row_out_of_its_own_way():
    a = np.repeat(vectors(3), 20, axis=0)
    assert 0 <= embedding_agreement(a, a).metrics["recall_at[10]"].value <= 1


def test_large_sets_are_sampled():
    a = vectors(2_500, dim=4)
    found = embedding_agreement(a, a)
    assert (found.rows, found.queries) == (2_500, 2_000)
    assert found.metrics["recall_at[1]"].value == 1


def test_arrays_that_do_not_fit():
    with pytest.raises(DataMismatchError, match=r"\[5, 3\] and \[5, 4\]"):
        embedding_agreement(np.zeros((5, 3)), np.zeros((5, 4)))
    with pytest.raises(DataEmptyError):
        embedding_agreement(np.zeros((0, 3)), np.zeros((0, 3)))
