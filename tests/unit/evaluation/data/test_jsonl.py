"""Objects a line: fields come out as numbers, texts and lists of one shape; the rest is told with its row."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.errors import DataMismatchError
from shipway.evaluation.data.jsonl import open_jsonl


def lines(tmp_path, *records):
    path = tmp_path / "d.jsonl"
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_bytes("\n".join(texts).encode())
    return open_jsonl(path)


def read(reader, dtypes=None, *, rows=4096, names=None):
    names = tuple(reader.columns) if names is None else names
    wanted = {name: np.dtype(dtype) for name, dtype in (dtypes or {}).items()}
    blocks = list(reader.blocks(names, wanted, rows=rows))
    arrays = {name: np.concatenate([block.arrays[name] for block in blocks]) for name in names}
    return arrays, [problem for block in blocks for problem in block.problems]


def test_fields_have_the_dtypes_and_shapes_of_what_they_hold(tmp_path):
    reader = lines(
        tmp_path,
        {"text": "né \n 1", "label": 1, "f": 0.5, "b": True, "v": [1, 2], "m": [[0.5], [1]], "o": {"a": 1}},
        "",
        {"text": "x", "label": 2, "f": 1, "b": False, "v": [3, 4], "m": [[2], [3]], "late": "yes"},
    )
    columns = {name: (str(column.dtype), column.row_shape) for name, column in reader.columns.items()}
    assert columns == {
        "text": ("object", ()),
        "label": ("int64", ()),
        "f": ("float64", ()),
        "b": ("bool", ()),
        "v": ("int64", (2,)),
        "m": ("float64", (2, 1)),
        "o": ("|V0", ()),
        "late": ("object", ()),
    }
    names = tuple(name for name in columns if name != "o")
    arrays, problems = read(reader, names=names)
    assert problems == []
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "text": ["né \n 1", "x"],
        "label": [1, 2],
        "f": [0.5, 1.0],
        "b": [True, False],
        "v": [[1, 2], [3, 4]],
        "m": [[[0.5], [1.0]], [[2.0], [3.0]]],
        "late": ["", "yes"],
    }
    with pytest.raises(DataMismatchError, match="'o' holds objects"):
        read(reader)


def test_bad_values_are_problems_with_row_field_and_reason(tmp_path):
    reader = lines(
        tmp_path,
        {"f": 1.5, "i": 1, "b": True, "t": "x"},
        {"f": "1.5", "i": 1.5, "b": 2, "t": 1},
        {"f": None, "i": None},
        {"f": 1e300, "i": 300, "b": 0, "t": "y"},
        {"f": 10**30, "i": 3.0, "b": False, "t": "z"},
        '{"f": 1, "f": 2, "i": 1, "b": true, "t": "\\"f\\": \\"f\\":"}',
    )
    arrays, problems = read(reader, {"f": "f4", "i": "u1", "b": "?", "t": object})
    found = {(problem.row, problem.column): (problem.kind, problem.words) for problem in problems}
    assert {place: kind for place, (kind, _) in found.items()} == {
        (1, "f"): "not-a-number",
        (1, "i"): "not-a-number",
        (1, "b"): "not-a-number",
        (1, "t"): "not-a-text",
        (2, "f"): "missing",
        (2, "i"): "missing",
        (2, "b"): "missing",
        (2, "t"): "missing",
        (3, "f"): "out-of-range",
        (3, "i"): "out-of-range",
        (5, "f"): "duplicate-key",
    }
    assert "without quotes" in found[1, "f"][1]
    assert "no such field" in found[2, "t"][1]
    assert "null" in found[2, "f"][1]
    assert arrays["f"].dtype == np.float32
    assert np.array_equal(np.isnan(arrays["f"]), [False, True, True, True, False, True])
    assert arrays["i"].tolist() == [1, 0, 0, 0, 3, 1]
    assert arrays["b"].tolist() == [True, False, False, False, False, True]
    assert arrays["t"].tolist() == ["x", "", "", "y", "z", '"f": "f":']


def test_bad_values_in_lists_are_problems_of_their_row(tmp_path):
    reader = lines(tmp_path, *({"v": value} for value in ([1, 2], [1, "a"], None, [None, 1], [3, 4.5])))
    arrays, problems = read(reader, {"v": "f4"})
    assert [(problem.row, problem.kind) for problem in problems] == [
        (1, "not-a-number"),
        (2, "missing"),
        (3, "missing"),
    ]
    assert arrays["v"][[0, 4]].tolist() == [[1, 2], [3, 4.5]]
    assert np.isnan(arrays["v"][1:4]).all()


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2], [3]],
        [[1, 2], 3],
        [1, [2]],
        [[[1], [2]], [[1], [2, 3]]],
        [[1, 2], []],
        [["a"], ["a", "b"]],
    ],
)
def test_lists_of_unequal_shapes_are_refused_with_the_row(tmp_path, values):
    reader = lines(tmp_path, *({"x": value} for value in values))
    with pytest.raises(DataMismatchError, match="row 1") as caught:
        read(reader, names=("x",))
    assert "'x'" in caught.value.message
    assert "Pad or cut" in caught.value.hint


def test_a_field_that_nobody_demands_loses_bad_values_with_a_note(tmp_path):
    reader = lines(tmp_path, *({"x": 1.0, "n": value} for value in (1, 2, "a", None, 3, 4)))
    arrays, problems = read(reader, {"x": "f4"}, rows=2)
    assert problems == []
    assert np.array_equal(arrays["n"], [1, 2, np.nan, np.nan, 3, 4], equal_nan=True)
    assert reader.notes == (
        "n: 1 cell left empty (row 2: 'a' is no number but a text; write it without quotes)",
    )


def test_lists_of_texts_are_rows_of_texts(tmp_path):
    arrays, problems = read(lines(tmp_path, {"w": ["a", "b"]}, {"w": ["c", "d"]}), {"w": object})
    assert arrays["w"].tolist() == [["a", "b"], ["c", "d"]]
    assert problems == []


SCALAR = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(SCALAR, st.text(), st.lists(st.integers(-9, 9), min_size=3, max_size=3)),
        min_size=1,
        max_size=40,
    ),
    size=st.integers(1, 50),
    ascii_only=st.booleans(),
)
def test_blocks_of_any_size_give_the_rows_that_were_written(tmp_path, rows, size, ascii_only):
    path = tmp_path / "d.jsonl"
    texts = [
        json.dumps(dict(zip("ftv", row, strict=True)), ensure_ascii=ascii_only).encode(
            "utf-8", "surrogatepass"
        )
        for row in rows
    ]
    path.write_bytes(b"\r\n".join(texts))
    arrays, problems = read(open_jsonl(path), {"f": "f4", "t": object, "v": "i8"}, rows=size)
    expected = np.array([np.nan if row[0] is None else row[0] for row in rows], np.float32)
    assert np.array_equal(arrays["f"], expected, equal_nan=True)
    assert arrays["t"].tolist() == [row[1] for row in rows]
    assert arrays["v"].tolist() == [row[2] for row in rows]
    assert [problem.row for problem in problems] == [row for row, (f, _, _) in enumerate(rows) if f is None]
