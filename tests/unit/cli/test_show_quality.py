"""Figures as a person reads them at a terminal: every one of them, in 80 columns, undefined ones said so."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from shipway.actions.outcome import Outcome
from shipway.bundle.evidence import Estimate
from shipway.cli.show_findings import show_findings
from shipway.cli.show_quality import show_metrics


def shown(show, outcome: Outcome) -> str:
    stream = io.StringIO()
    show(outcome, Console(file=stream, width=80))
    return stream.getvalue()


def line_of(text: str, word: str) -> str:
    lines = [" ".join(line.split()) for line in text.splitlines()]
    (line,) = [line for line in lines if line.startswith(word)]
    return line


def classified(*names: str, slices: tuple[dict[str, Any], ...] = (), **more: Estimate) -> Outcome:
    metrics = {"accuracy": Estimate(0.912, 0.85, 0.951), **more}
    for name in names:
        metrics |= {f"{score}[{name}]": Estimate(0.5, 0.25, 0.75) for score in ("precision", "recall", "f1")}
    evaluation = {
        "task": "classification",
        "rows": 120,
        "classes": list(names),
        "support": [60] * len(names),
        "slices": list(slices),
        "notes": ["top-5 accuracy [is] left out"],
    }
    return Outcome(metrics=metrics, details={"evaluation": evaluation})


def test_classes_and_figures_with_their_intervals() -> None:
    more = {
        "f1_macro": Estimate(0.9, 0.8, 0.95),
        "roc_auc_macro": Estimate(None),
        "mcc": Estimate(0.7),
        "top_k_accuracy[5]": Estimate(0.99, 0.95, 1.0),
        "my[own]": Estimate(1234.5, 1200.0, 1300.25),
        "roc_auc[cat]": Estimate(0.8, 0.7, 0.9),
    }
    text = shown(show_metrics, classified("cat", "big [red]dog[/]", **more))
    assert "Quality on 120 labelled rows, with 95 % intervals" in text
    assert line_of(text, "cat") == "cat 0.500 0.25–0.75 0.500 0.25–0.75 0.500 0.25–0.75 60"
    assert line_of(text, "big [red]dog[/]").endswith("60")
    assert line_of(text, "accuracy") == "accuracy 0.912 0.85–0.95"
    assert line_of(text, "macro") == "macro undefined undefined 0.900 0.80–0.95"
    assert line_of(text, "ROC-AUC (macro)") == "ROC-AUC (macro) undefined"
    assert line_of(text, "Matthews") == "Matthews correlation (MCC) 0.700"
    assert line_of(text, "top-5 accuracy 0") == "top-5 accuracy 0.990 0.95–1.00"
    assert line_of(text, "my[own]") == "my[own] 1,234 1,200–1,300"
    assert "roc_auc[cat]" not in text
    assert "top-5 accuracy [is] left out" in text
    assert max(map(len, text.splitlines())) <= 80


def test_of_many_classes_the_first_forty() -> None:
    text = shown(show_metrics, classified(*[f"class {number}" for number in range(1000)]))
    assert "class 39" in text
    assert "class 40" not in text
    assert line_of(text, "… 960 more")


def test_slices_with_their_rest_and_their_chance() -> None:
    one = {
        "name": "site == [Oslo]",
        "rows": 60,
        "metric": "accuracy",
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "rest": 0.9,
        "difference": -0.4,
        "p_value": 0.0001,
        "p_holm": 0.0002,
        "differs": True,
    }
    empty = {**one, "name": "age > 200", "rows": 0, "differs": False}
    empty |= dict.fromkeys(("value", "low", "high", "rest", "p_value", "p_holm"))
    text = shown(show_metrics, classified("cat", slices=(one, empty)))
    assert line_of(text, "site == [Oslo]") == "site == [Oslo] 60 0.500 0.40–0.60 0.900 0.0002 differs"
    assert line_of(text, "age > 200") == "age > 200 0 undefined"


def test_a_regression_has_no_classes() -> None:
    metrics = {"mae": Estimate(12.345678, 11.0, 14.0), "r2": Estimate(-0.2, -0.5, 0.1)}
    outcome = Outcome(metrics=metrics, details={"evaluation": {"task": "regression", "rows": 9}})
    text = shown(show_metrics, outcome)
    assert line_of(text, "mean absolute error") == "mean absolute error (MAE) 12.35 11–14"
    assert line_of(text, "R²") == "R² -0.200 -0.50–0.10"


@pytest.mark.parametrize("outcome", [Outcome(), Outcome(details={"evaluation": {"rows": 1}})])
def test_nothing_judged_is_nothing_shown(outcome: Outcome) -> None:
    assert shown(show_metrics, outcome) == ""


def test_findings_say_what_where_and_what_to_do() -> None:
    finding = {
        "kind": "missing",
        "severity": "error",
        "examples": ["row 3", "row [9]"],
        "words": "age [years]: 2 rows of 90 without a value.",
        "remedy": "Fill them in.",
    }
    bare = {**finding, "severity": "note", "examples": []}
    data = {"findings": [finding, bare], "parts": {"calibration": {"rows": 20}, "gate": {"rows": 70}}}
    text = shown(show_findings, Outcome(details={"data": data}))
    assert text.splitlines()[:4] == [
        "error  age [years]: 2 rows of 90 without a value.",
        "  for example row 3; row [9]",
        "  Fill them in.",
        "note  age [years]: 2 rows of 90 without a value.",
    ]
    assert text.rstrip().endswith("Split by content: calibration 20, gate 70 rows.")
    assert "Nothing odd was found." in shown(show_findings, Outcome(details={"data": {"findings": []}}))
