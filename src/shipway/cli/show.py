"""Outcomes as people read them: signatures, speed, the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shipway.bundle.evidence import Result
from shipway.cli.terminal import COLORS

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome


def show_result(outcome: Outcome, console: Console) -> None:
    """The result word, last and alone."""
    color = COLORS.get(Result(outcome.result), "bold") if outcome.result != "DONE" else "green"
    accepted = " (accepted)" if outcome.is_fine and outcome.result not in ("PASS", "DONE") else ""
    console.print(f"[{color}]{outcome.result}[/]{accepted}", highlight=False)


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
