"""Is the data sound: what was found in it, how much of it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.formatting import count, percent, plural
from shipway.evaluation.report.markup import Node, Nodes, h, name
from shipway.evaluation.report.opening import digest
from shipway.evaluation.report.tables import Cell, Column, Row, table
from shipway.evaluation.report.wording import SEVERITIES

MOST_FINDINGS = 100
MOST_EXAMPLES = 5


def data_section(contents: Contents) -> Section | None:
    """Findings, the worst first, then the parts of the data and what was left out of it."""
    found = contents.data
    if not found:
        return None
    findings: Sequence[Mapping[str, Json]] = found.get("findings") or ()
    order = list(SEVERITIES)
    ranked = sorted(findings, key=lambda finding: order.index(_severity(finding)))
    cards: list[Nodes] = [_card(finding) for finding in ranked[:MOST_FINDINGS]]
    left = len(ranked) - len(cards)
    if left > 0:
        cards.append(h("p", f"{count(left)} more findings are in the JSON document.", class_="left-out"))
    if not findings and "findings" in found:
        cards.append(h("p", "Nothing was found wrong with the data."))
    about = [_parts(found.get("parts") or {}), _dropped(found.get("dropped") or {})]
    lead: list[Nodes] = [f"{count(found['rows'])} rows"] if found.get("rows") else []
    if found.get("sha256"):
        lead += [" with digest " if lead else "Digest ", digest(str(found["sha256"]))]
    return Section("data", "Data", lead or None, [cards, about])


def _severity(finding: Mapping[str, Json]) -> str:
    severity = str(finding.get("severity"))
    return severity if severity in SEVERITIES else "note"


def _card(finding: Mapping[str, Json]) -> Element:
    severity = _severity(finding)
    mark, word = SEVERITIES[severity]
    examples = [str(example) for example in finding.get("examples") or ()][:MOST_EXAMPLES]
    return h(
        "article",
        h(
            "h3",
            h("span", mark, class_="mark", aria_hidden="true"),
            h("span", word, class_="word"),
            h("code", str(finding["kind"])),
            h("span", _amount(finding), class_="amount"),
        ),
        h("p", str(finding["words"]), class_="reason"),
        h("p", "Where: ", name(finding["where"]), class_="subject") if finding.get("where") else None,
        h("p", "For example: ", _listed(examples), class_="subject") if examples else None,
        h("p", "What to do: ", str(finding["remedy"]), class_="remedy") if finding.get("remedy") else None,
        class_=f"finding {severity}",
    )


def _amount(finding: Mapping[str, Json]) -> str:
    number, of = finding.get("count"), finding.get("of")
    if number is None:
        return ""
    return f"{count(number)} of {count(of)} ({percent(number / of)})" if of else count(number)


def _listed(examples: Sequence[str]) -> list[Node]:
    shown: list[Node] = []
    for index, example in enumerate(examples):
        shown += [", " if index else None, name(example)]
    return shown


def _parts(parts: Mapping[str, Json]) -> Node:
    """How many rows each part of the split has, `{part: {rows, sha256}}`."""
    if not parts:
        return None
    rows = [
        Row([Cell(name(part)), Cell(count(told["rows"]), told["rows"]), Cell(digest(str(told["sha256"])))])
        for part, told in parts.items()
    ]
    columns = [Column("Part"), Column("Rows", numeric=True), Column("Digest")]
    return h("div", h("h3", "Parts of the data"), table("Parts of the data", columns, rows, compact=True))


def _dropped(dropped: Mapping[str, Json]) -> Node:
    """Rows that were left out, by column and reason, with the first of them."""
    if not dropped:
        return None
    columns = [Column("Column"), Column("Why"), Column("Rows", numeric=True)]
    rows = [
        Row(
            [Cell(name(found["column"])), Cell(str(found["kind"])), Cell(count(found["rows"]), found["rows"])]
        )
        for found in dropped.get("reasons") or ()
    ]
    examples = [
        f"row {found['row']}, {found['column']}: {found['words']}"
        for found in (dropped.get("examples") or ())[:MOST_EXAMPLES]
    ]
    return h(
        "div",
        h("h3", f"Left out: {plural(dropped['rows'], 'row')}"),
        table("Rows that were left out", columns, rows, compact=True),
        h("p", "For example: ", _listed(examples), class_="subject") if examples else None,
    )
