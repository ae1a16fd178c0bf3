"""Counts of the confusion matrix, shaded by their share, at every number of classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import report_documents as made
from shipway.evaluation.report.confusion import MOST_CELLS, confusion_section, level
from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h

MakeContents = Callable[..., Contents]


def body_of(contents: Contents) -> Any:
    section = confusion_section(contents)
    assert section is not None
    return h("div", section.body)


def document(matrix: Any, **more: Any) -> dict[str, Any]:
    names = [f"c{index}" for index in range(len(matrix))]
    evaluation = {"task": "classification", "classes": names, "confusion_matrix": matrix}
    return {"evaluation": evaluation | more}


def test_the_cells_are_the_counts(contents: MakeContents) -> None:
    body = body_of(contents(document([[5, 1], [0, 3]])))
    cells = [int("".join(cell.itertext())) for cell in body.iter("td") if "cell" in (cell.get("class") or "")]
    assert cells == [5, 1, 0, 3]
    totals = [cell.text for cell in body.iter("td") if cell.get("class") == "total"]
    assert totals == ["6", "3"]


def test_a_class_without_rows_has_no_shares(contents: MakeContents) -> None:
    titles = [cell.get("title") for cell in body_of(contents(document([[0, 0], [1, 3]]))).iter("td")]
    assert "c0 decided as c1: 0 of 0 rows" in titles


@pytest.mark.parametrize(
    ("rows", "total", "right", "expected"),
    [
        (0, 50, True, "cell"),
        (0, 0, False, "cell"),
        (1, 100, False, "cell wrong-1"),
        (25, 100, False, "cell wrong-5"),
        (100, 100, True, "cell right-10"),
        (1, 1_000_000, False, "cell wrong-1"),
    ],
)
def test_the_shade_is_the_root_of_the_share(rows: int, total: int, right: bool, expected: str) -> None:
    assert level(rows, total, right=right) == expected


def test_above_twenty_classes_the_matrix_is_a_map_that_holds_its_counts(contents: MakeContents) -> None:
    matrix = np.diag(np.arange(1, 31))
    matrix[3, 7] = 2
    chart = next(
        svg for svg in body_of(contents(document(matrix.tolist()))).iter("svg") if svg.get("class") == "map"
    )
    cells = {tuple(map(int, cell.split(","))) for cell in (chart.get("data-cells") or "").split(" ")}
    assert cells == {(row, column, matrix[row, column]) for row, column in np.argwhere(matrix)}
    assert json.loads(chart.get("data-names") or "")[29] == "c29"
    squares = sum((path.get("d") or "").count("M") for path in chart.iter("path"))
    assert squares == 31


def test_a_dense_map_shows_the_strongest_cells_and_says_so(contents: MakeContents) -> None:
    matrix = (np.ones((150, 150), int) + 40 * np.eye(150, dtype=int)).tolist()
    body = body_of(contents(document(matrix)))
    chart = next(svg for svg in body.iter("svg") if svg.get("class") == "map")
    cells = [cell.split(",") for cell in (chart.get("data-cells") or "").split(" ")]
    assert len(cells) == MOST_CELLS
    assert sum(row == column for row, column, _ in cells) == 150
    assert f"The {MOST_CELLS:,} strongest cells are shown." in "".join(body.itertext())


def test_pairs_are_told_with_their_rows_and_share(contents: MakeContents) -> None:
    pairs = [{"label": "c0", "decision": "c1", "rows": 3, "share": 0.25}]
    body = body_of(contents(document([[9, 3], [0, 5]], confused_pairs=pairs)))
    table = list(body.iter("table"))[-1]
    line = next(iter(table.iter("tbody")))[0]
    assert ["".join(cell.itertext()) for cell in line][:4] == ["c0", "c1", "3", "25.0\u202f%"]
    assert line.get("data-class") == "0"


def test_where_all_is_right_it_says_so(contents: MakeContents) -> None:
    body = body_of(contents(document([[5, 0], [0, 3]], confused_pairs=[])))
    assert "No row was taken for another class." in "".join(body.itertext())


def test_several_labels_a_row_have_a_line_a_class(contents: MakeContents) -> None:
    found = made.multilabel()
    body = body_of(contents(found))
    lines = list(next(iter(body.iter("tbody"))))
    for line, name, ((tn, fp), (fn, tp)) in zip(
        lines, found["evaluation"]["classes"], found["evaluation"]["confusion_matrix"], strict=True
    ):
        assert ["".join(cell.itertext()) for cell in line] == [name, *map(str, (tp, fp, fn, tn))]
