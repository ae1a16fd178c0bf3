"""Verdicts, each with its rule in plain words, its reason and its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import data, plain
from shipway.evaluation.report.markup import Node, Nodes, h, name
from shipway.evaluation.report.tables import Cell, Column, Row, table
from shipway.evaluation.report.wording import MARKS, rule_words

MOST_VERDICTS = 50
LONGEST_VALUE = 600
"""Characters of a nested figure that are shown; the JSON document has the rest."""


def verdicts_section(contents: Contents) -> Section | None:
    """One card a verdict; None where nothing was judged."""
    if not contents.verdicts:
        return None
    cards = [_card(verdict) for verdict in contents.verdicts[:MOST_VERDICTS]]
    left = len(contents.verdicts) - len(cards)
    rest = h("p", f"{left} more verdicts are in the JSON document.", class_="left-out") if left > 0 else None
    return Section(
        "verdicts", "Verdicts", "What was judged, by which rule, and what came of it.", [cards, rest]
    )


def _card(verdict: Mapping[str, Json]) -> Element:
    result, rule = str(verdict["result"]), str(verdict["rule"])
    words = rule_words(rule)
    return h(
        "article",
        h(
            "h3",
            h("span", MARKS.get(result, "•"), class_="mark", aria_hidden="true"),
            h("span", result, class_="word"),
            h("code", rule),
        ),
        h("p", words.question, class_="question") if words else None,
        h("p", str(verdict["reason"]), class_="reason"),
        h("p", "Judged: ", name(verdict["subject"]), class_="subject"),
        h("details", h("summary", "The rule in plain words"), h("p", words.words)) if words else None,
        _figures(verdict.get("figures") or {}, rule),
        class_=f"verdict {result.lower()}",
    )


def _figures(figures: Mapping[str, Json], rule: str) -> Node:
    if not figures:
        return None
    rows = [Row([Cell(h("code", key)), Cell(_value(value))]) for key, value in figures.items()]
    made = table(f"Figures of {rule}", [Column("Figure"), Column("Value")], rows)
    return h("details", h("summary", "The figures behind it"), made)


def _value(value: Json) -> Nodes:
    if isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
        return h("code", text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…", class_="long")
    if isinstance(value, float):
        return data(value, plain(value))
    return plain(value)
