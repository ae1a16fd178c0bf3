"""A comparison as tables that fit a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipway.cli.show import show_result

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

_COLORS = {True: "green", False: "red", None: ""}
_MOST_CLASSES = 10


def show_diff(outcome: Outcome, console: Console) -> None:
    """What the two are, figures side by side, decisions that differ, numbers, latency, the result."""
    from shipway.evaluation.comparison import wording  # inside: `shipway --help` loads no rooms but cli

    found: Mapping[str, Any] = outcome.details["diff"]
    facts = _table("", "A", "B")
    for fact, before, after in wording.facts_of(found):
        facts.add_row(fact, escape(before), escape(after))
    console.print(facts)
    if found["metrics"]:
        console.print(_metrics(found))
    _show_classes(found, console)
    if found.get("slices"):
        console.print(_slices(found["slices"]))
    if found["decisions"] is not None:
        console.print(wording.flips_in_words(found["decisions"]), highlight=False)
        if found["decisions"]["examples"]:
            console.print(_flips(found["decisions"]))
    for output in found["outputs"]:
        console.print(escape(wording.output_in_words(output)), highlight=False)
    if found["embeddings"] is not None:
        for name, estimate in found["embeddings"]["metrics"].items():
            console.print(f"{escape(name)}: {wording.figure(estimate['value'])}", highlight=False)
    if found["latency"] is not None:
        console.print(wording.latency_in_words(found["latency"]), highlight=False)
    for note in found["notes"]:
        console.print(f"[dim]{escape(note)}[/]", highlight=False)
    show_result(outcome, console)


def _metrics(found: Mapping[str, Any]) -> Table:
    from shipway.evaluation.comparison import wording  # inside: as above

    table = _table("metric", "A", "B", "B - A (paired 95 % interval)")
    for row in wording.shown_metrics(found):
        color = _COLORS[wording.is_better(row)]
        change = escape(wording.change_in_words(row))
        table.add_row(
            row["metric"],
            wording.figure(row["a"]),
            wording.figure(row["b"]),
            f"[{color}]{change}[/]" if color else change,
        )
    return table


def _show_classes(found: Mapping[str, Any], console: Console) -> None:
    from shipway.evaluation.comparison import wording  # inside: as above

    changed = [one for one in found["classes"] if one["differs"]]
    if not changed:
        return
    table = _table("class", "recall A", "recall B", "rows")
    for one in changed[:_MOST_CLASSES]:
        table.add_row(
            escape(one["class"]), wording.figure(one["a"]), wording.figure(one["b"]), str(one["rows"])
        )
    console.print(table)


def _slices(slices: Sequence[Mapping[str, Any]]) -> Table:
    from shipway.evaluation.comparison import wording  # inside: as above

    table = _table("slice", "rows", "A", "B", f"{slices[0]['metric']}: B - A", "p")
    for one in slices:
        table.add_row(*(escape(cell) for cell in wording.slice_cells(one)))
    return table


def _flips(decisions: Mapping[str, Any]) -> Table:
    from shipway.evaluation.comparison import wording  # inside: as above

    table = _table("row", "label", "A", "B")
    for example in decisions["examples"]:
        table.add_row(*(escape(cell) for cell in wording.example_cells(example)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
