"""Every class (or output) with its figures, as bars with their intervals: the worst first."""

from __future__ import annotations

import math

from shipway.evaluation.report.charts import interval_bar
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, data, interval, share_or_decimal
from shipway.evaluation.report.markup import h, name
from shipway.evaluation.report.tables import Cell, Column, Row, table
from shipway.evaluation.report.wording import metric_words

SCORES = ("f1", "recall", "precision", "roc_auc", "pr_auc")
ERRORS = ("mae", "rmse", "r2", "error_q50", "error_q90", "error_q95", "error_q99")
MOST_CLASSES = 100
"""A page of 1,000 classes with their bars would have two megabytes."""


def classes_section(contents: Contents) -> Section | None:
    """A line a class, with what it has of F1, recall, precision and the areas; None for a regression."""
    scores = [
        score for score in SCORES if any(contents.metric_of(score, class_) for class_ in contents.classes)
    ]
    if not scores:
        return None
    support = contents.evaluation.get("support") or [None] * len(contents.classes)
    order = sorted(range(len(contents.classes)), key=lambda index: _worst_first(contents, scores[0], index))
    shown = order[:MOST_CLASSES]
    columns = [Column("Class"), Column("Rows", numeric=True, words="labelled so")]
    columns += [Column(metric_words(score).title, words=metric_words(score).words) for score in scores]
    rows = [
        Row(
            [
                Cell(name(contents.classes[index])),
                Cell("–" if support[index] is None else count(support[index]), support[index]),
                *(figure_cell(contents, score, contents.classes[index]) for score in scores),
            ],
            index,
        )
        for index in shown
    ]
    left = len(order) - len(shown)
    first = metric_words(scores[0]).title
    rest = f"{count(left)} classes with a higher {first} are left out here; the JSON document has them."
    return Section(
        "classes",
        "Classes",
        f"Sorted by {first}, the lowest first. A bar is the value, the whisker on it its 95 % interval.",
        [
            table("Figures of each class", columns, rows, sortable=True),
            h("p", rest, class_="left-out") if left else None,
        ],
    )


def outputs_section(contents: Contents) -> Section | None:
    """A line an output, for regressions of several; None for others."""
    outputs = [str(output) for output in contents.evaluation.get("outputs") or ()]
    errors = [error for error in ERRORS if any(contents.metric_of(error, output) for output in outputs)]
    if not errors:
        return None
    columns = [Column("Output"), *(Column(metric_words(error).title, numeric=True) for error in errors)]
    rows = [
        Row([Cell(name(output)), *(figure_cell(contents, error, output) for error in errors)])
        for output in outputs[:MOST_CLASSES]
    ]
    left = len(outputs) - len(rows)
    rest = (
        h("p", f"{count(left)} more outputs are in the JSON document.", class_="left-out")
        if left > 0
        else None
    )
    lead = "The errors of each output by itself."
    return Section(
        "outputs", "Outputs", lead, [table("Figures of each output", columns, rows, sortable=True), rest]
    )


def figure_cell(contents: Contents, metric: str, subject: str) -> Cell:
    """One figure, with a bar where the metric has a range."""
    estimate = contents.metric_of(metric, subject)
    if estimate is None:
        return Cell("–")
    words, value = metric_words(metric), estimate["value"]
    key = f"{metric}[{subject}]"
    if value is None:
        return Cell(data(None, "", data_metric=key))
    spread = interval(estimate, is_share=words.is_share)
    shown = data(
        value,
        share_or_decimal(value, is_share=words.is_share),
        data_metric=key,
        title=f"{words.title} of {subject}" + (f", 95 % interval {spread}" if spread else ""),
    )
    if words.lowest is None or words.highest is None:
        return Cell([shown, h("small", spread or "")], value)
    bar = interval_bar(
        value, estimate.get("low"), estimate.get("high"), lowest=words.lowest, highest=words.highest
    )
    return Cell(h("span", shown, bar, class_="bar-cell"), value)


def _worst_first(contents: Contents, score: str, index: int) -> float:
    estimate = contents.metric_of(score, contents.classes[index]) or {}
    value = estimate.get("value")
    return math.inf if value is None else value
