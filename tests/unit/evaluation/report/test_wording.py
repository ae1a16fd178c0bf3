"""Every metric that an evaluation can hold has words, and every rule of the reference page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import report_documents as made
from shipway.evaluation.report.wording import RULES, metric_words, rule_words, split_subject

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "verdicts.md"


def test_all_metrics_of_real_evaluations_have_words(
    digits: tuple[dict[str, Any], Any], diabetes: dict[str, Any]
) -> None:
    for document in (digits[0], diabetes, made.breast_cancer(), made.multilabel()):
        for name in document["metrics"]:
            base, _ = split_subject(name)
            assert metric_words(name).title != base, name
            assert metric_words(name).words, name


def test_every_rule_of_the_reference_has_plain_words() -> None:
    rules = re.findall(r"^## `([a-z-]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rules) >= 5
    assert set(rules) <= RULES.keys()


def test_a_metric_that_nobody_knows_goes_by_its_name() -> None:
    words = metric_words("my_metric")
    assert (words.title, words.words, words.highest) == ("my_metric", "", None)
    assert metric_words("my_metric_macro").title == "my_metric_macro"


def test_names_with_brackets_of_their_own_are_split_at_the_first() -> None:
    assert split_subject("recall[a[0]]") == ("recall", "a[0]")
    assert split_subject("recall[line\nbreak]") == ("recall", "line\nbreak")
    assert split_subject("accuracy") == ("accuracy", None)


def test_averages_and_quantiles_are_told() -> None:
    assert metric_words("f1_macro").title == "F1, macro"
    assert metric_words("recall_weighted").is_share
    assert metric_words("top_k_accuracy[5]").title == "Top-5 accuracy"
    assert metric_words("error_q95").title == "95 % of errors within"


def test_rules_of_plug_ins_have_no_words() -> None:
    assert rule_words("my-rule") is None
    assert rule_words("mae-non-inferiority") == RULES["quality-non-inferiority"]
