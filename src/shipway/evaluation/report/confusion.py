"""Which classes are taken for which: the matrix as shaded cells, and the pairs that are confused most."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.charts import interval_bar
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, percent
from shipway.evaluation.report.markup import Nodes, h, name
from shipway.evaluation.report.tables import Cell, Column, Row, scroll_box, table

MOST_CLASSES = 20
"""Above it cells are too small to hold a figure."""
MAPPED_CLASSES = 200
"""Above it cells of the map are smaller than a pixel on a phone."""
MOST_PAIRS = 20
MOST_ROWS = 100
LEVELS = 10
LONGEST_LEVEL = 4
"""Letters of a name that stands above a column without being turned."""
FEW_CLASSES = 6
"""Columns that have room for a name as it is."""
ROOMY_CLASSES = 12
"""Classes up to which cells can be large."""
MOST_CELLS = 4000


def confusion_section(contents: Contents) -> Section | None:
    """The matrix up to 20 classes, a map of it up to 200, and the confused pairs; None for a regression."""
    matrix = contents.evaluation.get("confusion_matrix")
    if not matrix:
        return None
    if contents.task == "multilabel":
        lead = "Each class is decided by itself: how often it was rightly and wrongly found and left out."
        return Section("confusion", "Confusion by class", lead, _multilabel(matrix, contents.classes))
    body: list[Nodes] = []
    if len(matrix) <= MOST_CLASSES:
        body.append(_matrix(matrix, contents.classes))
    elif len(matrix) <= MAPPED_CLASSES:
        body.append(_map(matrix, contents.classes))
    body.append(_pairs(contents))
    lead = (
        "Each line is a label, each column a decision; the diagonal is right. "
        "The stronger its color, the larger a cell’s share of the label’s rows."
    )
    return Section("confusion", "Confusion", lead, body)


def _matrix(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Element:
    columns = [
        h("th", h("span", name(class_), class_="turned"), scope="col", data_class=index, title=class_)
        for index, class_ in enumerate(classes)
    ]
    corner = h("th", "label ↓", h("br"), "decision →", scope="col", class_="corner")
    is_long = len(classes) > FEW_CLASSES and any(len(class_) > LONGEST_LEVEL for class_ in classes)
    rows = h("th", "rows", scope="col")
    head = h("tr", corner, columns, rows, class_="long-names" if is_long else None)
    body = [_line(index, line, classes) for index, line in enumerate(matrix)]
    made = h(
        "table",
        h("caption", "Confusion matrix: labels down, decisions across"),
        h("thead", head),
        h("tbody", body),
        class_="matrix dense" if len(matrix) > ROOMY_CLASSES else "matrix",
    )
    return h("figure", scroll_box(made, "Confusion matrix"), _legend())


def _line(label: int, line: Sequence[int], classes: Sequence[str]) -> Element:
    total = sum(line)
    cells = [
        h(
            "td",
            count(rows) if rows else h("span", "0", class_="nothing"),
            class_=level(rows, total, right=label == decision),
            title=f"{classes[label]} decided as {classes[decision]}: {count(rows)} of {count(total)} rows"
            + (f" ({percent(rows / total)})" if total else ""),
            data_decision=decision,
        )
        for decision, rows in enumerate(line)
    ]
    header = h("th", name(classes[label]), scope="row", title=classes[label])
    return h("tr", header, cells, h("td", count(total), class_="total"), data_class=label)


def level(rows: int, total: int, *, right: bool) -> str:
    """The class of a cell's shade. The root of the share, so that one row in a hundred can be seen."""
    if not rows or not total:
        return "cell"
    return f"cell {'right' if right else 'wrong'}-{max(1, math.ceil(LEVELS * math.sqrt(rows / total)))}"


def _legend() -> Element:
    def ramp(side: str) -> list[Element]:
        return [h("i", class_=f"swatch {side}-{step}") for step in (1, 3, 5, 7, 10)]

    return h(
        "p",
        h("span", "right ", ramp("right")),
        h("span", "wrong ", ramp("wrong")),
        h("span", "few to all of the label’s rows"),
        class_="legend",
    )


def _map(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Element:
    """One square a cell, all squares of a shade in one path: a hundred classes cost tens of kilobytes."""
    cells = _strongest_cells(matrix)
    paths: dict[str, list[str]] = {}
    for rows, total, label, decision in cells:
        shade = level(rows, total, right=label == decision).removeprefix("cell ")
        paths.setdefault(shade, []).append(f"M{decision} {label}h1v1h-1z")
    size = len(matrix)
    words = f"Map of the confusion matrix of {size} classes: labels down, decisions across"
    chart = h(
        "svg",
        h("title", words),
        h("rect", width=size, height=size, class_="map-ground"),
        [h("path", d="".join(squares), class_=shade) for shade, squares in sorted(paths.items())],
        viewBox=f"0 0 {size} {size}",
        class_="map",
        role="img",
        aria_label=words,
        data_names=json.dumps(classes, ensure_ascii=False),
        data_cells=" ".join(f"{label},{decision},{rows}" for rows, _, label, decision in cells),
    )
    below = f"Labels down from {classes[0]} to {classes[-1]}, decisions across in the same order."
    if len(cells) == MOST_CELLS:
        below += f" The {count(MOST_CELLS)} strongest cells are shown."
    return h("figure", chart, _legend(), h("p", below, class_="hint"))


def _strongest_cells(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int, int]]:
    """Rows, the label's rows, label and decision of the cells with the largest shares."""
    cells = [
        (rows, total, label, decision)
        for label, line in enumerate(matrix)
        if (total := sum(line))
        for decision, rows in enumerate(line)
        if rows
    ]
    return sorted(cells, key=lambda cell: -cell[0] / cell[1])[:MOST_CELLS]


def _pairs(contents: Contents) -> Nodes:
    pairs: Sequence[Mapping[str, Json]] = contents.evaluation.get("confused_pairs") or ()
    if not pairs:
        return h("p", "No row was taken for another class.") if _all_right(contents) else None
    columns = [
        Column("Label"),
        Column("Decided as"),
        Column("Rows", numeric=True),
        Column("Share of the label’s rows", numeric=True),
        Column(""),
    ]
    largest = max(pair["share"] for pair in pairs)
    rows = [
        Row(
            [
                Cell(name(pair["label"])),
                Cell(name(pair["decision"])),
                Cell(count(pair["rows"]), pair["rows"]),
                Cell(percent(pair["share"]), pair["share"]),
                Cell(interval_bar(pair["share"], None, None, highest=largest), class_="wrong-bar"),
            ],
            contents.class_index.get(str(pair["label"])),
        )
        for pair in pairs[:MOST_PAIRS]
    ]
    return [
        h("h3", "Confused most"),
        table("Pairs of classes that are confused most", columns, rows, sortable=True, compact=True),
    ]


def _all_right(contents: Contents) -> bool:
    matrix = contents.evaluation["confusion_matrix"]
    return not any(
        rows for label, line in enumerate(matrix) for decision, rows in enumerate(line) if label != decision
    )


def _multilabel(matrices: Sequence[Sequence[Sequence[int]]], classes: Sequence[str]) -> Nodes:
    columns = [
        Column("Class"),
        Column("Rightly found", numeric=True, words="true positives"),
        Column("Wrongly found", numeric=True, words="false positives"),
        Column("Missed", numeric=True, words="false negatives"),
        Column("Rightly left out", numeric=True, words="true negatives"),
    ]
    rows = []
    for index, ((negative, false_alarm), (missed, found)) in enumerate(matrices[:MOST_ROWS]):
        cells = [
            Cell(count(found), found, level(found, found + missed, right=True)),
            Cell(count(false_alarm), false_alarm, level(false_alarm, negative + false_alarm, right=False)),
            Cell(count(missed), missed, level(missed, found + missed, right=False)),
            Cell(count(negative), negative, level(negative, negative + false_alarm, right=True)),
        ]
        rows.append(Row([Cell(name(classes[index])), *cells], index))
    left = len(matrices) - len(rows)
    rest = h("p", f"{left} more classes are in the JSON document.", class_="left-out") if left > 0 else None
    return [table("Decisions by class", columns, rows, sortable=True, compact=True), _legend(), rest]
