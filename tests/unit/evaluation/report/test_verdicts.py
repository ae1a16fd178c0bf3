"""Verdicts are told in plain words, with all their figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.verdicts import MOST_VERDICTS, verdicts_section
from shipway.evaluation.report.wording import RULES

MakeContents = Callable[..., Contents]


def verdict(**changes: Any) -> dict[str, Any]:
    return {
        "rule": "numeric-parity",
        "subject": "digits.onnx",
        "result": "FAIL",
        "reason": "largest error 0.2, budget 1e-05",
        "figures": {"max": 0.2, "rows": 256, "outputs": {"p": {"max": 0.2}}, "blame": None},
    } | changes


def text_of(contents: Contents) -> str:
    section = verdicts_section(contents)
    assert section is not None
    return " ".join(h("div", section.body).itertext())


def test_a_card_has_the_result_the_reason_and_the_rule_in_plain_words(contents: MakeContents) -> None:
    text = text_of(contents({"verdicts": [verdict()]}))
    for part in ("FAIL", "digits.onnx", "largest error 0.2, budget 1e-05", RULES["numeric-parity"].question):
        assert part in text
    assert RULES["numeric-parity"].words in text


def test_figures_of_any_depth_are_shown_and_nothing_is_none(contents: MakeContents) -> None:
    text = text_of(contents({"verdicts": [verdict()]}))
    assert '{"p": {"max": 0.2}}' in text
    assert "256" in text
    assert "blame none" in text


def test_a_rule_of_a_plug_in_is_shown_by_its_name(contents: MakeContents) -> None:
    text = text_of(contents({"verdicts": [verdict(rule="my-rule", figures={})]}))
    assert "my-rule" in text
    assert "plain words" not in text


def test_a_large_figure_is_cut(contents: MakeContents) -> None:
    text = text_of(contents({"verdicts": [verdict(figures={"rows": list(range(10_000))})]}))
    assert len(text) < 2000
    assert "…" in text


def test_of_hundreds_the_first_are_shown_and_the_rest_counted(contents: MakeContents) -> None:
    text = text_of(contents({"verdicts": [verdict()] * (MOST_VERDICTS + 7)}))
    assert "7 more verdicts" in text
