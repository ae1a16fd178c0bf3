"""Data that fits, data that almost fits, and what the user is told to change."""

import hashlib

import numpy as np
import pytest

from shipway.errors import DataEmptyError, DataFormatError, DataMismatchError, DataValueError, LabelError
from shipway.evaluation.data.dataset import load_dataset
from shipway.types import DType, TensorSpec

IMAGE = (TensorSpec("images", DType.FP32, ("batch", 8, 8, 1)),)
TOKENS = (
    TensorSpec("ids", DType.INT32, ("batch", "length")),
    TensorSpec("mask", DType.INT32, ("batch", "length")),
)


@pytest.fixture
def load(tmp_path):
    def load(specs, **arrays):
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return load_dataset(path, specs)

    return load


def images(*shape, dtype=np.float32):
    return np.linspace(0, 1, int(np.prod(shape))).reshape(shape).astype(dtype)


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("x", "labels"), ("images", "y")])
def test_forms_of_a_single_input(load, tmp_path, names):
    x, y = images(5, 8, 8, 1), np.arange(5)
    dataset = load(IMAGE, **dict(zip(names, (x, y), strict=True)))
    assert list(dataset.inputs) == ["images"]
    assert np.array_equal(dataset.inputs["images"], x)
    assert dataset.require_labels().tolist() == [0, 1, 2, 3, 4]
    assert dataset.rows == 5
    assert dataset.notes == ()
    assert dataset.sha256 == hashlib.sha256((tmp_path / "data.npz").read_bytes()).hexdigest()


def test_several_inputs_go_by_their_names(load):
    dataset = load(TOKENS, mask=np.ones((3, 7), np.int32), ids=np.zeros((3, 7), np.int32), y=np.arange(3))
    assert list(dataset.inputs) == ["ids", "mask"]


def test_an_input_called_y_is_not_the_labels(load):
    specs = (TensorSpec("x", DType.FP32, ("n", 2)), TensorSpec("y", DType.FP32, ("n", 2)))
    dataset = load(specs, x=images(3, 2), y=images(3, 2))
    assert dataset.labels is None
    with pytest.raises(LabelError, match="no labels"):
        dataset.require_labels()


def test_rows_lie_along_axis_0_also_where_the_models_batch_is_fixed(load):
    assert load((TensorSpec("x", DType.FP32, (1, 4)),), x=images(9, 4)).rows == 9


def test_taking_rows(load):
    dataset = load(IMAGE, x=images(6, 8, 8, 1), y=np.arange(6))
    for rows, labels in ((slice(1, 3), [1, 2]), (np.array([5, 0]), [5, 0]), (np.arange(6) > 3, [4, 5])):
        part = dataset.take(rows)
        assert part.rows == 2
        assert part.require_labels().tolist() == labels
        assert np.array_equal(part.inputs["images"], dataset.inputs["images"][rows])


@pytest.mark.parametrize(
    ("specs", "arrays", "note"),
    [
        (IMAGE, {"x": images(2, 8, 8, 1, dtype=np.float64)}, "x: float64 rounded to float32"),
        (IMAGE, {"x": images(2, 8, 8, 1, dtype=np.float16)}, "x: float16 rounded to float32"),
        (
            TOKENS,
            {"ids": np.ones((2, 3), int), "mask": np.ones((2, 3), np.int32)},
            "ids: int64 stored as int32",
        ),
        (
            TOKENS,
            {"ids": np.ones((2, 3), np.uint8), "mask": np.ones((2, 3), np.int32)},
            "ids: uint8 stored as",
        ),
        (IMAGE, {"x": images(2, 8, 8, 1), "extra": np.zeros(3)}, "not used: extra"),
    ],
)
def test_changes_that_lose_nothing_are_made_and_noted(load, specs, arrays, note):
    dataset = load(specs, **arrays)
    assert len(dataset.notes) == 1
    assert note in dataset.notes[0]
    for spec in specs:
        assert dataset.inputs[spec.name].dtype == spec.dtype.numpy


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (images(5, 8, 8), "x[..., None]"),
        (images(5, 64), "x.reshape(-1, 8, 8, 1)"),
        (images(8, 8, 1), "x[None]"),
        (images(5, 1, 8, 8), "numpy.moveaxis(x, 1, 3)"),
        (images(5, 8, 8, 1, 1), "x.squeeze("),
        (images(5, 9, 9, 1), "Prepare the rows"),
        (images(5, 8, 8, 3), "Prepare the rows"),
        (np.float32(3), "Prepare the rows"),
    ],
)
def test_shapes_that_almost_fit_come_with_the_line_that_mends_them(load, array, hint):
    with pytest.raises(DataMismatchError, match=r"takes rows of shape \[8, 8, 1\]") as caught:
        load(IMAGE, x=array)
    assert hint in caught.value.hint
    assert f"[{', '.join(map(str, array.shape))}]" in caught.value.message


@pytest.mark.parametrize(
    ("dims", "array"),
    [((8, 8, 1), images(5, 8, 8)), ((1, 8, 8), images(5, 8, 8)), ((8, 8, 3), images(5, 3, 8, 8)),
     ((3, 8, 6), images(5, 8, 6, 3)), ((64,), images(5, 8, 8)), ((8, 8, 1), images(8, 8, 1)),
     ((8, 8, 1), images(5, 8, 8, 1, 1)), ((8, 8), images(5, 1, 8, 8, 1))],
)  # fmt: skip
def test_the_mending_line_does_mend(load, dims, array):
    specs = (TensorSpec("x", DType.FP32, ("batch", *dims)),)
    with pytest.raises(DataMismatchError) as caught:
        load(specs, x=array)
    line = caught.value.hint.split("use ")[1].split(", if")[0].rstrip(".")
    mended = eval(line, {"x": array, "numpy": np})
    assert load(specs, x=mended).inputs["x"].shape[1:] == dims


@pytest.mark.parametrize(
    ("specs", "array", "hints"),
    [
        (
            IMAGE,
            np.arange(128, dtype=np.uint8).reshape(2, 8, 8, 1),
            ['x.astype("float32") / 255', "0 to 127"],
        ),
        (IMAGE, np.arange(128).reshape(2, 8, 8, 1) * 100, ["/ 12700"]),
        (IMAGE, np.zeros((2, 8, 8, 1), np.uint8), ['x.astype("float32")']),
        (IMAGE, np.zeros((2, 8, 8, 1), bool), ['x.astype("float32")']),
        (IMAGE, np.full((2, 8, 8, 1), "a"), ["numpy.asarray"]),
        (IMAGE, np.zeros((2, 8, 8, 1), complex), ["numpy.asarray"]),
        (IMAGE, np.zeros((2, 8, 8, 1), "M8[s]"), ["numpy.asarray"]),
        ((TensorSpec("x", DType.UINT8, ("n", 2)),), images(2, 2), ['x.astype("uint8")', "0 to 255"]),
        ((TensorSpec("x", DType.INT64, ("n", 2)),), np.ones((2, 2)), ["nothing is lost"]),
        ((TensorSpec("x", DType.BYTES, ("n", 2)),), images(2, 2), ["strings"]),
    ],
)
def test_another_kind_of_number_is_refused_with_the_line_and_the_remark(load, specs, array, hints):
    with pytest.raises(DataMismatchError, match=str(array.dtype).replace("[", r"\[")) as caught:
        load(specs, x=array)
    for hint in hints:
        assert hint in caught.value.hint


def test_values_that_the_dtype_cannot_hold_are_refused(load):
    with pytest.raises(DataMismatchError, match="4000000000") as caught:
        load(TOKENS, ids=np.array([[4_000_000_000]]), mask=np.ones((1, 1), np.int32))
    assert "wrap" in caught.value.hint
    with pytest.raises(DataMismatchError, match="beyond"):
        load(IMAGE, x=np.full((1, 8, 8, 1), 1e300))


def test_names_found_and_expected_are_both_told(load):
    with pytest.raises(DataMismatchError) as caught:
        load(IMAGE, pictures=images(5, 8, 8, 1), target=np.arange(5))
    message = caught.value.message
    assert "Found: pictures float32[5, 8, 8, 1]; target int64[5]." in message
    assert "Expected: images float32[rows, 8, 8, 1] (or called x); labels int64[rows]" in message


@pytest.mark.parametrize(
    ("arrays", "hint"),
    [
        (
            {"x_train": images(2, 8, 8, 1), "x_test": images(2, 8, 8, 1), "y_test": np.arange(2)},
            'x=d["x_test"], y=',
        ),
        ({"X": images(2, 8, 8, 1)}, "X for x"),
        ({"Images": images(2, 8, 8, 1)}, "Images for images"),
        ({"arr_0": images(2, 8, 8, 1)}, "saved without names"),
        ({"a": images(2, 8, 8, 1)}, "missing: images"),
    ],
)
def test_common_misnomers_are_explained(load, arrays, hint):
    with pytest.raises(DataMismatchError) as caught:
        load(IMAGE, **arrays)
    assert hint in caught.value.hint


def test_a_missing_input_of_several_is_named(load):
    with pytest.raises(DataMismatchError) as caught:
        load(TOKENS, x=np.zeros((3, 7), np.int32))
    assert "missing: ids, mask" in caught.value.hint


def test_nan_and_infinity_are_counted_with_the_first_rows(load):
    x = images(5000, 8, 8, 1)
    x[[7, 4999], 0, 0, 0] = np.nan
    x[8, :2, 0, 0] = np.inf
    with pytest.raises(
        DataValueError, match=r"2 NaN and 2 infinite values, in 3 of 5000 rows \(rows 7, 8, 4999\)"
    ):
        load(IMAGE, x=x)


def test_no_rows_and_unequal_rows(load):
    with pytest.raises(DataEmptyError, match="no row"):
        load(IMAGE, x=np.zeros((0, 8, 8, 1), np.float32), y=np.zeros(0, int))
    with pytest.raises(DataMismatchError, match=r"unequal.*x 5, y 4"):
        load(IMAGE, x=images(5, 8, 8, 1), y=np.arange(4))


def test_a_shared_free_dimension_must_be_shared_by_the_data(load):
    with pytest.raises(DataMismatchError, match=r"'length'.*7 in one and 6"):
        load(TOKENS, ids=np.zeros((3, 7), np.int32), mask=np.zeros((3, 6), np.int32))


def test_text_is_taken_as_strings(load):
    specs = (TensorSpec("text", DType.BYTES, ("n",)),)
    assert load(specs, x=np.array(["a", "né"])).inputs["text"].tolist() == ["a", "né"]
    assert load(specs, x=np.array([b"a"])).inputs["text"].tolist() == [b"a"]


def test_pickled_arrays_are_refused_only_where_they_are_needed(load):
    objects = np.array([[1], [2, 3]], dtype=object)
    assert load(IMAGE, x=images(2, 8, 8, 1), other=objects).notes == ("not used: other",)
    with pytest.raises(DataFormatError, match="pickled"):
        load(IMAGE, x=objects)


def test_targets_of_a_regression_do_not_keep_data_from_an_export(load):
    dataset = load(IMAGE, x=images(3, 8, 8, 1), y=np.array([0.5, 1.25, 3.0]))
    with pytest.raises(LabelError, match=r"not whole numbers: 0.5 at row 0, 1.25 at row 1"):
        dataset.require_labels()


REQUEST = (TensorSpec("x", DType.FP32, ("n", 4)), TensorSpec("temperature", DType.FP32, ()))


@pytest.fixture
def load_requests(tmp_path):
    def load(specs=REQUEST, **arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return load_dataset(tmp_path / "data.npz", specs, has_rows=False)

    return load


def test_requests_lie_along_an_axis_before_the_models_own(load_requests):
    x, temperature = images(3, 5, 4), np.float32([1, 2, 3])
    dataset = load_requests(x=x, temperature=temperature)
    assert dataset.rows == 3
    assert not dataset.has_rows
    assert np.array_equal(dataset.inputs["x"], x)
    assert dataset.inputs["temperature"].tolist() == [1, 2, 3]
    assert not dataset.take(slice(1)).has_rows
    with pytest.raises(DataMismatchError, match="takes whole requests"):
        dataset.require_labels()


@pytest.mark.parametrize(
    ("arrays", "says", "hint"),
    [
        (
            {"x": images(5, 4), "temperature": np.ones(5, "f4")},
            r"takes requests of shape \[n, 4\]",
            "x[None]",
        ),
        (
            {"x": images(3, 5, 4), "temperature": np.float32(1)},
            r"shape \[\]; .* of shape \[\]",
            "temperature[None]",
        ),
        ({"x": images(3, 5, 4), "temperature": np.ones((3, 1), "f4")}, r"\[3, 1\]", "squeeze((1,))"),
        (
            {"x": images(3, 5, 4), "temperature": np.ones(4, "f4")},
            "unequal numbers of requests",
            "Every request",
        ),
        ({"x": images(3, 5, 4)}, r"temperature float32\[requests\]", "missing: temperature"),
    ],
)
def test_requests_of_another_form_are_refused_with_what_mends_them(load_requests, arrays, says, hint):
    with pytest.raises(DataMismatchError, match=says) as caught:
        load_requests(**arrays)
    assert hint in caught.value.hint


def test_requests_with_nothing_in_them_or_no_number(load_requests):
    with pytest.raises(DataEmptyError, match="no request"):
        load_requests(x=images(0, 5, 4), temperature=np.ones(0, "f4"))
    with pytest.raises(DataValueError, match=r"1 of 2 requests \(requests 1\)"):
        load_requests(x=images(2, 5, 4), temperature=np.float32([1, np.nan]))


def test_first_axes_of_one_name_are_equal_in_a_request(load_requests):
    specs = (*REQUEST, TensorSpec("weight", DType.FP32, ("n",)))
    with pytest.raises(DataMismatchError, match="share the free dimension 'n'"):
        load_requests(specs, x=images(3, 5, 4), weight=images(3, 6), temperature=np.ones(3, "f4"))
