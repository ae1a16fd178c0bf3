"""Near copies: what is planted is found at its rate, in tables, images and texts, and little else."""

import numpy as np
import pytest
from sklearn import datasets

from shipway.evaluation.inspection.near_copies import NearCopies, group_count

rng = np.random.default_rng(9)


def pairs_of(array: np.ndarray, block: int = 512) -> set[tuple[int, int]]:
    near = NearCopies()
    for start in range(0, len(array), block):
        near.see({"x": array[start : start + block]})
    return {tuple(pair) for pair in near.pairs(np.arange(len(array))).tolist()}


def recall(pairs: set[tuple[int, int]], expected: set[tuple[int, int]]) -> float:
    return len(pairs & expected) / len(expected)


def planted(rows: int, copies: int) -> set[tuple[int, int]]:
    return {(place, rows + place) for place in range(copies)}


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine"])
def test_rounded_rows_of_real_tables_are_found_and_others_are_not(name):
    table = getattr(datasets, f"load_{name}")().data
    deviation = np.where(table.std(axis=0) > 0, table.std(axis=0), 1)
    copies = table[:100] + rng.normal(0, 0.005, (100, table.shape[1])) * deviation
    found = pairs_of(np.concatenate([table, copies]).astype(np.float32))
    assert recall(found, planted(len(table), 100)) > 0.95
    assert len(found - planted(len(table), 100)) == 0


def test_pictures_saved_again_are_found():
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    freqs = rng.uniform(0.02, 0.3, (500, 2, 3))
    phase = rng.uniform(0, 6, (500, 1, 1, 3))
    wave = freqs[:, 0, None, None] * x[None, :, :, None] + freqs[:, 1, None, None] * y[None, :, :, None]
    images = (127 + 100 * np.sin(wave + phase)).astype(np.uint8)
    again = np.clip(images + rng.normal(0, 3, images.shape), 0, 255).astype(np.uint8)
    found = pairs_of(np.concatenate([images, again]))
    assert recall(found, planted(500, 500)) > 0.97
    assert len(found - planted(500, 500)) <= 2


def test_in_a_large_table_the_share_that_is_found_stays_high():
    table = rng.normal(size=(100_000, 24)).astype(np.float32)
    copies = table[:1_000] + rng.normal(0, 0.01, (1_000, 24)).astype(np.float32)
    found = pairs_of(np.concatenate([table, copies]), block=4_096)
    assert recall(found, planted(100_000, 1_000)) > 0.95
    assert len(found) <= 1_000


def test_bright_outliers_in_one_direction_are_no_copies():
    direction = rng.normal(size=32)
    table = rng.normal(size=(2_000, 32))
    table[::100] = np.outer(np.linspace(500, 5_000, 20), direction)
    assert not pairs_of(table)


def test_values_that_are_not_finite_or_huge_do_no_harm():
    table = rng.normal(size=(200, 16))
    table[3, 4], table[5, 6], table[7] = np.nan, np.inf, 1e300
    assert not pairs_of(table)


def test_constant_data_and_few_rows_do_no_harm():
    assert not pairs_of(np.zeros((50, 12)))
    assert not pairs_of(rng.normal(size=(3, 12)))


def test_texts_retyped_are_found(inspect):
    texts = ["The cat sat.", "A dog barked!", "the  CAT sat", "", "…", "!!!", "the cat sat", "A dog barked!"]
    (near,) = [f for f in inspect({"t": np.array(texts, object)}) if f.kind == "near-duplicates"]
    assert near.count == 2
    assert near.examples == ("rows 0, 2 and 6",)


def test_texts_with_different_figures_beside_them_are_no_copies(inspect):
    arrays = {"t": np.array(["Same text", "same text"] * 10, object), "x": np.arange(20.0)}
    assert not [f for f in inspect(arrays) if f.kind == "near-duplicates"]


def test_groups_join_what_is_near_by_way_of_another():
    assert group_count(np.zeros((0, 2), np.int64)) == (0, ())
    surplus, groups = group_count(np.array([[1, 2], [2, 5], [7, 9]]))
    assert surplus == 3
    assert groups == [[1, 2, 5], [7, 9]]
