"""Columns, lines and rows without a difference; NaN; the spread over blocks equals that over all."""

import numpy as np
import pytest

from shipway.evaluation.inspection.values import ValueWatch, is_image

rng = np.random.default_rng(6)


def watched(array: np.ndarray, block: int = 16) -> ValueWatch:
    watch = ValueWatch("x")
    for start in range(0, len(array), block):
        part = array[start : start + block]
        watch.see(part, np.arange(start, start + len(part)))
    return watch


def found(array: np.ndarray) -> dict:
    return {(f.kind, f.severity): f for f in watched(array).findings()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.bool_])
def test_the_spread_is_that_of_all_rows(dtype):
    array = (rng.normal(size=(100, 7)) * 50 + 100).astype(dtype)
    spread = watched(array).spread()
    values = array.astype(np.float64)
    assert (spread.low, spread.high, spread.rows) == (values.min(), values.max(), 100)
    assert spread.mean == pytest.approx(values.mean())
    assert spread.deviation == pytest.approx(values.std())
    np.testing.assert_allclose(spread.column_means, values.mean(axis=0))
    np.testing.assert_allclose(spread.column_deviations, values.std(axis=0), atol=1e-6)


def test_nan_and_infinity_are_counted_and_left_out_of_the_spread():
    array = rng.normal(size=(50, 3))
    expected = array.copy()
    array[[3, 20], 1], array[20, 2] = np.nan, -np.inf
    expected[[3, 20], 1], expected[20, 2] = np.nan, np.nan
    spread = watched(array).spread()
    np.testing.assert_allclose(spread.column_means, np.nanmean(expected, axis=0))
    assert (spread.low, spread.high) == (np.nanmin(expected), np.nanmax(expected))
    finding = found(array)["not-finite", "error"]
    assert (finding.count, finding.of, finding.examples) == (2, 50, ("row 3", "row 20"))
    assert watched(np.full((4, 2), np.nan)).spread() is None


def test_a_constant_column_is_named_with_its_value():
    array = rng.normal(size=(50, 3))
    array[:, 1] = 2.5
    finding = found(array)["constant", "warning"]
    assert (finding.count, finding.of) == (1, 3)
    assert finding.examples == ("column 1 of x is always 2.5",)
    assert not found(array[:9])  # too few rows to say so


def test_columns_of_zeros_in_a_wide_table_are_a_note():
    array = rng.normal(size=(50, 20))
    array[:, 4] = 0
    assert set(found(array)) == {("constant", "note")}


def test_black_images_are_found_and_a_black_frame_is_not():
    images = rng.random((40, 10, 10, 3), dtype=np.float32)
    images[:, :2] = images[:, :, -1] = 0
    assert not found(images)
    images[[5, 30]] = 0
    finding = found(images)["constant-rows", "warning"]
    assert (finding.count, finding.examples) == (2, ("row 5", "row 30"))
    assert "images of one color" in finding.words


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ((slice(None), 4), "line 4"),
        ((slice(None), slice(None), 6), "pixel column 6"),
        ((..., 2), "channel 2"),
    ],
)
def test_a_dead_line_or_channel_of_images_is_found(place, named):
    images = rng.random((40, 10, 12, 3), dtype=np.float32)
    images[place] = 0.5
    assert found(images)["constant", "warning"].examples == (named,)


def test_a_short_row_of_one_value_is_no_finding():
    assert not found(np.repeat(rng.normal(size=(50, 1)), 4, axis=1))
    assert ("constant-rows", "warning") in found(np.repeat(rng.normal(size=(50, 1)), 8, axis=1))


def test_images_are_known_by_their_shape():
    assert is_image((28, 28))
    assert is_image((32, 40, 3))
    assert is_image((3, 32, 40))
    assert not is_image((10,))
    assert not is_image((128, 2))
    assert not is_image((7, 5, 9))
