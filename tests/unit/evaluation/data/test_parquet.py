"""Tables of typed columns: every type comes out as numbers, texts or lists of one length, or is told by name."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from shipway.errors import DataMismatchError
from shipway.evaluation.data.parquet import open_parquet


def stored(tmp_path, columns, **options):
    path = tmp_path / "d.parquet"
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return open_parquet(path)


def read(reader, dtypes=None, *, rows=4096, names=None):
    names = tuple(reader.columns) if names is None else names
    wanted = {name: np.dtype(dtype) for name, dtype in (dtypes or {}).items()}
    blocks = list(reader.blocks(names, wanted, rows=rows))
    arrays = {name: np.concatenate([block.arrays[name] for block in blocks]) for name in names}
    return arrays, [problem for block in blocks for problem in block.problems]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int64", "uint8", "uint64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_numbers_come_back_in_their_own_dtype(tmp_path, dtype, compression):
    values = np.arange(10).astype(dtype)
    reader = stored(tmp_path, {"x": values}, compression=compression)
    assert reader.columns["x"].dtype == dtype
    assert reader.columns["x"].rows == 10
    arrays, problems = read(reader, rows=3)
    assert arrays["x"].dtype == dtype
    assert np.array_equal(arrays["x"], values)
    assert problems == []


def test_lists_of_one_length_are_rows_of_that_shape(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    reader = stored(
        tmp_path,
        {
            "nested": pa.array(values.tolist(), pa.list_(pa.list_(pa.float32()))),
            "fixed": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8)), 2),
            "large": pa.array(values[:, 0].tolist(), pa.large_list(pa.float64())),
            "words": [["a", "b"]] * 4,
        },
    )
    shapes = {name: column.row_shape for name, column in reader.columns.items()}
    assert shapes == {"nested": (2, 3), "fixed": (2,), "large": (3,), "words": (2,)}
    arrays, problems = read(reader, rows=3)
    assert np.array_equal(arrays["nested"], values)
    assert arrays["nested"].dtype == np.float32
    assert np.array_equal(arrays["fixed"], np.arange(8).reshape(4, 2))
    assert np.array_equal(arrays["large"], values[:, 0])
    assert arrays["words"].tolist() == [["a", "b"]] * 4
    assert problems == []


def test_nulls_are_problems_with_their_row_in_lists_too(tmp_path):
    reader = stored(
        tmp_path,
        {
            "f": [1.0, None, 3.0],
            "i": pa.array([None, 2, 3], pa.int32()),
            "b": [True, False, None],
            "t": ["x", None, "z"],
            "l": pa.array([[1.0, 2.0], None, [3.0, None]]),
        },
    )
    arrays, problems = read(
        reader, dict.fromkeys("fibtl", object) | {"f": "f4", "i": "i4", "b": "?", "l": "f4"}
    )
    assert {(problem.row, problem.column, problem.kind) for problem in problems} == {
        (1, "f", "missing"),
        (0, "i", "missing"),
        (2, "b", "missing"),
        (1, "t", "missing"),
        (1, "l", "missing"),
        (2, "l", "missing"),
    }
    assert np.isnan(arrays["f"][1])
    assert arrays["i"].dtype == np.int32
    assert arrays["t"].tolist() == ["x", "", "z"]
    assert arrays["l"][0].tolist() == [1, 2]


def test_nulls_in_columns_that_nobody_demands_are_no_problems(tmp_path):
    arrays, problems = read(
        stored(tmp_path, {"x": [1.0, 2.0], "n": [1, None], "t": [None, "a"]}), {"x": "f4"}
    )
    assert problems == []
    assert np.array_equal(arrays["n"], [1, np.nan], equal_nan=True)
    assert arrays["t"].tolist() == ["", "a"]


def test_other_types_are_numbers_or_texts_where_that_is_clear(tmp_path):
    reader = stored(
        tmp_path,
        {
            "dictionary": pa.array(["u", "v", "u"]).dictionary_encode(),
            "decimal": [decimal.Decimal("1.25")] * 3,
            "date": [datetime.date(2026, 1, 2)] * 3,
            "time": pa.array([datetime.datetime(2026, 1, 2, 3)] * 3, pa.timestamp("s")),
            "duration": pa.array([90] * 3, pa.duration("s")),
        },
    )
    arrays, _ = read(reader)
    assert {name: array.tolist()[0] for name, array in arrays.items()} == {
        "dictionary": "u",
        "decimal": 1.25,
        "date": "2026-01-02",
        "time": "2026-01-02 03:00:00.000",
        "duration": 90,
    }


@pytest.mark.parametrize(
    "column",
    [
        [b"bytes"],
        [{"bytes": b"png", "path": "a.png"}],
        pa.nulls(1),
        pa.array([[("a", 1)]], pa.map_("str", "i8")),
    ],
    ids=["binary", "struct", "null", "map"],
)
def test_what_is_neither_numbers_nor_texts_is_told_when_it_is_asked_for(tmp_path, column):
    if isinstance(column, pa.Array) and pa.types.is_map(column.type):
        column = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))
    reader = stored(tmp_path, {"x": [1.0], "odd": column})
    assert read(reader, names=("x",))[0]["x"].tolist() == [1.0]
    with pytest.raises(DataMismatchError, match="neither numbers nor texts") as caught:
        read(reader, names=("odd",))
    assert "'odd'" in caught.value.message
    assert "d.parquet" in caught.value.message
    assert "Convert" in caught.value.hint


def test_texts_where_the_model_takes_numbers_are_refused_with_the_line_that_converts(tmp_path):
    reader = stored(tmp_path, {"x": ["1", "2"]})
    with pytest.raises(DataMismatchError, match="takes float32") as caught:
        read(reader, {"x": "f4"})
    assert "to_numeric" in caught.value.hint


@pytest.mark.parametrize("lists", [[[1.0, 2.0], [3.0]], [[1.0], [2.0, 3.0]], [[[1.0]], [[1.0, 2.0]]]])
def test_lists_of_unequal_lengths_are_refused_with_the_row(tmp_path, lists):
    reader = stored(tmp_path, {"x": lists})
    with pytest.raises(DataMismatchError, match="row 1") as caught:
        read(reader)
    assert "'x'" in caught.value.message
    assert "Pad or cut" in caught.value.hint


def test_the_index_that_pandas_writes_is_left_out_with_a_note(tmp_path):
    pd.DataFrame({"x": [1, 2]}, index=["a", "b"]).to_parquet(tmp_path / "d.parquet")
    reader = open_parquet(tmp_path / "d.parquet")
    assert list(reader.columns) == ["x"]
    assert "index" in reader.notes[0]


def test_names_with_dots_are_names(tmp_path):
    arrays, _ = read(stored(tmp_path, {"a": [1], "a.b": [2]}), names=("a.b",))
    assert arrays["a.b"].tolist() == [2]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.floats(width=32, allow_nan=False),
            st.none() | st.text(max_size=8),
            st.lists(st.integers(0, 9), min_size=2, max_size=2),
        ),
        min_size=1,
        max_size=60,
    ),
    size=st.integers(1, 70),
    group=st.integers(1, 70),
)
def test_blocks_of_any_size_give_the_rows_that_were_written(tmp_path, rows, size, group):
    columns = {
        "f": pa.array([row[0] for row in rows], pa.float32()),
        "t": pa.array([row[1] for row in rows], pa.string()),
        "l": pa.array([row[2] for row in rows], pa.list_(pa.int64())),
    }
    reader = stored(tmp_path, columns, row_group_size=group)
    arrays, problems = read(reader, {"f": "f4", "t": object, "l": "i8"}, rows=size)
    expected = np.array([np.nan if row[0] is None else row[0] for row in rows], np.float32)
    assert np.array_equal(arrays["f"], expected, equal_nan=True)
    assert arrays["t"].tolist() == [row[1] or "" for row in rows]
    assert arrays["l"].tolist() == [row[2] for row in rows]
    assert {(problem.row, problem.column) for problem in problems} == {
        (place, name)
        for place, row in enumerate(rows)
        for name, cell in zip("ft", row[:2], strict=True)
        if cell is None
    }


def test_a_large_row_group_is_read_in_little_memory(tmp_path):
    rows = 4_000_000
    path = tmp_path / "d.parquet"
    values = np.random.default_rng(0).random(rows)
    parquet.write_table(pa.table({"x": values}), path, row_group_size=rows, use_dictionary=False)
    del values
    before = pa.total_allocated_bytes()
    peak = 0
    total = 0
    for block in open_parquet(path).blocks(("x",), {}, rows=4096):
        total += len(block.arrays["x"])
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert total == rows
    assert peak < 8 * 2**20  # of 32 MB
