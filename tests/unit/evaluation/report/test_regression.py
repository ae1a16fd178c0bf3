"""Errors of a regression: points, residuals and quantiles are those of the document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.regression import regression_section

MakeContents = Callable[..., Contents]


def body_of(contents: Contents) -> Any:
    section = regression_section(contents)
    assert section is not None
    return h("div", section.body)


def test_every_point_every_bin_and_every_quantile_is_shown(
    contents: MakeContents, diabetes: dict[str, Any]
) -> None:
    evaluation = diabetes["evaluation"]
    body = body_of(contents(diabetes))
    assert len(list(body.iter("circle"))) == len(evaluation["predicted_against_label"]["label"])
    residuals, quantiles = body.iter("tbody")
    assert [int(row[1].get("data-value") or -1) for row in residuals] == evaluation["residuals"]["counts"]
    shown = [float(row[1].get("data-value") or "nan") for row in quantiles]
    assert shown == list(evaluation["error_quantiles"].values())


@pytest.mark.parametrize("value", [0.0, 7.0, -1e-12, 1e12])
def test_one_and_the_same_value_everywhere_still_has_a_chart(contents: MakeContents, value: float) -> None:
    evaluation = {
        "task": "regression",
        "predicted_against_label": {"label": [value] * 3, "predicted": [value] * 3},
        "residuals": {"edges": [0.0, 0.0], "counts": [3]},
        "error_quantiles": {"0.5": 0.0, "0.99": None},
    }
    body = body_of(contents({"evaluation": evaluation}))
    places = [float(circle.get("cx") or "nan") for circle in body.iter("circle")]
    assert len(places) == 3
    assert all(0 < place < 400 for place in places)
    assert "undefined" in "".join(body.itertext())
