"""Slices: the worst first, by whatever their metric calls worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.slices import MOST_SLICES, slices_section

MakeContents = Callable[..., Contents]


def entry(name: str, difference: float | None, metric: str = "accuracy", **more: Any) -> dict[str, Any]:
    value = None if difference is None else 0.5 + difference
    return {
        "name": name,
        "rows": 10,
        "metric": metric,
        "value": value,
        "low": None,
        "high": None,
        "rest": 0.5,
        "difference": difference,
        "p_value": 0.01,
        "p_holm": 0.03,
        "differs": False,
    } | more


def rows_of(contents: Contents) -> list[list[str]]:
    section = slices_section(contents)
    assert section is not None
    body = next(iter(h("div", section.body).iter("tbody")))
    return [["".join(cell.itertext()).replace("\u202f", " ") for cell in row] for row in body]


def test_less_of_a_share_is_worse_and_more_of_an_error(contents: MakeContents) -> None:
    shares = [entry("same", 0.0), entry("worse", -0.2), entry("better", 0.2)]
    found = rows_of(contents({"evaluation": {"slices": shares}}))
    assert [row[0] for row in found] == ["worse", "same", "better"]
    errors = [entry("same", 0.0, "mae"), entry("worse", 0.2, "mae"), entry("better", -0.2, "mae")]
    found = rows_of(contents({"evaluation": {"slices": errors}}))
    assert [row[0] for row in found] == ["worse", "same", "better"]


def test_a_line_has_all_figures_and_says_whether_it_differs(contents: MakeContents) -> None:
    found = rows_of(
        contents({"evaluation": {"slices": [entry("night", -0.2, low=0.2, high=0.4, differs=True)]}})
    )
    assert found == [["night", "10", "30.0 %", "20.0 % – 40.0 %", "50.0 %", "−20.0 %", "0.030", "differs"]]


def test_what_could_not_be_compared_is_undefined(contents: MakeContents) -> None:
    found = rows_of(contents({"evaluation": {"slices": [entry("empty", None, p_holm=None)]}}))
    assert found == [["empty", "10", "undefined", "–", "50.0 %", "undefined", "undefined", "no"]]


def test_of_hundreds_the_worst_are_shown(contents: MakeContents) -> None:
    many = [entry(f"s{index}", index / 1000) for index in range(MOST_SLICES + 5)]
    assert len(rows_of(contents({"evaluation": {"slices": many}}))) == MOST_SLICES
