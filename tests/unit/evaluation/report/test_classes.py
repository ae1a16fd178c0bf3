"""Figures of each class, the worst first, and what is left out of a thousand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipway.evaluation.report.classes import MOST_CLASSES, classes_section, outputs_section
from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h

MakeContents = Callable[..., Contents]


def estimate(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": value and value / 2, "high": value}


def rows_of(section: Any) -> list[list[str]]:
    body = next(iter(h("div", section.body).iter("tbody")))
    return [["".join(cell.itertext()) for cell in row] for row in body]


def test_classes_are_sorted_by_f1_and_undefined_ones_come_last(contents: MakeContents) -> None:
    document = {
        "evaluation": {"task": "classification", "classes": ["a", "b", "c"], "support": [5, 0, 7]},
        "metrics": {
            "f1[a]": estimate(0.9),
            "f1[b]": estimate(None),
            "f1[c]": estimate(0.5),
            "recall[a]": estimate(0.8),
            "recall[b]": estimate(None),
            "recall[c]": estimate(0.4),
        },
    }
    assert rows_of(classes_section(contents(document))) == [
        ["c", "7", "0.500", "40.0\u202f%"],
        ["a", "5", "0.900", "80.0\u202f%"],
        ["b", "0", "undefined", "undefined"],
    ]


def test_of_a_thousand_classes_the_worst_hundred_are_shown(contents: MakeContents) -> None:
    names = [str(index) for index in range(1000)]
    document = {
        "evaluation": {"task": "classification", "classes": names, "support": [1] * 1000},
        "metrics": {f"f1[{index}]": estimate(1 - index / 1000) for index in range(1000)},
    }
    section = classes_section(contents(document))
    assert section is not None
    shown = rows_of(section)
    assert len(shown) == MOST_CLASSES
    assert shown[0][0] == "999"
    assert "900 classes with a higher F1 are left out" in " ".join(h("div", section.body).itertext())


def test_all_figures_of_a_real_document_are_there(
    contents: MakeContents, digits: tuple[dict[str, Any], Any]
) -> None:
    section = classes_section(contents(digits[0]))
    assert section is not None
    shown = {one.get("data-metric"): one.get("value") for one in h("div", section.body).iter("data")}
    single = {name: figures["value"] for name, figures in digits[0]["metrics"].items() if "[" in name}
    del single["top_k_accuracy[5]"]
    assert {name: float(value or "nan") for name, value in shown.items()} == single


def test_outputs_of_a_regression_have_their_errors(contents: MakeContents) -> None:
    document = {
        "evaluation": {"task": "regression", "outputs": ["x", "y"]},
        "metrics": {"mae[x]": estimate(2.0), "mae[y]": estimate(40.0)},
    }
    assert [row[0] for row in rows_of(outputs_section(contents(document)))] == ["x", "y"]
    assert classes_section(contents(document)) is None
