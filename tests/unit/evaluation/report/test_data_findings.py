"""Findings about the data: the worst first, each with its count, its examples and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import report_documents as made
from shipway.evaluation.data.bad_rows import BadRows
from shipway.evaluation.data.base import Problem
from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.data_findings import MOST_FINDINGS, data_section
from shipway.evaluation.report.markup import h

MakeContents = Callable[..., Contents]


def body_of(contents: Contents) -> Any:
    section = data_section(contents)
    assert section is not None
    return h("div", section.body)


def test_errors_come_first_and_notes_last(contents: MakeContents) -> None:
    body = body_of(contents({"data": {"rows": 540, "findings": made.FINDINGS}}))
    assert [card.get("class") for card in body.iter("article")] == [
        "finding error",
        "finding warning",
        "finding note",
    ]


def test_a_card_says_what_where_how_much_and_what_to_do(contents: MakeContents) -> None:
    card = next(body_of(contents({"data": {"findings": made.FINDINGS[:1]}})).iter("article"))
    text = "".join(card.itertext()).replace("\u202f", " ")
    for part in (
        "Error",
        "leakage",
        "3 of 540 (0.6 %)",
        "Where: x",
        "For example: rows 3 and 90, rows 17 and 411",
        made.FINDINGS[0]["words"],
        f"What to do: {made.FINDINGS[0]['remedy']}",
    ):
        assert part in text


def test_sound_data_is_said_to_be_sound_only_where_somebody_looked(contents: MakeContents) -> None:
    looked = "".join(body_of(contents({"data": {"rows": 5, "findings": []}})).itertext())
    assert looked == "Nothing was found wrong with the data."
    assert "".join(body_of(contents({"data": {"rows": 5}})).itertext()) == ""


def test_parts_and_rows_that_were_left_out_are_counted(contents: MakeContents) -> None:
    bad = BadRows()
    bad.note(Problem(4, "age", "missing", "no value"))
    bad.note(Problem(7, "age", "missing", "no value"))
    bad.note(Problem(9, "photo", "unreadable", "cat/9.png is no image"))
    parts = {"gate": {"rows": 1200, "sha256": "a" * 64}, "tuning": {"rows": 30, "sha256": "b" * 64}}
    data = {"parts": parts, "dropped": bad.to_json()}
    body = body_of(contents({"data": data}))
    found = [["".join(cell.itertext()) for cell in row] for table in body.iter("tbody") for row in table]
    assert found == [
        ["gate", "1,200", "aaaaaaaaaaaa…"],
        ["tuning", "30", "bbbbbbbbbbbb…"],
        ["age", "missing", "2"],
        ["photo", "unreadable", "1"],
    ]
    text = "".join(body.itertext())
    assert "Left out: 3 rows" in text
    assert "row 4, age: no value" in text


def test_of_hundreds_the_worst_are_shown(contents: MakeContents) -> None:
    body = body_of(contents({"data": {"findings": made.FINDINGS * 50}}))
    assert len(list(body.iter("article"))) == MOST_FINDINGS
    assert "50 more findings" in "".join(body.itertext())
