"""How far predictions are off: against the labels, as a distribution, and in quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.charts import Plot, figure, ticks
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, data, decimal
from shipway.evaluation.report.markup import Node, h
from shipway.evaluation.report.tables import Cell, Column, Row, table

MARGIN = 0.04
"""Of the range, left free around the points."""


def regression_section(contents: Contents) -> Section | None:
    """Predicted against label, residuals and quantiles of the error; None for a classification."""
    evaluation = contents.evaluation
    if contents.task != "regression":
        return None
    figures = [
        _scatter(evaluation.get("predicted_against_label") or {}),
        _residuals(evaluation.get("residuals") or {}),
    ]
    quantiles = _quantiles(evaluation.get("error_quantiles") or {})
    if not any(made is not None for made in (*figures, quantiles)):
        return None
    lead = "Points on the dashed line are exact. A residual is the prediction less the label."
    return Section("errors", "Errors", lead, [h("div", figures, class_="pair"), quantiles])


def _scatter(points: Mapping[str, Sequence[float]]) -> Node:
    labels, predicted = points.get("label") or (), points.get("predicted") or ()
    if not labels:
        return None
    low, high = _spread([*labels, *predicted])
    plot = Plot(x_low=low, x_high=high, y_low=low, y_high=high)
    dots = [
        plot.dot(x, y, "cloud", f"label {decimal(x)}, predicted {decimal(y)}", radius=3)
        for x, y in zip(labels, predicted, strict=True)
    ]
    at = ticks(low, high)
    chart = plot.svg(
        plot.segment((low, low), (high, high), "ideal"),
        dots,
        label=f"Predicted against label, {len(labels)} rows",
        x_title="label",
        y_title="predicted",
        x_ticks=at,
        y_ticks=at,
    )
    return figure(f"Predicted against label ({count(len(labels))} rows)", chart)


def _residuals(histogram: Mapping[str, Sequence[float]]) -> Node:
    edges, counts = histogram.get("edges") or (), histogram.get("counts") or ()
    if not counts:
        return None
    low, high = (edges[0], edges[-1]) if edges[-1] > edges[0] else _spread(edges)
    plot = Plot(x_low=low, x_high=high, y_high=max(counts) * 1.05 or 1)
    bins = list(zip(edges[:-1], edges[1:], counts, strict=True))
    marks = [
        plot.bar(left, right, rows, "column", f"{decimal(left)} to {decimal(right)}: {count(int(rows))} rows")
        for left, right, rows in bins
    ]
    zero = plot.segment((0, 0), (0, plot.y_high), "ideal") if low <= 0 <= high else None
    chart = plot.svg(
        marks,
        zero,
        label="Histogram of the residuals",
        x_title="predicted − label",
        y_title="rows",
        x_ticks=ticks(low, high),
        y_ticks=[tick for tick in ticks(0, plot.y_high) if tick == int(tick)],
    )
    rows = [
        Row([Cell(f"{decimal(left)} … {decimal(right)}", left), Cell(count(int(number)), number)])
        for left, right, number in bins
    ]
    listed = table("Residuals", [Column("Residual"), Column("Rows", numeric=True)], rows)
    return figure("Residuals", chart, table=listed)


def _quantiles(quantiles: Mapping[str, Json]) -> Element | None:
    if not quantiles:
        return None
    columns = [Column("Share of rows"), Column("Absolute error is at most", numeric=True)]
    rows = [
        Row(
            [
                Cell(f"{float(share) * 100:g} %", float(share)),
                Cell(data(value, "" if value is None else decimal(value)), value),
            ]
        )
        for share, value in sorted(quantiles.items(), key=lambda item: float(item[0]))
    ]
    return table("Quantiles of the absolute error", columns, rows, compact=True)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * MARGIN or abs(low) or 1.0
    return low - margin, high + margin
