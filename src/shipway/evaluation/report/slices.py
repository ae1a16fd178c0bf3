"""Parts of the data, each against the rest: where is the model worse than elsewhere?"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.charts import interval_bar
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, data, interval, p_value, percent, share_or_decimal
from shipway.evaluation.report.markup import h, name
from shipway.evaluation.report.tables import Cell, Column, Row, table
from shipway.evaluation.report.wording import metric_words

MOST_SLICES = 100


def slices_section(contents: Contents) -> Section | None:
    """One line a slice, the worst first; None where none was asked for."""
    slices = contents.evaluation.get("slices")
    if not slices:
        return None
    metric = metric_words(str(slices[0]["metric"]))
    # Of a share less is worse, of an error more.
    worse = 1 if metric.is_share else -1
    ordered = sorted(slices, key=lambda found: worse * (found.get("difference") or 0.0))
    shown = ordered[:MOST_SLICES]
    columns = [
        Column("Slice"),
        Column("Rows", numeric=True),
        Column(metric.title),
        Column("95 % interval"),
        Column("The rest", numeric=True),
        Column("Difference", numeric=True),
        Column("p (Holm)", numeric=True, words="corrected for the number of slices that were looked at"),
        Column("Differs"),
    ]
    left = len(ordered) - len(shown)
    rest = (
        h("p", f"{count(left)} more slices are in the JSON document.", class_="left-out")
        if left > 0
        else None
    )
    lead = (
        "Each slice stands against all other rows, the tick on its bar. With many slices some look bad "
        "by chance: a slice is said to differ only where that survives Holm’s correction at 5 %."
    )
    rows = [_row(found) for found in shown]
    return Section(
        "slices", "Slices", lead, [table("Slices against the rest", columns, rows, sortable=True), rest]
    )


def _row(found: Mapping[str, Json]) -> Row:
    words = metric_words(str(found["metric"]))
    value, rest, difference = found.get("value"), found.get("rest"), found.get("difference")

    def spelled(figure: float | None) -> Element:
        shown = "" if figure is None else share_or_decimal(figure, is_share=words.is_share)
        return data(figure, shown)

    bar = interval_bar(value, found.get("low"), found.get("high"), reference=rest) if words.is_share else None
    points = None if difference is None else _points(difference, is_share=words.is_share)
    differs = bool(found.get("differs"))
    return Row(
        [
            Cell(name(found["name"])),
            Cell(count(found["rows"]), found["rows"]),
            Cell(h("span", spelled(value), bar, class_="bar-cell"), value),
            Cell(interval(found, is_share=words.is_share) or "–", found.get("low")),
            Cell(spelled(rest), rest),
            Cell(data(difference, points or ""), difference),
            Cell(p_value(found.get("p_holm")), found.get("p_holm")),
            Cell(h("strong", "differs", class_="differs") if differs else "no", int(differs)),
        ]
    )


def _points(difference: float, *, is_share: bool) -> str:
    text = percent(abs(difference)) if is_share else share_or_decimal(abs(difference), is_share=False)
    return f"{'−' if difference < 0 else '+'}{text}"
