"""What metrics, rules and kinds of findings are called in plain words. Texts only.

The rules' full definitions are in `docs/reference/verdicts.md`, the metrics' in `docs/reference/metrics.md`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a metric is told."""

    title: str
    words: str
    is_share: bool = False
    """Shown in percent."""
    lowest: float | None = 0.0
    highest: float | None = 1.0
    """The range that a bar spans; None where the metric has no bound."""


_METRICS = {
    "accuracy": Metric("Accuracy", "rows that were decided right", is_share=True),
    "balanced_accuracy": Metric("Balanced accuracy", "recall, averaged over the classes", is_share=True),
    "top_k_accuracy": Metric(
        "Top-{} accuracy", "rows whose label is among the {} likeliest classes", is_share=True
    ),
    "exact_match": Metric("Exact match", "rows whose every class was decided right", is_share=True),
    "hamming_loss": Metric("Hamming loss", "wrong decisions among all rows and classes", is_share=True),
    "precision": Metric("Precision", "right ones among those decided so", is_share=True),
    "recall": Metric("Recall", "found ones among those labelled so", is_share=True),
    "f1": Metric("F1", "harmonic mean of precision and recall"),
    "mcc": Metric("Matthews correlation", "1 is perfect, 0 is chance", lowest=-1.0),
    "roc_auc": Metric("ROC-AUC", "chance that a positive row is ranked above a negative one"),
    "pr_auc": Metric("PR-AUC", "average precision over all thresholds"),
    "log_loss": Metric("Log loss", "surprise at the labels in nats; 0 is best", highest=None),
    "brier": Metric("Brier score", "squared error of the probabilities; 0 is best", highest=None),
    "ece": Metric("Calibration error", "mean gap between confidence and accuracy; 0 is best", is_share=True),
    "mae": Metric("Mean absolute error", "in the unit of the label", highest=None),
    "rmse": Metric(
        "Root mean squared error", "in the unit of the label; large errors weigh more", highest=None
    ),
    "r2": Metric("R²", "share of the variance explained; 0 is as good as the mean", lowest=None),
}
_AVERAGES = {
    "macro": "mean over the classes",
    "micro": "over all decisions at once",
    "weighted": "mean over the classes, by their rows",
}
_QUANTILE = re.compile(r"error_q(\d+)$")
_SUBJECT = re.compile(r"^(\w+)\[(.*)\]$", re.DOTALL)


def split_subject(name: str) -> tuple[str, str | None]:
    """`recall[cat]` → `("recall", "cat")`; a name without brackets has no subject."""
    found = _SUBJECT.match(name)
    return (found[1], found[2]) if found else (name, None)


def metric_words(name: str) -> Metric:
    """How a metric is told; one that is not known (a user's own) goes by its name."""
    base, subject = split_subject(name)
    if quantile := _QUANTILE.match(base):
        return Metric(f"{quantile[1]} % of errors within", "quantile of the absolute error", highest=None)
    if base == "top_k_accuracy":
        known = _METRICS[base]
        return Metric(known.title.format(subject), known.words.format(subject), is_share=True)
    stem, _, average = base.rpartition("_")
    if average in _AVERAGES and stem in _METRICS:
        known = _METRICS[stem]
        return Metric(f"{known.title}, {average}", _AVERAGES[average], is_share=known.is_share)
    return _METRICS.get(base) or Metric(base, "", lowest=None, highest=None)


@dataclass(frozen=True)
class Rule:
    """How a rule of verdicts is told."""

    question: str
    words: str


RULES = {
    "numeric-parity": Rule(
        "Does the converted model answer as its source does?",
        "The same rows go through both. Their largest difference, relative to the size of the answers, "
        "stands against the noise that the source itself was measured to have. NaN, infinity, another "
        "shape, dtype or name on one side only is a FAIL.",
    ),
    "answer-parity": Rule(
        "Does the endpoint answer as the model that was exported?",
        "The golden samples of the bundle go through the live endpoint. Its answers stand against those "
        "of the training framework, within the noise that was measured at export.",
    ),
    "conformance": Rule(
        "Does the server keep to the protocol?",
        "Requests are sent to the running server, right ones and wrong ones, and its answers stand against "
        "the protocol's own sentences.",
    ),
    "golden-samples": Rule(
        "Does the model answer its golden samples here?",
        "Samples were frozen in the bundle with the answers that the training framework gave. Run on this "
        "machine, alone and in a batch, the model must give them again.",
    ),
    "decision-parity": Rule(
        "Do both models decide alike?",
        "Decisions that differ are counted. A near tie, where the margin is no larger than twice the "
        "error, may flip; the rate of real flips is held against a budget with an exact 95 % bound. Too "
        "few rows to tell is INCONCLUSIVE.",
    ),
    "quality-non-inferiority": Rule(
        "Is the candidate no worse than what it replaces?",
        "Both judge the same labelled rows. PASS where the drop is below the margin with 95 % confidence, "
        "FAIL where it is above it, INCONCLUSIVE where the rows are too few to tell.",
    ),
    "label-fit": Rule(
        "Do the labels count the classes as the model does?",
        "Labels off by one, or in another order, make a perfect model look useless. FAIL where another "
        "order of the classes fits clearly and significantly better. A model that is merely bad passes: "
        "this rule judges the labels.",
    ),
    "data-soundness": Rule(
        "Can every row be used, and is it what training saw?",
        "FAIL where rows cannot be used (missing values, NaN, unreadable images, labels that are no class), lie "
        "on another scale than in training, or were in the training data. Warnings and notes do not fail it.",
    ),
    "signature": Rule(
        "Are the inputs and outputs those of the bundle?",
        "Names, dtypes and shapes that the endpoint states stand against those in the bundle.",
    ),
    "contract": Rule(
        "Are the inputs and outputs those of the source?",
        "Names, order, dtypes and free dimensions must be kept: a batch size baked in, a renamed output "
        "or another dtype is a FAIL, whatever the values are.",
    ),
    "source-meaning": Rule(
        "Does the old file still mean what it did when it was trained?",
        "A file of an older library may be read differently by a newer one. INCONCLUSIVE where that "
        "cannot be ruled out with what is installed.",
    ),
}


def rule_words(rule: str) -> Rule | None:
    """A rule in plain words; None for one that is not known (a plug-in's)."""
    if rule in RULES:
        return RULES[rule]
    return RULES["quality-non-inferiority"] if rule.endswith("non-inferiority") else None


MARKS = {"PASS": "✓", "FAIL": "✕", "INCONCLUSIVE": "?", "DONE": "•"}
"""Beside the word, so that nothing is told by color alone."""
SEVERITIES = {"error": ("✕", "Error"), "warning": ("!", "Warning"), "note": ("i", "Note")}
