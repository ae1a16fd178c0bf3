"""Inputs of a model that does not tell them, from the user's rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shipway.errors import DataMismatchError, DataNotFoundError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.inferring import infer_inputs
from shipway.types import DType, TensorSpec


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(
        path,
        image=np.zeros((5, 3, 8, 8), np.float64),
        ids=np.zeros((5, 7), np.int64),
        name=np.array(["a", "b", "c", "d", "e"]),
        y=np.arange(5),
    )
    return path


def test_every_array_but_the_labels_is_an_input(data: Path) -> None:
    assert infer_inputs(data, ()) == (
        TensorSpec("image", DType.FP32, ("batch", 3, 8, 8)),
        TensorSpec("ids", DType.INT64, ("batch", 7)),
        TensorSpec("name", DType.BYTES, ("batch",)),
    )


def test_known_names_choose_and_order_them(data: Path) -> None:
    assert [spec.name for spec in infer_inputs(data, ("ids", "image"))] == ["ids", "image"]


def test_a_single_input_may_be_called_x(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 4), np.float32), labels=np.zeros(2, int))
    assert infer_inputs(tmp_path / "d.npz", ("features",)) == (
        TensorSpec("features", DType.FP32, ("batch", 4)),
    )


def test_other_names_are_an_error_that_lists_both(data: Path) -> None:
    with pytest.raises(DataMismatchError, match="image float64") as caught:
        infer_inputs(data, ("left", "right"))
    assert "left, right" in caught.value.message
    assert "--input" in caught.value.hint


def test_arrays_without_rows_and_of_no_dtype_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "scalar.npz", x=np.float32(1))
    with pytest.raises(DataMismatchError, match="no rows"):
        infer_inputs(tmp_path / "scalar.npz", ())
    np.savez(tmp_path / "complex.npz", x=np.zeros(3, complex))
    with pytest.raises(DataMismatchError, match="no model takes"):
        infer_inputs(tmp_path / "complex.npz", ())
    with pytest.raises(DataNotFoundError):
        infer_inputs(tmp_path / "gone.npz", ())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "d.csv"
    path.write_text("color,visits,age,label\nred,3,40.5,1\nblue,4,51,0\n", encoding="utf-8")
    return path


def test_columns_of_a_table_that_are_all_numbers_are_one_input(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,b,y\n1,2.5,0\n3,4,1\n", encoding="utf-8")
    for names in ((), ("features",)):
        (spec,) = infer_inputs(path, names)
        assert spec == TensorSpec(names[0] if names else "x", DType.FP32, ("batch", 2))
    (spec,) = infer_inputs(path, ("x",), Reading(label="b"))
    assert spec.shape == ("batch", 2)  # `y` is then one of the numbers


def test_columns_of_texts_and_numbers_are_inputs_of_their_own(table: Path) -> None:
    assert infer_inputs(table, ()) == (
        TensorSpec("color", DType.BYTES, ("batch", 1)),
        TensorSpec("visits", DType.FP32, ("batch", 1)),
        TensorSpec("age", DType.FP32, ("batch", 1)),
    )
    assert [spec.name for spec in infer_inputs(table, ("age", "color"))] == ["age", "color"]


def test_a_table_without_the_models_names_lists_its_columns(table: Path) -> None:
    with pytest.raises(DataMismatchError, match=r"Found: color .*Expected: left, right") as caught:
        infer_inputs(table, ("left", "right"))
    assert "Save the columns under the inputs' names" in caught.value.hint


def test_a_folder_of_images_does_not_say_what_a_model_takes(tmp_path: Path) -> None:
    with pytest.raises(DataMismatchError, match="folder of images") as caught:
        infer_inputs(tmp_path, ())
    assert "--input" in caught.value.hint
