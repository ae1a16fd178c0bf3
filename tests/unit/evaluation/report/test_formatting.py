"""Spellings: as short as they can be, never saying more or less than the figure."""

from __future__ import annotations

import pytest

from shipway.evaluation.report.formatting import (
    THIN,
    data,
    decimal,
    interval,
    p_value,
    percent,
    plain,
    plural,
)


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0.9722, "97.2 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
        (0.9996, "99.96 %"),
        (0.99999, "> 99.99 %"),
        (0.0004, "0.04 %"),
        (0.00001, "< 0.01 %"),
        (-0.051, "−5.1 %"),
    ],
)
def test_a_share_is_all_or_nothing_only_where_it_is(value: float, spelled: str) -> None:
    assert percent(value).replace(THIN, " ") == spelled


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (0.93754, "0.938"),
        (1.0, "1.000"),
        (0.99996, "0.99996"),
        (0.9999999, "> 0.99999"),
        (0, "0.000"),
        (43.5249, "43.52"),
        (111.62, "111.6"),
        (12345.6, "12,346"),
        (3.2e-7, "3.2e-07"),
        (-2.5, "−2.500"),
        (1.5e12, "1.500e+12"),
    ],
)
def test_a_number_has_the_digits_that_tell(value: float, spelled: str) -> None:
    assert decimal(value) == spelled


def test_an_interval_needs_both_ends() -> None:
    assert interval({"low": 0.5, "high": 0.75}, is_share=False) == f"0.500{THIN}–{THIN}0.750"
    assert interval({"low": 0.5, "high": None}, is_share=True) is None


def test_the_exact_value_stands_beside_its_spelling() -> None:
    made = data(0.1 + 0.2, "0.300", data_metric="f1")
    assert float(made.attrib["value"]) == 0.1 + 0.2
    assert made.attrib["data-metric"] == "f1"


def test_an_undefined_figure_is_said_to_be_undefined() -> None:
    made = data(None, "", data_metric="f1")
    assert made.text == "undefined"
    assert "value" not in made.attrib


def test_small_p_values_are_bounds() -> None:
    assert p_value(0.0002) == "< 0.001"
    assert p_value(0.215) == "0.215"
    assert p_value(None) == "undefined"


def test_scalars_of_any_kind() -> None:
    assert [plain(value) for value in (None, True, False, 12345, 0.5, "x")] == [
        "none",
        "yes",
        "no",
        "12,345",
        "0.500",
        "x",
    ]
    assert (plural(1, "row"), plural(2000, "row")) == ("1 row", "2,000 rows")
