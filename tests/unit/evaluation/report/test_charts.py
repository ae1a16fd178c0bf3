"""Scales and bars: values lie where they belong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.evaluation.report.charts import Plot, figure, interval_bar, spell_tick, ticks
from shipway.evaluation.report.markup import h, to_html


def test_the_corners_of_the_values_are_those_of_the_frame() -> None:
    plot = Plot(
        x_low=-2, x_high=2, y_low=10, y_high=20, width=400, height=300, left=50, right=10, top=5, bottom=45
    )
    assert (plot.x(-2), plot.x(0), plot.x(2)) == (50, 220, 390)
    assert (plot.y(10), plot.y(15), plot.y(20)) == (255, 130, 5)


@given(
    st.floats(-1e9, 1e9, allow_subnormal=False),
    st.floats(1e-6, 1e9, allow_subnormal=False),
)
def test_ticks_are_a_few_within_the_range_and_evenly_spaced(low: float, span: float) -> None:
    high = low + span
    found = ticks(low, high)
    if high <= low or span < abs(low) * 1e-9:  # no room between two floats
        return
    assert 2 <= len(found) <= 12
    assert all(low - span * 1e-6 <= tick <= high + span * 1e-6 for tick in found)
    assert found == sorted(set(found))


def test_ticks_are_round_numbers() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(27, 358) == [50, 100, 150, 200, 250, 300, 350]
    assert ticks(3, 3) == [3]


def test_ticks_are_spelled_short() -> None:
    assert [spell_tick(value) for value in (0.0, 0.25, -100.0, 12000.0, 2e7)] == [
        "0",
        "0.25",
        "−100",
        "12,000",
        "2e+07",
    ]


def test_a_bar_spans_the_value_and_its_whisker_the_interval() -> None:
    bar = interval_bar(0.8, 0.7, 0.9)
    assert bar is not None
    filled = next(mark for mark in bar if mark.get("class") == "bar")
    assert (filled.get("x"), filled.get("width")) == ("0.0", "80.0")
    whisker = next(mark for mark in bar if mark.get("class") == "whisker")
    assert whisker.get("d") == "M70 5v6M70 8H90M90 5v6"


def test_a_bar_of_a_negative_value_goes_left_from_zero() -> None:
    bar = interval_bar(-0.5, None, None, lowest=-1, highest=1)
    assert bar is not None
    filled = next(mark for mark in bar if mark.get("class") == "bar")
    assert (filled.get("x"), filled.get("width")) == ("25.0", "25.0")


def test_values_beyond_the_range_end_at_its_edge() -> None:
    bar = interval_bar(1.7, 0.5, 3.0, reference=2.0)
    assert bar is not None
    filled = next(mark for mark in bar if mark.get("class") == "bar")
    assert filled.get("width") == "100.0"
    assert next(mark for mark in bar if mark.get("class") == "reference").get("x1") == "100.0"


def test_nothing_is_drawn_for_what_is_undefined() -> None:
    assert interval_bar(None, None, None) is None


@pytest.mark.parametrize("has_table", [True, False])
def test_a_figure_unfolds_its_table(has_table: bool) -> None:
    text = to_html(figure("ROC", h("svg"), table=h("table") if has_table else None))
    assert ("<details>" in text) is has_table


def test_a_chart_is_read_aloud_by_its_label() -> None:
    svg = Plot().svg(label="a <b>", x_title="x", y_title="y", x_ticks=(0, 1), y_ticks=(0, 1))
    assert svg.get("aria-label") == "a <b>"
    assert svg.get("role") == "img"
    assert "a &lt;b&gt;" in to_html(svg)
