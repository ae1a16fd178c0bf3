"""Tables: headers with scope, exact values to sort by, and a box of their own to scroll in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from shipway.evaluation.report.markup import Nodes, h


@dataclass(frozen=True)
class Column:
    """A header."""

    title: str
    numeric: bool = False
    words: str | None = None
    """Said on hover."""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and by what it is sorted where that is not its text."""

    shown: Nodes
    value: float | str | None = None
    class_: str | None = None


@dataclass(frozen=True)
class Row:
    """Cells, the first of which is the row's header."""

    cells: Sequence[Cell]
    class_index: int | None = None
    """Of the class that the row speaks of; figures of one class light up together."""


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Row],
    *,
    sortable: bool = False,
    compact: bool = False,
) -> Element:
    """A table in a box that scrolls sideways where the screen is narrow; `compact`: no wider than it must be."""
    head = h("tr", [_header(column) for column in columns])
    body = h("tbody", [_row(row, columns) for row in rows])
    made = h("table", h("caption", caption), h("thead", head), body, class_="sortable" if sortable else None)
    return scroll_box(made, caption, class_="scroll compact" if compact else "scroll")


def scroll_box(content: Element, label: str, class_: str = "scroll") -> Element:
    """A region that can be scrolled by keyboard too."""
    return h("div", content, class_=class_, role="region", tabindex="0", aria_label=label)


def _header(column: Column) -> Element:
    return h("th", column.title, scope="col", class_=_alignment(column), title=column.words)


def _row(row: Row, columns: Sequence[Column]) -> Element:
    cells = []
    for index, (cell, column) in enumerate(zip(row.cells, columns, strict=True)):
        classes = " ".join(filter(None, (_alignment(column), cell.class_))) or None
        attributes = {"class_": classes, "data_value": cell.value}
        if index == 0:
            cells.append(h("th", cell.shown, scope="row", **attributes))
        else:
            cells.append(h("td", cell.shown, **attributes))
    return h("tr", cells, data_class=row.class_index)


def _alignment(column: Column) -> str | None:
    return "number" if column.numeric else None
