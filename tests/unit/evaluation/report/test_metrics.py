"""The table of all metrics: every figure of all rows, exact, with its interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.metrics import metrics_section

MakeContents = Callable[..., Contents]


def shown_by(contents: Contents) -> dict[str, float]:
    section = metrics_section(contents)
    assert section is not None
    found = h("div", section.body).iter("data")
    return {one.get("data-metric") or "": float(one.get("value") or "nan") for one in found}


def test_figures_of_all_rows_are_there_with_both_ends(
    contents: MakeContents, digits: tuple[dict[str, Any], Any]
) -> None:
    shown = shown_by(contents(digits[0]))
    whole = {
        name: figures
        for name, figures in digits[0]["metrics"].items()
        if "[" not in name or name.startswith("top_k")
    }
    assert len(whole) > 15
    for name, figures in whole.items():
        assert (shown[name], shown[f"{name}:low"], shown[f"{name}:high"]) == tuple(figures.values())
    assert len(shown) == 3 * len(whole)


def test_an_undefined_figure_is_named(contents: MakeContents) -> None:
    section = metrics_section(contents({"metrics": {"mcc": {"value": None, "low": None, "high": None}}}))
    assert section is not None
    row = next(iter(h("div", section.body).iter("tbody")))[0]
    assert ["".join(cell.itertext()) for cell in row][1:4] == ["undefined", "–", "–"]


def test_bars_are_left_out_where_no_metric_has_a_range(contents: MakeContents) -> None:
    errors = {"mae": {"value": 2.0, "low": 1.0, "high": 3.0}}
    section = metrics_section(contents({"metrics": errors}))
    assert section is not None
    heads = [
        "".join(head.itertext()) for head in h("div", section.body).iter("th") if head.get("scope") == "col"
    ]
    assert heads == ["Metric", "Value", "Low", "High", "Meaning"]
