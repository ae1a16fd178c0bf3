"""Outcomes as people read them: the metrics table, signatures, speed, the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipway.bundle.evidence import Estimate, Result
from shipway.cli.terminal import COLORS

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

_AVERAGES = ("macro", "micro", "weighted")
_SCORES = ("precision", "recall", "f1")


def show_result(outcome: Outcome, console: Console) -> None:
    """The result word, last and alone."""
    color = COLORS.get(Result(outcome.result), "bold") if outcome.result != "DONE" else "green"
    accepted = " (accepted)" if outcome.is_fine and outcome.result not in ("PASS", "DONE") else ""
    console.print(f"[{color}]{outcome.result}[/]{accepted}", highlight=False)


def show_metrics(outcome: Outcome, console: Console) -> None:
    """Accuracy, and precision, recall and F1 per class and on average, each with its 95 % interval."""
    metrics = outcome.metrics
    if not metrics:
        return
    evaluation: Mapping[str, Any] = outcome.details["evaluation"]
    console.print(f"\nQuality on {evaluation['rows']} labelled rows, with 95 % intervals", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("class")
    for score in _SCORES:
        table.add_column("F1" if score == "f1" else score, justify="right", no_wrap=True)
    table.add_column("rows", justify="right")
    for name, support in zip(evaluation["classes"], evaluation["support"], strict=True):
        cells = [_cell(metrics.get(f"{score}[{name}]")) for score in _SCORES]
        table.add_row(escape(str(name)), *cells, str(support))
    table.add_section()
    for average in _AVERAGES:
        table.add_row(average, *[_cell(metrics.get(f"{score}_{average}")) for score in _SCORES], "")
    table.add_section()
    table.add_row(
        "[bold]accuracy[/]", "", "", f"[bold]{_cell(metrics.get('accuracy'))}[/]", str(evaluation["rows"])
    )
    console.print(table)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [dim]{estimate.low:.2f}–{estimate.high:.2f}[/]"


def show_speed(outcome: Outcome, console: Console) -> None:
    """Latency and throughput, when they were measured."""
    found = outcome.measurements
    if "latency_p99_ms" not in found:
        return
    p50, p99 = found["latency_p50_ms"], found["latency_p99_ms"]
    bound = (
        f"95 % interval up to {p99['high']:.2f} ms"
        if p99["high"] is not None
        else f"{found['latency_requests']} requests are too few to bound it"
    )
    console.print(
        f"Speed: p50 {p50['value']:.2f} ms, p99 {p99['value']:.2f} ms ({bound}) at "
        f"{found['arrivals_per_second']:.0f} requests/s; at most {found['throughput_per_second']:.0f} requests/s "
        f"with {found['throughput_clients']} clients.",
        highlight=False,
        soft_wrap=True,
    )


def show_signature(signature: Mapping[str, Sequence[Mapping[str, Any]]], console: Console) -> None:
    """Inputs and outputs, a row each."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for column in ("", "name", "dtype", "shape"):
        table.add_column(column)
    for side, label in (("inputs", "input"), ("outputs", "output")):
        for spec in signature[side]:
            shape = ", ".join(str(dim) for dim in spec["shape"])
            table.add_row(label, escape(spec["name"]), spec["dtype"], escape(f"[{shape}]"))
    console.print(table)


def show_pairs(pairs: Mapping[str, Any], console: Console) -> None:
    """Names and values under each other."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, "", [], {}):
            table.add_row(f"[bold]{escape(name)}[/]", escape(_plain(value)))
    console.print(table)


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
