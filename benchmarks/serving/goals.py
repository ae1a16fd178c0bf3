"""What the server promises, and whether a run shows it. Ratios are judged within each round, then the median."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from rounds import Rounds

FASTAPI_TIMES = 15.0
TRITON_SHARE = 0.6
RAW_TIMES = {"cnn-32": 1.25, "mobilenet-8": 1.05, "guide-8": 1.2, "guide-32": 1.4}
CPU_US = {("tiny-32", "shipway"): 20.0, ("tiny-32-unbatched", "shipway-unbatched"): 40.0}
START_SECONDS = {"mlp": 0.35, "guide": 1.0}
RSS_MB = 80.0
BESIDE_TIMES = 2.0


@dataclass(frozen=True)
class Goal:
    """One promise with what was found."""

    what: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    def __str__(self) -> str:
        return f"{self.what}: {self.found:.3g}, goal {'≥' if self.at_least else '≤'} {self.limit:g}"


def judge(rounds: Rounds) -> list[Goal]:
    """Of what was measured: nothing is judged that did not run."""
    return [goal for judged in _ALL for goal in judged(rounds)]


def ratio(rounds: Rounds, scenario: str, server: str, other: str) -> float | None:
    """CPU of a server by another's in the same round, the median over rounds; None where one did not run."""
    by_server = rounds.loads.get(scenario, {})
    if not by_server.get(server) or not by_server.get(other):
        return None
    pairs = zip(by_server[server], by_server[other], strict=True)
    return median(ours["cpu_us"] / theirs["cpu_us"] for ours, theirs in pairs)


def _cpu(rounds: Rounds) -> Iterator[Goal]:
    for (scenario, server), limit in CPU_US.items():
        figures = rounds.loads.get(scenario, {}).get(server)
        if figures:
            yield Goal(f"{scenario}: CPU µs per request", median(each["cpu_us"] for each in figures), limit)


def _peers(rounds: Rounds) -> Iterator[Goal]:
    times = ratio(rounds, "tiny-32", "fastapi", "shipway")
    if times is not None:
        yield Goal("tiny-32: FastAPI's CPU by ours", times, FASTAPI_TIMES, at_least=True)
    for scenario in ("tiny-32", "cnn-32"):
        share = ratio(rounds, scenario, "shipway", "triton")
        if share is not None:
            yield Goal(f"{scenario}: our CPU by Triton's", share, TRITON_SHARE)


def _raw(rounds: Rounds) -> Iterator[Goal]:
    for scenario, limit in RAW_TIMES.items():
        times = ratio(rounds, scenario, "shipway", "raw")
        if times is not None:
            yield Goal(f"{scenario}: our CPU by the bare loop's", times, limit)


def _starts(rounds: Rounds) -> Iterator[Goal]:
    for model, limit in START_SECONDS.items():
        seconds = rounds.start_seconds.get(f"shipway {model}")
        if seconds:
            yield Goal(f"start to first correct answer, {model}: s, the median", median(seconds), limit)


def _memory(rounds: Rounds) -> Iterator[Goal]:
    if rounds.rss_mb.get("shipway"):
        yield Goal("memory after load, mlp: MB", max(rounds.rss_mb["shipway"]), RSS_MB)


def _beside(rounds: Rounds) -> Iterator[Goal]:
    pairs = list(zip(rounds.beside["alone"], rounds.beside["beside"], strict=True))
    if pairs:
        times = median(beside["fast"]["p99_ms"] / alone["fast"]["p99_ms"] for alone, beside in pairs)
        yield Goal("a fast model's p99 beside a slow one, by its p99 alone", times, BESIDE_TIMES)


_ALL: tuple[Callable[[Rounds], Iterator[Goal]], ...] = (_cpu, _peers, _raw, _starts, _memory, _beside)
