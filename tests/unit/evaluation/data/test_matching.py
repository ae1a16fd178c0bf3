"""Which column is which input: by name, as a whole table, and what is said where neither fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shipway.errors import DataMismatchError, LabelError, UsageError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset, load_dataset
from shipway.types import DType, TensorSpec

Load = Callable[..., Dataset]
THREE = (TensorSpec("features", DType.FP32, ("batch", 3)),)
ANY = (TensorSpec("features", DType.FP32, ("batch", "width")),)
AGE_AND_CITY = (TensorSpec("age", DType.FP32, ("batch", 1)), TensorSpec("city", DType.BYTES, ("batch", 1)))
TEXT = (TensorSpec("review", DType.BYTES, ("batch",)),)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads a table of these lines."""

    def load(
        specs: tuple[TensorSpec, ...], *lines: str, name: str = "d.csv", has_rows: bool = True, **told
    ) -> Dataset:
        (tmp_path / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
        return load_dataset(tmp_path / name, specs, has_rows=has_rows, reading=Reading(**told))

    return load


def test_a_tables_columns_are_one_input_in_its_order(load: Load) -> None:
    dataset = load(THREE, "c,label,a,b", "1,0,2,3", "4,1,5,6.5")
    assert dataset.inputs["features"].tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert dataset.inputs["features"].dtype == np.float32
    assert dataset.column_names == {"features": ("c", "a", "b")}
    assert dataset.require_labels().tolist() == [0, 1]
    assert dataset.notes == ()


def test_texts_are_left_out_with_a_note(load: Load) -> None:
    dataset = load(THREE, "id,a,b,c,y", "one,1,2,3,0", "two,4,5,6,1")
    assert dataset.column_names == {"features": ("a", "b", "c")}
    assert dataset.notes == ("not used: id",)


@pytest.mark.parametrize(
    ("name", "label"), [("label", None), ("y", None), ("labels", None), ("grade", "grade")]
)
def test_the_labels_are_no_value_of_the_input(load: Load, name: str, label: str | None) -> None:
    dataset = load(THREE, f"a,b,c,{name}", "1,2,3,0", "4,5,6,1", label=label)
    assert dataset.column_names == {"features": ("a", "b", "c")}
    assert dataset.require_labels().tolist() == [0, 1]


def test_a_free_width_takes_them_all(load: Load) -> None:
    assert load(ANY, "a,b", "1,2").inputs["features"].shape == (1, 2)


@pytest.mark.parametrize(
    ("header", "row", "hint"),
    [
        ("a,b,label", "1,2,0", "in the order of the training"),
        ("a,b,c,target_of_mine", "1,2,3,0", "name the labels' by --label"),
    ],
)
def test_another_number_of_columns_is_told(load: Load, header: str, row: str, hint: str) -> None:
    with pytest.raises(DataMismatchError, match="takes 3 values a row") as caught:
        load(THREE, header, row)
    assert "a int64[rows]; b int64[rows]" in caught.value.message
    assert hint in caught.value.hint


def test_a_column_to_slice_by_is_an_input_where_the_model_takes_that_many(load: Load) -> None:
    lines = ("a,b,c,age,label", "1,2,3,70,0", "4,5,6,20,1")
    beside = load(THREE, *lines, columns=("age",))
    assert beside.column_names == {"features": ("a", "b", "c")}
    assert beside.columns["age"].tolist() == [70, 20]
    both = load((TensorSpec("f", DType.FP32, ("batch", 4)),), *lines, columns=("age",))
    assert both.column_names == {"f": ("a", "b", "c", "age")}
    assert both.columns["age"].tolist() == [70, 20]
    with pytest.raises(DataMismatchError, match="4 number columns"):
        load(THREE, *lines)


def test_inputs_go_by_name_wherever_they_stand(load: Load) -> None:
    dataset = load(AGE_AND_CITY, "city,more,label,age", "Oslo,9,1,40", '"Łódź, PL",8,0,51.5')
    assert dataset.inputs["age"].tolist() == [[40], [51.5]]
    assert dataset.inputs["city"].tolist() == [["Oslo"], ["Łódź, PL"]]
    assert dataset.column_names == {}
    assert dataset.notes == ("not used: more",)


def test_a_missing_input_is_named_with_what_is_there(load: Load) -> None:
    with pytest.raises(DataMismatchError, match="does not hold the model's inputs") as caught:
        load(AGE_AND_CITY, "town,age,label", "Oslo,40,1")
    assert "missing: city" in caught.value.hint
    with pytest.raises(DataMismatchError) as caught:
        load(AGE_AND_CITY, "City,age,label", "Oslo,40,1")
    assert "City for city" in caught.value.hint


def test_a_lone_text_is_the_one_input(load: Load) -> None:
    dataset = load(TEXT, '{"text": "fine", "label": 1}', '{"text": "dull", "label": 0}', name="d.jsonl")
    assert dataset.inputs["review"].tolist() == ["fine", "dull"]
    assert dataset.require_labels().tolist() == [1, 0]


def test_a_label_or_a_slice_that_is_not_there(load: Load) -> None:
    with pytest.raises(LabelError, match="no column 'grade'") as caught:
        load(THREE, "a,b,c", "1,2,3", label="grade")
    assert "c int64[rows]" in caught.value.message
    with pytest.raises(UsageError, match="it has none of that name") as refused:
        load(THREE, "a,b,c", "1,2,3", columns=("age",))
    assert "a, b, c" in refused.value.hint


def test_whole_requests_are_no_table(load: Load) -> None:
    with pytest.raises(DataMismatchError):
        load((TensorSpec("x", DType.FP32, (3,)),), "a,b,c", "1,2,3", has_rows=False)


def test_of_hundreds_of_columns_a_few_are_named(load: Load) -> None:
    names = [f"n{number}" for number in range(300)]
    with pytest.raises(DataMismatchError, match="300 number columns") as caught:
        load(THREE, ",".join(names), ",".join(["1"] * 300))
    assert "and 288 more" in caught.value.message
    assert len(caught.value.message) < 700
