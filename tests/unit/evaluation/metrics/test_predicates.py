"""Slices as users write them; nothing of the text is run."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.errors import UsageError
from shipway.evaluation.metrics.predicates import parse_predicate

COLUMNS = {
    "age": np.array([20.0, 35.0, np.nan, 60.0, 71.0]),
    "site": np.array(["A", "B", "A", "C", "B"]),
    "scanner type": np.array(["x 1", "y", "x 1", "y", "y"]),
    "smoker": np.array([True, False, True, False, False]),
    "visits": np.array([1, 2, 2, 3, 1]),
    "mixed": np.array(["a", None, "b", "a", None], dtype=object),
    "maybe": np.array([1, None, 3, 4, 5], dtype=object),
    "a-b.c": np.array([1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("age >= 60", [3, 4]),
        ("age<60", [0, 1]),
        ("age > 60", [4]),
        ("age <= 35", [0, 1]),
        ("age != 60", [0, 1, 2, 4]),
        ("visits == 2", [1, 2]),
        ("visits == 2.0", [1, 2]),
        ("visits > -1", [0, 1, 2, 3, 4]),
        ("site == A", [0, 2]),
        ("site == 'A'", [0, 2]),
        ("site in (A, C)", [0, 2, 3]),
        ("visits in (1,3)", [0, 3, 4]),
        ("`scanner type` == 'x 1'", [0, 2]),
        ("smoker == true", [0, 2]),
        ("smoker == 0", [1, 3, 4]),
        ("age >= 30 and site == B", [1, 4]),
        ("age >= 30 and site in (B) and smoker != true", [1, 4]),
        ("mixed == a", [0, 3]),
        ("mixed != a", [1, 2, 4]),
        ("maybe > 2", [2, 3, 4]),
        ("a-b.c == 3", [2]),
        ("site == nowhere", []),
    ],
)
def test_predicates(text, rows):
    slices = parse_predicate(text).slices(COLUMNS)
    assert list(slices) == [text]
    assert np.flatnonzero(slices[text]).tolist() == rows


def test_a_lone_column_is_a_slice_for_each_value():
    slices = parse_predicate("smoker").slices(COLUMNS)
    assert {name: mask.tolist() for name, mask in slices.items()} == {
        "smoker == false": [False, True, False, True, True],
        "smoker == true": [True, False, True, False, False],
    }
    assert list(parse_predicate("visits").slices(COLUMNS)) == ["visits == 1", "visits == 2", "visits == 3"]
    assert list(parse_predicate("age").slices(COLUMNS)) == [f"age == {value}" for value in (20, 35, 60, 71)]
    assert list(parse_predicate("mixed").slices(COLUMNS)) == ["mixed == a", "mixed == b"]


def test_many_numbers_are_cut_at_the_quartiles():
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    slices = parse_predicate("age").slices({"age": values})
    assert list(slices) == ["age <= 24", "24 < age <= 49", "49 < age <= 74", "age > 74"]
    assert [mask.sum() for mask in slices.values()] == [25, 25, 25, 25]
    assert np.sum(list(slices.values()), axis=0).tolist() == [1] * 100


def test_quartiles_that_fall_together_are_one():
    values = np.r_[np.zeros(80), np.arange(1.0, 31.0)]
    slices = parse_predicate("x").slices({"x": values})
    assert np.sum(list(slices.values()), axis=0).tolist() == [1] * 110
    assert all(mask.any() for mask in slices.values())


@pytest.mark.parametrize(
    "text",
    [
        *("", "==", "age ==", "age = 3", "age 3", "and", "age == 3 or site == A", "age == 3 and"),
        *("age == 3 and site", "age == 3 site == A", "(age == 3)", "age == 'x"),
        *("site in A", "site in (A", "site in ()", "site in (A,)"),
    ],
)
def test_what_does_not_read(text):
    with pytest.raises(UsageError, match="does not read") as caught:
        parse_predicate(text)
    assert "COLUMN == VALUE" in caught.value.hint


def test_unknown_columns_are_answered_with_those_there_are():
    with pytest.raises(UsageError, match="no column 'agee'") as caught:
        parse_predicate("agee > 3").slices(COLUMNS)
    assert "'age', 'site'" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [("age > old", "holds numbers"), ("site < B", "holds text"), ("smoker == maybe", "true or false")],
)
def test_values_of_another_kind(text, words):
    with pytest.raises(UsageError, match=words):
        parse_predicate(text).slices(COLUMNS)


def test_many_texts_are_refused():
    with pytest.raises(UsageError, match="30 different texts"):
        parse_predicate("id").slices({"id": np.array([f"row {index}" for index in range(30)])})


@given(st.text(max_size=30))
def test_any_text_reads_or_says_why_not(text):
    with suppress(UsageError):
        slices = parse_predicate(text).slices({"a": np.arange(3)})
        assert all(mask.shape == (3,) for mask in slices.values())
