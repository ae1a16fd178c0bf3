"""What a fitted model says of its columns."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from sklearn import compose, linear_model, pipeline, preprocessing
from sklearn.feature_extraction.text import CountVectorizer

from shipway.sources.workers.frameworks.table_inputs import table_of
from shipway.sources.workers.wire import TaskError

LABELS = [0, 1, 0, 1]


def fitted(rows: object, *steps: object) -> object:
    return pipeline.make_pipeline(*steps, linear_model.LogisticRegression()).fit(rows, LABELS)


def by_name() -> object:
    frame = pandas.DataFrame(
        {"kind": ["a", "b", "a", "b"], "idle": [0, 0, 0, 0], "size": [1.0, 2.0, 3.0, 4.0]}
    )
    columns = compose.ColumnTransformer(
        [("k", preprocessing.OneHotEncoder(), ["kind"]), ("s", preprocessing.StandardScaler(), ["size"])]
    )
    return fitted(frame, columns)


def test_numbers_are_one_input() -> None:
    model = fitted(np.eye(4), preprocessing.StandardScaler())
    assert table_of(model, ()).specs == [{"name": "x", "dtype": "float32", "shape": ["batch", 4]}]


def test_whole_numbers_of_an_encoder_are_int64() -> None:
    model = fitted(np.arange(8).reshape(4, 2), preprocessing.OneHotEncoder())
    assert table_of(model, ()).specs == [{"name": "x", "dtype": "int64", "shape": ["batch", 2]}]


def test_columns_by_name_are_an_input_each_and_the_idle_one_is_none() -> None:
    table = table_of(by_name(), ())
    assert [(spec["name"], spec["dtype"]) for spec in table.specs] == [
        ("kind", "string"),
        ("size", "float32"),
    ]
    rows = table.assemble(table.examples(3))
    assert list(rows.columns) == ["kind", "idle", "size"]
    assert rows["kind"].tolist() == ["a"] * 3


def test_text_is_one_string_a_row() -> None:
    model = fitted(["one word", "two words", "one", "two"], CountVectorizer())
    table = table_of(model, ())
    assert table.specs == [{"name": "text", "dtype": "string", "shape": ["batch", 1]}]
    assert table.assemble({"text": np.array([["one"], ["two"]])}).tolist() == ["one", "two"]


def test_the_user_knows_better() -> None:
    told = [{"name": "size", "dtype": "int64", "shape": ["batch", 1]}]
    told.append({"name": "kind", "dtype": "string", "shape": ["batch", 1]})
    specs = table_of(by_name(), told).specs
    assert [(spec["name"], spec["dtype"]) for spec in specs] == [("kind", "string"), ("size", "int64")]


def test_inputs_that_do_not_fit_are_refused_with_what_would() -> None:
    told = [{"name": "x", "dtype": "float32", "shape": ["batch", 9]}]
    with pytest.raises(TaskError, match=r"takes 2 columns \(kind, size\)"):
        table_of(by_name(), told)
