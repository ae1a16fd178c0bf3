"""A run as a document and as tables."""

from __future__ import annotations

import os
import platform
from statistics import median

from goals import Goal, judge, ratio
from loads import HAS_WRK
from rich.console import Console
from rich.table import Table
from rounds import FAST_PER_SECOND, SLOW_CONNECTIONS, Rounds
from scenarios import ALL, SCENARIOS
from servers import CAN_PIN, LOAD_PROCESSOR, SERVER_PROCESSOR, is_there

_OF_SERVERS = ("p50_ms", "p99_ms", "processor_share")


def conditions() -> list[str]:
    """How the figures are taken, in sentences."""
    pinning = (
        f"servers on processor {SERVER_PROCESSOR}, load on {LOAD_PROCESSOR}"
        if CAN_PIN
        else "nothing is pinned"
    )
    load = "wrk -t1, slow models by closed_loop.py" if HAS_WRK else "closed_loop.py (wrk is not installed)"
    missing = [f"{server} is not installed here: left out" for server in ALL if not is_there(server)]
    return [pinning, f"load by {load}", f"load average {os.getloadavg()[0]:.1f}", *missing]


def to_json(rounds: Rounds, said: list[str]) -> dict:
    """All figures of all rounds, their medians, and the goals."""
    return {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version(), "conditions": said},
        "loads": {
            scenario: {name: {**_medians(figures), "rounds": figures} for name, figures in by_server.items()}
            for scenario, by_server in rounds.loads.items()
        },
        "start_seconds": rounds.start_seconds,
        "rss_mb": rounds.rss_mb,
        "fast_beside_slow": rounds.beside,
        "goals": [
            {"what": goal.what, "found": goal.found, "limit": goal.limit, "holds": goal.holds}
            for goal in judge(rounds)
        ],
    }


def _medians(figures: list[dict]) -> dict[str, float]:
    return {name: median(each[name] for each in figures) for name in figures[0]}


def show(rounds: Rounds, console: Console) -> None:
    """Tables of what was measured, then the goals."""
    if rounds.loads:
        console.print(_loads_table(rounds))
    for name, seconds in rounds.start_seconds.items():
        console.print(
            f"{name}: first correct answer after {median(seconds):.3f} s (median of {len(seconds)}, "
            f"{min(seconds):.3f} at best)"
        )
    for name, values in rounds.rss_mb.items():
        console.print(f"{name}: {max(values):.0f} MB after load (mlp)")
    for name, figures in rounds.beside.items():
        p50, p99 = (median(each["fast"][f"p{percent}_ms"] for each in figures) for percent in (50, 99))
        beside = f" MobileNetV2 with {SLOW_CONNECTIONS} clients" if name == "beside" else ""
        console.print(f"tiny MLP at {FAST_PER_SECOND}/s {name}{beside}: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    for goal in judge(rounds):
        _show_goal(goal, console)


def _show_goal(goal: Goal, console: Console) -> None:
    console.print(
        f"{'holds' if goal.holds else 'FAILS'}: {goal}", style="green" if goal.holds else "bold red"
    )


def _loads_table(rounds: Rounds) -> Table:
    table = Table(title="CPU per request of the server's process tree, median over rounds")
    for column in (
        "load",
        "server",
        "CPU µs",
        "at best",
        "÷ ours",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "of a core",
    ):
        table.add_column(column, justify="left" if column in ("load", "server") else "right")
    for scenario in SCENARIOS:
        by_server = rounds.loads.get(scenario.name, {})
        ours = scenario.servers[0]
        for name in ("raw", *scenario.servers):
            if by_server.get(name):
                found = _medians(by_server[name])
                title = f"bare loop, batch {scenario.raw_batch}" if name == "raw" else name
                times = ratio(rounds, scenario.name, name, ours)
                latencies = [f"{found[key]:.2f}" if key in found else "" for key in _OF_SERVERS]
                table.add_row(
                    scenario.title,
                    title,
                    f"{found['cpu_us']:.1f}",
                    f"{min(each['cpu_us'] for each in by_server[name]):.1f}",
                    f"{times:.2f}" if name != ours and times is not None else "",
                    f"{found['per_second']:.0f}",
                    *latencies,
                )
    return table
