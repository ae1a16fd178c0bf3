"""`shipway top`: a server's models, rates, times, queues and memory, drawn anew every few seconds."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

import shipway
from shipway.cli.options import (
    ApiKeyOption,
    CaOption,
    ClientCertOption,
    ClientKeyOption,
    JsonFlag,
    given_credentials,
)
from shipway.cli.reporting import errors_reported, print_document

if TYPE_CHECKING:
    from shipway.actions.top import ModelView, View

SUMMARY = "Watch what a running server does."
_STATES = {"ready": "green", "loading": "yellow", "unloading": "yellow", "unavailable": "red"}
_WIDE_COLUMNS = 120
"""Narrower terminals get the total times alone, not every stage."""
_MOST_CODES = 6


def command(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="The server's address: http://HOST:PORT or https://HOST:PORT."),
    ],
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, metavar="SECONDS", help="Time between two looks.")
    ] = 2,
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    api_key: ApiKeyOption = None,
    ca: CaOption = None,
    client_cert: ClientCertOption = None,
    client_key: ClientKeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Watch a running server: requests, errors, times, batches, queues, memory. Ends with q or Ctrl-C."""
    credentials = given_credentials(api_key, ca, client_cert, client_key)
    with errors_reported(as_json=as_json):
        look = partial(shipway.top, url, interval_seconds=interval, credentials=credentials)
        if as_json:
            print_document(_document(url, next(look())))
        elif once or not sys.stdout.isatty():
            console = Console()
            console.print(_draw(url, next(look()), console.width))
        else:
            _watch(url, interval, look)


def _document(url: str, view: View) -> dict[str, Any]:
    empty: dict[str, Any] = {"verdicts": [], "metrics": {}, "measurements": {}, "bundle": None}
    return {"result": "DONE", **empty, "url": url, "top": view.to_json()}


def _watch(url: str, interval: float, look: Callable[..., Iterator[View]]) -> None:
    console = Console()
    waiting = Text(f"{url}: the first look takes {interval:g} s", style="dim")
    with _single_keys() as wait, Live(waiting, console=console, screen=True, auto_refresh=False) as live:
        live.refresh()
        try:
            for view in look(wait=wait):
                live.update(_draw(url, view, console.width, is_live=True), refresh=True)
        except KeyboardInterrupt:  # how one leaves it: no failure
            return


@contextmanager
def _single_keys() -> Iterator[Callable[[float], bool]]:
    """Keys are read as they are pressed; gives what waits so many seconds, True once q was pressed."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield _sleep
        return
    import termios  # here: not on every system
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def wait(seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0] and os.read(descriptor, 64)[:1] in (
                b"q",
                b"Q",
                b"",
            ):
                return True
        return False

    try:
        tty.setcbreak(descriptor)
        yield wait
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _draw(url: str, view: View, width: int, *, is_live: bool = False) -> Group:
    is_wide = width >= _WIDE_COLUMNS
    stages = ("queue", "infer", "output", "total") if is_wide else ("total",)
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("model", overflow="ellipsis", no_wrap=True, max_width=max(12, width // 5))
    table.add_column("version", overflow="ellipsis", no_wrap=True, max_width=12)
    table.add_column("state", no_wrap=True)
    times = [f"{stage} p50 / p99 ms" for stage in stages] if is_wide else ["p50 / p99 ms"]
    for name in ("req/s", "err/s", *times, "rows/run", "queue"):
        table.add_column(name, justify="right", no_wrap=True, min_width=max(5, len(name)))
    for model in view.models:
        table.add_row(*_row(model, stages))
    parts = [_summary(url, view), Text(), table if view.models else Text("No model is known.", style="dim")]
    codes = sorted(view.refusals.items(), key=lambda item: -item[1])[:_MOST_CODES]
    if codes:
        shown = ", ".join(f"{code} {_figure(rate)}/s" for code, rate in codes)
        parts += [Text(), Text(f"errors  {shown}", style="red")]
    if is_live:
        parts += [Text(), Text("q quits", style="dim")]
    return Group(*parts)


def _summary(url: str, view: View) -> Text:
    requests = sum(model.requests_per_second for model in view.models)
    workers = f"{view.workers} workers" if view.workers != 1 else "1 worker"
    facts = (
        f"up {_duration(view.uptime_seconds)}",
        workers,
        f"{view.connections} connections",
        f"{_figure(requests)} req/s",
        f"CPU {view.cpu_percent:.0f} %",
        f"memory {_size(view.resident_bytes)}",
    )
    return Text.assemble((url, "bold"), "   ", " · ".join(facts))


def _row(model: ModelView, stages: Sequence[str]) -> list[Text]:
    times = [f"{_figure(model.p50_ms[stage])} / {_figure(model.p99_ms[stage])}" for stage in stages]
    waiting = f"{model.queue_rows} ({_size(model.queue_bytes)})" if model.queue_rows else "0"
    return [
        Text(model.model),
        Text(model.version),
        Text(model.state, style=_STATES.get(model.state, "")),
        Text(_figure(model.requests_per_second)),
        Text(_figure(model.errors_per_second), style="red" if model.errors_per_second else ""),
        *(Text(time) for time in times),
        Text(_figure(model.rows_per_run)),
        Text(waiting),
    ]


def _figure(value: float | None) -> str:
    """Three digits that mean something, as far as a column has room."""
    if value is None:
        return "–"
    if value >= 10_000:
        return f"{value / 1000:.1f}k"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value else "0"


def _size(size_bytes: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def _duration(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds % 60)} s" if minutes else f"{int(seconds)} s"
