"""What an evaluation found, as tables that fit a terminal: figures with their intervals, and slices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipway.bundle.evidence import Estimate

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

_AVERAGES = ("macro", "micro", "weighted")
_SCORES = ("precision", "recall", "f1")
_MOST_CLASSES = 40
"""More do not fit a screen; all are in `--json`."""
_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "exact_match": "exact match (all labels of a row)",
    "hamming_loss": "Hamming loss",
    "mcc": "Matthews correlation (MCC)",
    "roc_auc": "ROC-AUC",
    "roc_auc_macro": "ROC-AUC (macro)",
    "roc_auc_weighted": "ROC-AUC (weighted)",
    "pr_auc": "PR-AUC",
    "pr_auc_macro": "PR-AUC (macro)",
    "pr_auc_weighted": "PR-AUC (weighted)",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "mae": "mean absolute error (MAE)",
    "rmse": "root mean squared error (RMSE)",
    "r2": "R²",
    "error_q50": "median of the error",
    "error_q90": "90 % of the errors are below",
    "error_q95": "95 % of the errors are below",
    "error_q99": "99 % of the errors are below",
}


def show_metrics(outcome: Outcome, console: Console) -> None:
    """The figures of the task, each with its 95 % interval; slices and notes where there are any."""
    evaluation: Mapping[str, Any] | None = outcome.details.get("evaluation")
    if not outcome.metrics or evaluation is None:
        return
    console.print(f"\nQuality on {evaluation['rows']} labelled rows, with 95 % intervals", highlight=False)
    if "classes" in evaluation:
        console.print(_class_table(outcome.metrics, evaluation))
    console.print(_figures_table(outcome.metrics))
    if evaluation.get("slices"):
        console.print(_slice_table(evaluation["slices"]))
    for note in evaluation.get("notes", ()):
        console.print(f"[dim]{escape(note)}[/]", highlight=False, soft_wrap=True)


def _class_table(metrics: Mapping[str, Estimate], evaluation: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("class")
    for score in _SCORES:
        table.add_column("F1" if score == "f1" else score, justify="right", no_wrap=True)
    table.add_column("rows", justify="right")
    classes = list(zip(evaluation["classes"], evaluation["support"], strict=True))
    for name, support in classes[:_MOST_CLASSES]:
        cells = [_cell(metrics.get(f"{score}[{name}]")) for score in _SCORES]
        table.add_row(escape(str(name)), *cells, str(support))
    if len(classes) > _MOST_CLASSES:
        table.add_row(f"… {len(classes) - _MOST_CLASSES} more in --json", *[""] * 4)
    table.add_section()
    for average in _AVERAGES:
        table.add_row(average, *[_cell(metrics.get(f"{score}_{average}")) for score in _SCORES], "")
    return table


def _figures_table(metrics: Mapping[str, Estimate]) -> Table:
    """All that is neither of one class nor an average of P, R and F1; the first is what the model is known by."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    averages = {f"{score}_{average}" for score in _SCORES for average in _AVERAGES}
    # A user's own metric may be called anything, also with brackets.
    names = [name for name in metrics if name not in averages and not _is_of_one_class(name)]
    for number, name in enumerate(names):
        top = re.fullmatch(r"top_k_accuracy\[(\d+)\]", name)
        words = f"top-{top[1]} accuracy" if top else escape(_WORDS.get(name, name))
        table.add_row(f"[bold]{words}[/]" if number == 0 else words, _cell(metrics[name]))
    return table


def _is_of_one_class(name: str) -> bool:
    return name.endswith("]") and name.startswith(("precision[", "recall[", "f1[", "roc_auc[", "pr_auc["))


def _slice_table(slices: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for column, justify in (
        ("slice", "left"),
        ("rows", "right"),
        ("", "right"),
        ("rest", "right"),
        ("p", "right"),
    ):
        table.add_column(column or str(slices[0]["metric"]), justify=justify)  # type: ignore[arg-type]
    for found in slices:
        mark = " [yellow]differs[/]" if found["differs"] else ""
        estimate = Estimate(found["value"], found["low"], found["high"])
        rest = "" if found["rest"] is None else f"{found['rest']:.3f}"
        chance = "" if found["p_holm"] is None else f"{found['p_holm']:.2g}{mark}"
        table.add_row(escape(found["name"]), str(found["rows"]), _cell(estimate), rest, chance)
    return table


def _cell(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return _figure(estimate.value)
    width = estimate.high - estimate.low
    decimals = 2 if width >= 0.02 else 3 if width >= 0.002 else 4  # so that the ends differ
    low, high = _figure(estimate.low, decimals), _figure(estimate.high, decimals)
    return f"{_figure(estimate.value)} [dim]{low}–{high}[/]"


def _figure(value: float, decimals: int = 3) -> str:
    if abs(value) < 10:
        return f"{value:.{decimals}f}"
    return f"{value:.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
