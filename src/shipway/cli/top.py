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
from rich.console import Console, Group, RenderableType
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
from shipway.errors import EndpointUnreachableError

if TYPE_CHECKING:
    from shipway.actions.top import ModelView, View

SUMMARY = "Watch what a running server does."
_STATES = {"ready": "green", "loading": "yellow", "unloading": "yellow", "unavailable": "red"}
_WIDE_COLUMNS = 150
"""Narrower terminals get the total times alone, not every stage."""
_NARROW_COLUMNS = 100
"""Narrower ones than that get the queue without its size, and shorter names."""
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
    """Draws until q or Ctrl-C. A server that goes away is waited for, once it has been seen.

    Raises what the first look raises, and `EndpointAnswerError` at any time.
    """
    console = Console()
    waiting = Text(f"{url}: the first look takes {interval:g} s", style="dim")
    with _single_keys() as wait, Live(waiting, console=console, screen=True, auto_refresh=False) as live:
        live.refresh()
        view, gone_at, has_quit = None, None, False
        while not has_quit:
            try:
                for view in look(wait=wait):
                    gone_at = None
                    live.update(_draw(url, view, console.width, is_live=True), refresh=True)
                return
            except KeyboardInterrupt:  # how one leaves it: no failure
                return
            except EndpointUnreachableError as error:
                if view is None:
                    raise
                gone_at = gone_at or time.time()
                shown = _draw(url, view, console.width, is_live=True, gone=_gone(gone_at, error))
                live.update(shown, refresh=True)
                has_quit = _wait_quietly(wait, interval)


def _wait_quietly(wait: Callable[[float], bool], seconds: float) -> bool:
    try:
        return wait(seconds)
    except KeyboardInterrupt:
        return True


def _gone(gone_at: float, error: EndpointUnreachableError) -> Text:
    since = time.strftime("%H:%M:%S", time.localtime(gone_at))
    told = f"not reachable since {since} ({_duration(time.time() - gone_at)}); what it did before is below"
    return Text.assemble((told, "bold red"), "\n", (error.message, "red"))


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


def _draw(url: str, view: View, width: int, *, is_live: bool = False, gone: Text | None = None) -> Group:
    parts: list[RenderableType] = [
        _summary(url, view) if gone is None else Text.assemble((url, "bold"), "   ", gone),
        Text(),
    ]
    parts.append(_table(view.models, width) if view.models else Text("No model is known.", style="dim"))
    codes = sorted(view.refusals.items(), key=lambda item: -item[1])[:_MOST_CODES]
    if codes:
        shown = ", ".join(f"{code} {_figure(rate)}/s" for code, rate in codes)
        parts += [Text(), Text(f"errors  {shown}", style="red")]
    if is_live:
        parts += [Text(), Text("q quits", style="dim")]
    return Group(*parts)


def _table(models: Sequence[ModelView], width: int) -> Table:
    """Headers of two lines: cells decide how wide a column is, so that all have room."""
    stages = ("queue", "infer", "output", "total") if width >= _WIDE_COLUMNS else ("total",)
    is_narrow = width < _NARROW_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("model", overflow="ellipsis", no_wrap=True, max_width=max(12, width // 6))
    table.add_column("version", overflow="ellipsis", no_wrap=True, max_width=8 if is_narrow else 12)
    table.add_column("state", no_wrap=True)
    times = [f"{stage} ms\np50 / p99" for stage in stages]
    for name in (
        "req/s",
        "err/s",
        *times,
        "rows\n/run",
        "waiting\nrows" if is_narrow else "waiting\nrows (size)",
    ):
        table.add_column(name, justify="right", no_wrap=True, min_width=5)
    for model in models:
        table.add_row(*_row(model, stages, has_sizes=not is_narrow))
    return table


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


def _row(model: ModelView, stages: Sequence[str], *, has_sizes: bool) -> list[Text]:
    times = [f"{_figure(model.p50_ms[stage])} / {_figure(model.p99_ms[stage])}" for stage in stages]
    size = f" ({_size(model.queue_bytes)})" if has_sizes and model.queue_rows else ""
    return [
        Text(model.model),
        Text(model.version),
        Text(model.state, style=_STATES.get(model.state, "")),
        Text(_figure(model.requests_per_second)),
        Text(_figure(model.errors_per_second), style="red" if model.errors_per_second else ""),
        *(Text(time) for time in times),
        Text(_figure(model.rows_per_run)),
        Text(f"{_count(model.queue_rows)}{size}"),
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


def _count(number: int) -> str:
    return str(number) if number < 10_000 else _figure(number)


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
