"""Rows that cannot be used: counted over the whole file, told with the first of them, recorded where left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shipway.errors import DataValueError
from shipway.evaluation.data.bad_rows import BadRows
from shipway.evaluation.data.base import Problem

PATH = Path("d.csv")
NOBODY = np.array([], np.intp)


def noted(*problems: tuple[int, str, str]) -> BadRows:
    bad = BadRows()
    for row, column, kind in problems:
        bad.note(Problem(row, column, kind, f"{kind} it is"))
    return bad


def test_nothing_bad_is_fine() -> None:
    bad = BadRows()
    bad.note_special_values(np.zeros((3, 2)), 0, called="x", without=NOBODY)
    bad.refuse(PATH, 3, "row")
    assert bad.rows == set()


def test_rows_count_once_and_reasons_each() -> None:
    bad = noted(
        (3, "age", "missing"), (3, "city", "missing"), (8, "age", "missing"), (1, "age", "not-a-number")
    )
    assert bad.rows == {1, 3, 8}
    told = bad.to_json()
    assert told["rows"] == 3
    assert told["reasons"][0] == {"column": "age", "kind": "missing", "rows": 2}
    assert told["examples"][0] == {"row": 3, "column": "age", "words": "missing it is"}


def test_what_is_refused_names_the_first_five() -> None:
    bad = noted(*[(row, "age", "missing") for row in range(10, 17)])
    with pytest.raises(
        DataValueError, match=r"7 of 20 rows of d\.csv cannot be used: row 10, age: missing"
    ) as e:
        bad.refuse(PATH, 20, "row")
    assert "row 14" in e.value.message
    assert "row 15" not in e.value.message
    assert "--drop-bad" in e.value.hint
    assert "--allow-missing" in e.value.hint
    with pytest.raises(DataValueError) as e:
        noted((1, "age", "not-a-number")).refuse(PATH, 20, "request")
    assert "1 of 20 requests" in e.value.message
    assert "--allow-missing" not in e.value.hint


def test_nan_and_infinity_are_told_apart() -> None:
    bad, block = BadRows(), np.zeros((4, 2, 2))
    block[1, 0] = np.nan
    block[3, 1, 1] = -np.inf
    bad.note_special_values(block, 100, called="x", without=NOBODY)
    assert bad.rows == {101, 103}
    with pytest.raises(
        DataValueError, match=r"2 NaN and 1 infinite values, in 2 of 500 rows \(rows 101, 103\)"
    ):
        bad.refuse(PATH, 500, "row")


def test_missing_values_that_are_allowed_and_rows_told_already_are_passed_over() -> None:
    block = np.array([[np.nan, 1], [np.inf, np.nan], [np.nan, np.nan]])
    bad = BadRows()
    bad.note_special_values(block.copy(), 0, called="x", without=NOBODY, only_infinite=True)
    assert bad.rows == {1}
    bad = BadRows()
    bad.note_special_values(block.copy(), 0, called="x", without=np.array([0, 2]))
    assert bad.rows == {1}
    assert (bad.nan["x"], bad.infinite["x"]) == (1, 1)


def test_of_many_problems_all_rows_are_kept_and_the_first_words() -> None:
    bad = BadRows()
    for row in range(100_010):
        bad.note(Problem(row, "age", "missing", "the cell is empty"))
    assert len(bad.rows) == bad.counts["age", "missing"] == 100_010
    assert len(bad.problems) == 100_000
    assert len(bad.to_json()["examples"]) == 20
