"""All metrics in one table, each with its interval as figures and as a bar."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from shipway.evaluation.report.charts import interval_bar
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, data, share_or_decimal
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.tables import Cell, Column, Row, table
from shipway.evaluation.report.wording import metric_words, split_subject

COLUMNS = (
    Column("Metric"),
    Column("Value", numeric=True),
    Column("Low", numeric=True, words="lower end of the 95 % interval"),
    Column("High", numeric=True, words="upper end of the 95 % interval"),
    Column("Meaning"),
    Column("95 % interval"),
)


def metrics_section(contents: Contents) -> Section | None:
    """Metrics of all rows; those of one class or output stand in their own table."""
    whole = [name for name in contents.metrics if _is_of_all_rows(name)]
    if not whole:
        return None
    single = len(contents.metrics) - len(whole)
    lead = (
        "Values, names and definitions are scikit-learn’s. "
        "Intervals hold the true value in 95 of 100 such samples."
    )
    if single:
        lead += f" The {count(single)} figures of single classes or outputs stand in their own table."
    return Section("metrics", "All metrics", lead, metrics_table("All metrics", contents, whole))


def metrics_table(caption: str, contents: Contents, names: Iterable[str], *, brief: bool = False) -> Element:
    """A table of these metrics; `brief`: the figures alone."""
    rows = [_row(contents, name) for name in names]
    has_bars = any(row.cells[-1].shown is not None for row in rows)
    shown = COLUMNS[:4] if brief else COLUMNS if has_bars else COLUMNS[:5]
    return table(caption, shown, [Row(row.cells[: len(shown)]) for row in rows], sortable=not brief)


def _row(contents: Contents, name: str) -> Row:
    estimate, words = contents.metrics[name], metric_words(name)
    value, low, high = estimate.get("value"), estimate.get("low"), estimate.get("high")

    def cell(figure: float | None, which: str) -> Cell:
        shown = "" if figure is None else share_or_decimal(figure, is_share=words.is_share)
        key = {"value": name, "low": f"{name}:low", "high": f"{name}:high"}[which]
        if figure is None and which != "value":
            return Cell("–")
        return Cell(data(figure, shown, data_metric=key), figure)

    bar = (
        interval_bar(value, low, high, lowest=words.lowest, highest=words.highest)
        if words.lowest is not None and words.highest is not None
        else None
    )
    return Row(
        [
            Cell([words.title, " ", h("code", name)], words.title),
            cell(value, "value"),
            cell(low, "low"),
            cell(high, "high"),
            Cell(words.words, class_="words"),
            Cell(bar),
        ]
    )


def _is_of_all_rows(name: str) -> bool:
    base, subject = split_subject(name)
    return subject is None or base == "top_k_accuracy"
