"""What all sections share: none is made of nothing, each has its id, and odd documents do not break them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.page import SECTIONS
from shipway.evaluation.report.provenance import provenance_section

MakeContents = Callable[..., Contents]
Make = Callable[[Contents], Section | None]


@pytest.mark.parametrize("make", SECTIONS)
def test_a_section_is_left_out_where_the_document_has_nothing_for_it(
    make: Make, contents: MakeContents
) -> None:
    if make is provenance_section:  # where and when it was made is always known
        return
    assert make(contents({})) is None
    assert make(contents({"evaluation": None, "data": None, "metrics": None, "verdicts": None})) is None
    for task in ("classification", "multilabel", "regression"):
        assert make(contents({"evaluation": {"task": task}})) is None


def test_the_sections_of_a_real_document_are_those_of_its_task(
    contents: MakeContents, digits: tuple[dict[str, Any], Any], diabetes: dict[str, Any]
) -> None:
    def ids(document: dict[str, Any]) -> list[str]:
        return [section.id for make in SECTIONS if (section := make(contents(document))) is not None]

    assert ids(digits[0]) == [
        "verdicts",
        "confusion",
        "classes",
        "slices",
        "worst",
        "curves",
        "calibration",
        "data",
        "metrics",
        "run",
    ]
    assert ids(diabetes) == ["errors", "slices", "worst", "data", "metrics", "notes", "run"]
