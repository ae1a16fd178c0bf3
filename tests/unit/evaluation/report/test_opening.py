"""The first screen answers: what came out, why, and the figures that matter for the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.markup import h
from shipway.evaluation.report.opening import answer, digest, opening

MakeContents = Callable[..., Contents]


def verdict(result: str, rule: str = "numeric-parity", reason: str = "it is so") -> dict[str, Any]:
    return {"rule": rule, "subject": "model", "result": result, "reason": reason, "figures": {}}


def words(contents: Any) -> str:
    return "".join(h("p", answer(contents)).itertext())


@pytest.mark.parametrize("result", ["FAIL", "INCONCLUSIVE"])
def test_what_is_not_a_pass_gives_its_rule_and_reason(contents: MakeContents, result: str) -> None:
    document = {"result": result, "verdicts": [verdict("PASS"), verdict(result, "label-fit", "off by one")]}
    assert words(contents(document)) == "label-fit: off by one"


def test_more_of_the_same_are_counted(contents: MakeContents) -> None:
    document = {"result": "FAIL", "verdicts": [verdict("FAIL"), verdict("FAIL"), verdict("FAIL")]}
    assert words(contents(document)) == "numeric-parity: it is so (2 more verdicts below.)"


def test_several_passes_are_counted_with_the_rows(contents: MakeContents) -> None:
    document = {
        "result": "PASS",
        "verdicts": [verdict("PASS"), verdict("PASS")],
        "evaluation": {"rows": 1200},
    }
    assert words(contents(document)) == "All 2 verdicts passed on 1,200 rows."


def test_a_pass_on_the_labels_alone_says_that_it_is_none_on_quality(contents: MakeContents) -> None:
    document = {"result": "PASS", "verdicts": [verdict("PASS", "label-fit")]}
    assert "this rule judges the labels alone" in words(contents(document))
    document = {"result": "PASS", "verdicts": [verdict("PASS")]}
    assert words(contents(document)) == "numeric-parity passed: it is so."


def test_without_a_verdict_nothing_is_claimed(contents: MakeContents) -> None:
    assert words(contents({"result": "DONE", "verdicts": []})).startswith("No rule judged this run")
    badge = next(opening(contents({})).iter("strong"))
    assert badge.text == "NO VERDICT"


def keys_of(contents: Any) -> list[str | None]:
    made = opening(contents)
    tiles = next(one for one in made if one.get("class") == "keys")
    return [one.get("data-metric") for one in tiles.iter("data")]


def test_the_key_figures_fit_the_task(
    contents: MakeContents, digits: tuple[dict[str, Any], Any], diabetes: dict[str, Any]
) -> None:
    assert keys_of(contents(digits[0])) == ["accuracy", "balanced_accuracy", "f1_macro", "roc_auc_macro"]
    assert keys_of(contents(diabetes)) == ["mae", "rmse", "r2", "error_q95"]


def test_undefined_figures_are_no_key_figures(contents: MakeContents) -> None:
    document = {
        "evaluation": {"task": "classification"},
        "metrics": {
            "accuracy": {"value": 1.0, "low": 0.5, "high": 1.0},
            "mcc": {"value": None, "low": None, "high": None},
        },
    }
    assert keys_of(contents(document)) == ["accuracy"]


def test_an_endpoint_a_part_and_findings_are_among_the_facts(contents: MakeContents) -> None:
    document = {
        "url": "http://127.0.0.1:8080",
        "evaluation": {"rows": 7},
        "data": {
            "part": "gate",
            "findings": [{"severity": "error"}, {"severity": "note"}, {"severity": "note"}],
        },
    }
    text = "".join(opening(contents(document)).itertext())
    assert "http://127.0.0.1:8080" in text
    assert "7, part “gate”" in text
    assert "1 error, 2 notes" in text
    assert "24 November 2026, 12:30 UTC" in text


def test_a_digest_is_short_for_people_and_whole_for_programs() -> None:
    made = digest("0123456789abcdef" * 4)
    assert "".join(made.itertext()) == "0123456789ab…"
    assert made.get("title") == "0123456789abcdef" * 4
    assert "".join(digest("short").itertext()) == "short"
