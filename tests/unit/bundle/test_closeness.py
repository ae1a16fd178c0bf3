"""The one measure of difference: what it divides by, and what counts as equal."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shipway.bundle.closeness import SCALE_FLOOR, output_scale, row_errors, row_scales


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.2, 0.9], 1.0),
        ([0.0, 2e-4], 1.0),
        ([0.0, 3e-5], 3e-5),
        ([-4.0, 2.0], 4.0),
        ([0.0, 0.0], 1.0),
        ([np.nan, np.inf], 1.0),
        ([np.nan, -7.0], 7.0),
        ([], 1.0),
    ],
)
def test_scale_is_the_largest_magnitude_and_one_for_probabilities(values, scale):
    assert output_scale(np.array(values, dtype=np.float64)) == scale


@pytest.mark.parametrize("array", [np.array([9, 1]), np.array([True]), np.array(["a"], dtype=object)])
def test_scale_of_what_is_not_float_is_one(array):
    assert output_scale(array) == 1.0


def test_absolute_accuracy_of_a_runtimes_sigmoid_is_no_difference():
    # ONNX Runtime's Sigmoid is up to 1.7e-7 off at any size of the result; float32 is allowed 1.5e-5.
    right = np.array([[1e-6], [0.01], [0.5]])
    assert (row_errors(right + 1.7e-7, right, scale=output_scale(right)) < 1.5e-5 / 4).all()


def test_errors_are_relative_to_the_rows_own_scale():
    reference = np.array([[100.0, 1.0], [20.0, 0.0], [0.0, 0.0]])
    found = reference + np.array([[1.0, 0.0], [0.0, -1.0], [0.5, 0.0]])
    assert row_errors(found, reference, scale=100.0).tolist() == [0.01, 0.05, 0.05]
    assert row_scales(reference, scale=100.0).tolist() == [100.0, 20.0, 10.0]


@pytest.mark.parametrize(
    ("found", "reference", "equal"),
    [
        ([np.nan, 1.0], [np.nan, 1.0], True),
        ([np.inf, 1.0], [np.inf, 1.0], True),
        ([-np.inf, 1.0], [np.inf, 1.0], False),
        ([np.nan, 1.0], [0.0, 1.0], False),
        ([0.0, 1.0], [np.nan, 1.0], False),
        ([np.inf, 1.0], [0.0, 1.0], False),
        ([np.nan, 1.0], [np.inf, 1.0], False),
    ],
)
def test_nan_and_infinity_must_stand_at_the_same_places(found, reference, equal):
    errors = row_errors(np.array([found]), np.array([reference]), scale=1.0)
    assert errors.tolist() == [0.0 if equal else np.inf]


def test_whole_numbers_are_equal_or_not():
    errors = row_errors(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 5]]), scale=1.0)
    assert errors.tolist() == [0.0, np.inf]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0,)])
def test_nothing_differs_in_nothing(shape):
    assert row_errors(np.zeros(shape), np.zeros(shape), scale=1.0).tolist() == [0.0] * shape[0]


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3), elements=st.floats(width=32)))
def test_an_answer_equals_itself(array):
    assert (row_errors(array, array, scale=output_scale(array)) == 0).all()


def test_the_format_page_states_the_floor() -> None:
    page = Path(__file__).parents[3] / "docs" / "format" / "bundle-1.md"
    assert f"{SCALE_FLOOR:g} × `scale`" in page.read_text(encoding="utf-8")
