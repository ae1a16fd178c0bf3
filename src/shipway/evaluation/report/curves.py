"""Can the probabilities be trusted, and what would other thresholds do: reliability, ROC, precision, recall."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.charts import Plot, figure
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, data, decimal, interval, percent
from shipway.evaluation.report.markup import h, name
from shipway.evaluation.report.metrics import metrics_table
from shipway.evaluation.report.tables import Cell, Column, Row, table

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLORS = 6
"""Lines that get a color and a dash of their own; more could not be told apart."""


def calibration_section(contents: Contents) -> Section | None:
    """The reliability diagram; None without probabilities."""
    bins = (contents.evaluation.get("calibration") or {}).get("bins")
    filled = [found for found in bins or () if found["rows"]]
    if not filled:
        return None
    lead = (
        "Of the rows decided with a confidence of 80 %, eight in ten should be right: points on the dashed line. "
        "Points below it are over-confident. A larger point, and a higher bar below it, stands for more rows."
    )
    made = figure("Reliability", _reliability(filled), _histogram(filled))
    listed = h("div", _scores(contents), _bins_table(filled), class_="stack")
    return Section("calibration", "Calibration", lead, h("div", made, listed, class_="pair"))


def curves_section(contents: Contents) -> Section | None:
    """ROC and precision-recall curves with one legend; None without probabilities."""
    curves = contents.evaluation.get("curves") or {}
    roc, recall = curves.get("roc") or {}, curves.get("precision_recall") or {}
    names = list(dict.fromkeys([*roc, *recall]))
    if not names:
        return None
    ranked = sorted(names, key=lambda class_: _area(contents, "roc_auc", class_, len(names)) or 0.0)
    styles = {class_: f"line-{index}" for index, class_ in enumerate(ranked[:COLORS])}
    lead = "What other thresholds would give. "
    if len(names) > COLORS:
        lead += f"The {COLORS} classes with the lowest areas are in color; the others show on hover."
    left = len(contents.classes) - len(names)
    if left > 0 and len(names) > 1:
        lead += f" {count(left)} more classes are left out."
    figures = [
        _curve_figure("ROC", roc, styles, contents, ("false positive rate", "true positive rate"))
        if roc
        else None,
        _curve_figure("Precision and recall", recall, styles, contents, ("recall", "precision"))
        if recall
        else None,
    ]
    return Section(
        "curves", "Thresholds", lead, [h("div", figures, class_="pair"), _areas(ranked, styles, contents)]
    )


def _reliability(bins: Sequence[Mapping[str, Json]]) -> Element:
    plot = Plot()
    marks: list[Element] = [plot.segment((0, 0), (1, 1), "ideal")]
    for found in bins:
        low, high = found.get("accuracy_low"), found.get("accuracy_high")
        if low is not None and high is not None:
            marks.append(plot.segment((found["confidence"], low), (found["confidence"], high), "error-bar"))
    most = max(found["rows"] for found in bins)
    for found in bins:
        radius = round(3.5 + 4 * math.sqrt(found["rows"] / most), 1)
        marks.append(plot.dot(found["confidence"], found["accuracy"], "point", _bin_words(found), radius))
    return plot.svg(
        marks,
        label="Reliability diagram: accuracy against confidence",
        x_title="confidence",
        y_title="accuracy",
        x_ticks=TICKS,
        y_ticks=TICKS,
    )


def _histogram(bins: Sequence[Mapping[str, Json]]) -> Element:
    most = max(found["rows"] for found in bins)
    plot = Plot(y_high=most, height=96, bottom=26, top=6)
    marks = [
        plot.bar(
            found["low"],
            found["high"],
            found["rows"],
            "column",
            f"{_range(found)}: {count(found['rows'])} rows",
        )
        for found in bins
    ]
    return plot.svg(
        marks,
        label="Rows by confidence",
        x_title="",
        y_title="rows",
        x_ticks=TICKS,
        y_ticks=(0, most),
    )


def _range(found: Mapping[str, Json]) -> str:
    return f"confidence {found['low']:.2f} to {found['high']:.2f}"


def _bin_words(found: Mapping[str, Json]) -> str:
    return (
        f"{_range(found)}: {count(found['rows'])} rows, "
        f"mean confidence {percent(found['confidence'])}, accuracy {percent(found['accuracy'])}"
    )


def _bins_table(bins: Sequence[Mapping[str, Json]]) -> Element:
    columns = [
        Column("Confidence"),
        Column("Rows", numeric=True),
        Column("Mean", numeric=True, words="mean confidence"),
        Column("Accuracy", numeric=True),
        Column("95 % interval", numeric=True),
    ]
    rows = [
        Row(
            [
                Cell(f"{found['low']:.2f} – {found['high']:.2f}", found["low"]),
                Cell(count(found["rows"]), found["rows"]),
                Cell(data(found["confidence"], percent(found["confidence"]))),
                Cell(data(found["accuracy"], percent(found["accuracy"]))),
                Cell(
                    interval(
                        {"low": found.get("accuracy_low"), "high": found.get("accuracy_high")}, is_share=True
                    )
                    or "–"
                ),
            ]
        )
        for found in bins
    ]
    return table("Reliability by confidence", columns, rows)


def _scores(contents: Contents) -> Element | None:
    wanted = [metric for metric in ("ece", "brier", "log_loss") if metric in contents.metrics]
    return metrics_table("Figures of the probabilities", contents, wanted, brief=True) if wanted else None


def _curve_figure(
    title: str,
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    styles: Mapping[str, str],
    contents: Contents,
    axes: tuple[str, str],
) -> Element:
    plot = Plot()
    # Colored lines come last, so that gray ones do not cross them; the lowest area on top.
    order = sorted(curves, key=lambda class_: list(styles)[::-1].index(class_) if class_ in styles else -1)
    lines = [
        h(
            "g",
            plot.polyline(curves[class_]["x"], curves[class_]["y"], "hit", class_),
            plot.polyline(curves[class_]["x"], curves[class_]["y"], f"line {styles.get(class_, 'quiet')}"),
            data_class=_index(contents, class_),
        )
        for class_ in order
    ]
    chance = plot.segment((0, 0), (1, 1), "ideal") if title == "ROC" else None
    chart = plot.svg(
        chance,
        lines,
        label=f"{title}: {axes[1]} against {axes[0]}, {len(curves)} curves",
        x_title=axes[0],
        y_title=axes[1],
        x_ticks=TICKS,
        y_ticks=TICKS,
    )
    return figure(title, chart)


def _areas(ranked: Sequence[str], styles: Mapping[str, str], contents: Contents) -> Element:
    columns = [Column("Class"), Column("ROC-AUC", numeric=True), Column("PR-AUC", numeric=True)]
    rows = [
        Row(
            [
                Cell([_swatch(styles.get(class_, "quiet")), name(class_)], class_),
                *_area_cells(contents, class_, len(ranked)),
            ],
            _index(contents, class_),
        )
        for class_ in ranked
    ]
    return table("Areas under the curves", columns, rows, sortable=True, compact=True)


def _area_cells(contents: Contents, class_: str, curves: int) -> Iterator[Cell]:
    for metric in ("roc_auc", "pr_auc"):
        value = _area(contents, metric, class_, curves)
        yield Cell("–" if value is None else data(value, decimal(value)), value)


def _swatch(style: str) -> Element:
    line = h("line", x1=1, y1=6, x2=27, y2=6, class_=f"line {style}")
    return h("svg", line, viewBox="0 0 28 12", class_="swatch-line", aria_hidden="true")


def _area(contents: Contents, metric: str, class_: str, curves: int) -> float | None:
    """Of one class; with one curve alone (two classes), the plain name is the positive class'."""
    estimate = contents.metric_of(metric, class_)
    if estimate is None and curves == 1:
        estimate = contents.metrics.get(metric)
    return estimate["value"] if estimate else None


def _index(contents: Contents, class_: str) -> int | None:
    return contents.class_index.get(class_)
