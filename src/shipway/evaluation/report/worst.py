"""The rows that the model got most wrong, to look at: often it is the label that is wrong."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.contents import Contents, Sample, Section
from shipway.evaluation.report.formatting import count, data, decimal, percent
from shipway.evaluation.report.markup import Node, h, name
from shipway.evaluation.report.tables import Cell, Column, Row, table

MOST_SAMPLES = 20
LONGEST_TEXT = 1200
"""Characters of a text that are shown."""
SMALL_PIXELS = 96
"""Pictures up to this size are enlarged with hard edges: blurred pixels look like a blurred sample."""


def worst_section(contents: Contents) -> Section | None:
    """Pictures or texts where samples are given, and all worst rows as a table."""
    worst = (contents.evaluation.get("worst") or ())[:MOST_SAMPLES]
    samples = contents.samples[:MOST_SAMPLES]
    if not worst and not samples:
        return None
    cards = h("ul", [h("li", _card(sample)) for sample in samples], class_="samples") if samples else None
    listed: Node = _table(worst, contents) if worst else None
    if samples and listed is not None:
        listed = h("details", h("summary", "Figures as a table"), listed)
    lead = "Rows with the largest loss. Look at the labels too: a confident mistake is often a wrong label."
    return Section("worst", "Worst rows", lead, [cards, listed])


def _card(sample: Sample) -> Element:
    return h(
        "figure",
        _shown(sample),
        h(
            "figcaption",
            h("span", h("span", "label ", class_="what"), name(_spell(sample.label)), class_="label"),
            h("span", h("span", "decided ", class_="what"), name(_spell(sample.decision)), class_="decision"),
            h("small", " · ".join(_figures(sample))),
        ),
        class_=f"sample {sample.kind}",
    )


def _shown(sample: Sample) -> Element:
    if sample.kind == "image" and sample.png is not None:
        words = f"Row {sample.row}: label {_spell(sample.label)}, decided as {_spell(sample.decision)}"
        source = f"data:image/png;base64,{base64.b64encode(sample.png).decode('ascii')}"
        small = "pixels" if max(_size(sample.png)) <= SMALL_PIXELS else None
        return h("img", src=source, alt=words, class_=small)
    text = sample.text or ""
    shown = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return h("blockquote" if sample.kind == "text" else "pre", name(shown), tabindex="0")


def _size(png: bytes) -> tuple[int, int]:
    """Width and height as the IHDR chunk has them (PNG specification, 11.2.2)."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _figures(sample: Sample) -> Iterator[str]:
    yield f"row {count(sample.row)}"
    if sample.confidence is not None:
        yield f"confidence {percent(sample.confidence)}"
    elif sample.loss is not None:
        yield f"loss {decimal(sample.loss)}"


def _table(worst: Sequence[Mapping[str, Json]], contents: Contents) -> Element:
    decides = contents.task != "regression"
    columns = [
        Column("Row"),
        Column("Label", numeric=not decides),
        Column("Decided" if decides else "Predicted", numeric=not decides),
        Column("Loss" if decides else "Error", numeric=True),
    ]
    titles = {"score": "Probability of the label", "confidence": "Confidence"}
    given = [key for key in titles if any(found.get(key) is not None for found in worst)]
    columns += [Column(titles[key], numeric=True) for key in given]
    return table("Worst rows", columns, [_row(found, given) for found in worst], sortable=True)


def _row(found: Mapping[str, Json], probabilities: Sequence[str]) -> Row:
    cells = [Cell(count(found["row"]), found["row"])]
    for key in ("label", "decision"):
        value = found[key]
        cells.append(Cell(name(_spell(value)), value if isinstance(value, float) else None))
    loss = found.get("loss")
    cells.append(Cell(data(loss, "" if loss is None else decimal(loss)), loss))
    for key in probabilities:
        value = found.get(key)
        cells.append(Cell("–" if value is None else data(value, percent(value)), value))
    return Row(cells)


def _spell(value: str | float) -> str:
    return decimal(value) if isinstance(value, float) else str(value)
