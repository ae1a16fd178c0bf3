"""Curves and reliability: one line a class, colored where it matters, with figures of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import report_documents as made
from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.curves import COLORS, calibration_section, curves_section
from shipway.evaluation.report.markup import h

MakeContents = Callable[..., Contents]


def of_class(body: Any, tag: str, name: str) -> list[Any]:
    return [one for one in body.iter(tag) if name in (one.get("class") or "").split()]


def test_the_lowest_areas_are_in_color_and_every_class_is_in_the_table(
    contents: MakeContents, digits: tuple[dict[str, Any], Any]
) -> None:
    section = curves_section(contents(digits[0]))
    assert section is not None
    body = h("div", section.body)
    chart = next(iter(body.iter("svg")))
    assert len(of_class(chart, "polyline", "line")) == 10
    assert len(of_class(chart, "polyline", "quiet")) == 10 - COLORS
    names = ["".join(row[0].itertext()) for row in next(iter(body.iter("tbody")))]
    areas = {name: digits[0]["metrics"][f"roc_auc[{name}]"]["value"] for name in names}
    assert names == sorted(areas, key=lambda name: areas[name])
    assert len(names) == 10
    last = list(chart.iter("g"))[-2]  # drawn on top, but for the axes' titles
    assert last.get("data-class") == names[0]


def test_points_lie_on_the_curve_that_the_document_has(contents: MakeContents) -> None:
    curves = {"roc": {"a": {"x": [0.0, 0.5, 1.0], "y": [0.0, 1.0, 1.0]}}, "precision_recall": {}}
    document = {"evaluation": {"task": "classification", "classes": ["a", "b"], "curves": curves}}
    section = curves_section(contents(document))
    assert section is not None
    line = of_class(h("div", section.body), "polyline", "line")[0]
    assert line.get("points") == "60,294 223,12 386,12"


def test_of_two_classes_the_plain_areas_are_the_positive_classs(contents: MakeContents) -> None:
    document = made.breast_cancer()
    section = curves_section(contents(document))
    assert section is not None
    values = [float(one.get("value") or "nan") for one in h("div", section.body).iter("data")]
    assert values == [document["metrics"]["roc_auc"]["value"], document["metrics"]["pr_auc"]["value"]]


def test_classes_without_a_curve_are_counted(contents: MakeContents) -> None:
    line = {"x": [0, 1], "y": [0, 1]}
    names = [str(index) for index in range(30)]
    evaluation = {
        "classes": names,
        "curves": {"roc": dict.fromkeys(names[:20], line), "precision_recall": {}},
    }
    section = curves_section(contents({"evaluation": evaluation}))
    assert section is not None
    assert "10 more classes are left out" in str(section.lead)


def test_reliability_has_a_point_for_each_bin_with_rows(contents: MakeContents) -> None:
    bins = [
        {"low": 0.0, "high": 0.5, "rows": 0, "confidence": None, "accuracy": None},
        {
            "low": 0.5,
            "high": 1.0,
            "rows": 40,
            "confidence": 0.8,
            "accuracy": 0.6,
            "accuracy_low": 0.45,
            "accuracy_high": 0.74,
        },
    ]
    section = calibration_section(contents({"evaluation": {"calibration": {"bins": bins}}}))
    assert section is not None
    body = h("div", section.body)
    (point,) = of_class(body, "circle", "point")
    assert "40 rows, mean confidence 80.0\u202f%, accuracy 60.0\u202f%" in point[0].text
    assert len(of_class(body, "line", "error-bar")) == 1
    assert len(next(iter(body.iter("tbody")))) == 1


def test_without_probabilities_there_is_no_calibration(contents: MakeContents) -> None:
    assert calibration_section(contents({"evaluation": {"calibration": None, "curves": None}})) is None
    assert calibration_section(contents({"evaluation": {"calibration": {"bins": []}}})) is None
