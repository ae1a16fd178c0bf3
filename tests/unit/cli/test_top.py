"""`shipway top` on terminals of every width: each cell whole, and what stands there while the server is away."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from shipway.actions.top import STAGES, ModelView, View
from shipway.cli.top import _draw, _gone
from shipway.errors import EndpointUnreachableError

BUSY = ModelView(
    model="fraud-detection-eu",
    version="20261124",
    state="unavailable",
    requests_per_second=12345.6,
    errors_per_second=10.25,
    errors={"timeout": 10.25},
    p50_ms=dict.fromkeys(STAGES, 10_234.0),
    p99_ms=dict.fromkeys(STAGES, 12_345.0),
    rows_per_run=15.87,
    queue_rows=1234,
    queue_bytes=999_000,
)
VIEW = View(
    seconds=2.0,
    workers=2,
    uptime_seconds=3700,
    connections=32,
    resident_bytes=120_000_000,
    cpu_percent=150.0,
    refusals_per_second=1.0,
    refusals={"request.timeout": 1.0},
    models=[BUSY, replace(BUSY, model="b", queue_rows=0, p50_ms=dict.fromkeys(STAGES))],
)


def drawn(width: int, **more) -> str:
    console = Console(width=width, file=StringIO())
    console.print(_draw("http://h:1", VIEW, width, **more))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 99, 100, 120, 149, 150, 160, 240])
def test_no_cell_is_cut_on_a_busy_server(width):
    lines = drawn(width).splitlines()
    assert all(len(line.rstrip()) <= width for line in lines)
    row = next(line for line in lines if "20261124" in line)
    stages = 4 if width >= 150 else 1
    assert row.count("10.2k / 12.3k") == stages
    for cell in ("unavailable", "12.3k", "10.2", "15.9", "1234 (999 KB)" if width >= 100 else "1234"):
        assert cell in row
    assert "…" not in row.partition("20261124")[2]


def test_what_a_column_holds_stands_above_it():
    first, second = (line.split() for line in drawn(160).splitlines()[2:4])
    assert first == ["queue", "ms", "infer", "ms", "output", "ms", "total", "ms", "rows", "waiting"]
    times = ["p50", "/", "p99"] * 4
    assert second == ["model", "version", "state", "req/s", "err/s", *times, "/run", "rows", "(size)"]


def test_a_server_that_is_away_is_said_to_be():
    error = EndpointUnreachableError("Nothing answers at http://h:1: refused.")
    text = drawn(160, is_live=True, gone=_gone(0.0, error))
    assert "not reachable since" in text
    assert "Nothing answers" in text
    assert "up 1 h" not in text  # that was true before
    assert "unavailable" in text
