"""Worst rows as pictures and texts; the bytes that were given are those that are shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from report_documents import gray_png
from shipway.evaluation.report.contents import Contents, Sample
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.worst import LONGEST_TEXT, worst_section

MakeContents = Callable[..., Contents]


def body_of(contents: Contents) -> Any:
    section = worst_section(contents)
    assert section is not None
    return h("div", section.body)


@pytest.mark.parametrize(("size", "class_"), [(8, "pixels"), (96, "pixels"), (97, None)])
def test_a_picture_is_shown_as_it_is_and_small_ones_with_hard_edges(
    contents: MakeContents, size: int, class_: str | None
) -> None:
    png = gray_png(np.linspace(0, 1, size * size).reshape(size, size))
    sample = Sample(row=7, kind="image", label="cat", decision="dog", png=png, confidence=0.9)
    body = body_of(contents({}, (sample,)))
    (image,) = body.iter("img")
    kind, _, encoded = (image.get("src") or "").partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(encoded) == png
    assert image.get("alt") == "Row 7: label cat, decided as dog"
    assert image.get("class") == class_
    assert "confidence 90.0\u202f%" in "".join(body.itertext())


def test_a_long_text_is_cut(contents: MakeContents) -> None:
    sample = Sample(row=7, kind="text", label="spam", decision="ham", text="x" * 5000, loss=2.5)
    body = body_of(contents({}, (sample,)))
    (quote,) = body.iter("blockquote")
    assert len("".join(quote.itertext())) == LONGEST_TEXT + 1
    assert "loss 2.500" in "".join(body.itertext())


def test_rows_of_numbers_keep_their_lines(contents: MakeContents) -> None:
    sample = Sample(row=7, kind="values", label=3.25, decision=1.5, text="age: 41\nincome: 12")
    (shown,) = body_of(contents({}, (sample,))).iter("pre")
    assert "".join(shown.itertext()) == "age: 41\nincome: 12"


def test_a_picture_that_could_not_be_made_is_a_text(contents: MakeContents) -> None:
    body = body_of(contents({}, (Sample(row=7, kind="image", label="a", decision="b", png=None),)))
    assert list(body.iter("img")) == []


def test_the_table_has_every_worst_row(contents: MakeContents, digits: tuple[dict[str, Any], Any]) -> None:
    body = body_of(contents(digits[0]))
    rows = [row[0].get("data-value") for row in next(iter(body.iter("tbody")))]
    assert rows == [str(found["row"]) for found in digits[0]["evaluation"]["worst"]]


def test_a_regressions_errors_have_no_confidence(contents: MakeContents, diabetes: dict[str, Any]) -> None:
    heads = [
        "".join(head.itertext())
        for head in body_of(contents(diabetes)).iter("th")
        if head.get("scope") == "col"
    ]
    assert heads == ["Row", "Label", "Predicted", "Error"]
