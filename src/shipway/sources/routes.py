"""Finds the ways from one format to another: paths over the edges, the most trusted first.

Edges come by the entry points of group `shipway.edges`; each names the `EDGES` of one file. What a way makes is
judged after every hop (`actions/conversion.py`); nothing is decided here but the order in which ways are tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from shipway import registry
from shipway.errors import UsageError
from shipway.sources.workers.edge import Edge

_MOST_HOPS: Final = 3
_MOST_WAYS: Final = 8
"""Tried at most: each costs seconds, and what eight ways cannot do a ninth will not."""


@dataclass(frozen=True)
class Way:
    """Edges, one after the other; none where the source is of the wanted format already."""

    start: str
    edges: tuple[Edge, ...]

    @property
    def name(self) -> str:
        """As verdicts and error lines call it: `"tensorflow/tf2onnx-function"`."""
        return " + ".join(edge.name for edge in self.edges) or f"{self.start}/as-it-is"

    @property
    def deprecated(self) -> str:
        """What is to be said of its outdated edges; empty for a way in good standing."""
        return "; ".join(dict.fromkeys(edge.deprecated for edge in self.edges if edge.deprecated))


@cache
def all_edges() -> tuple[Edge, ...]:
    """Every edge that is installed, in the order of their entry points' names."""
    return tuple(edge for name in registry.names("edges") for edge in registry.load("edges", name))


def find_ways(
    start: str, end: str, facts: Mapping[str, Any], *, edges: tuple[Edge, ...] | None = None
) -> list[Way]:
    """The ladder from `start` to `end`: fewest hops first, then by rank. `facts` are those of the source.

    Raises `UsageError` where there is no way, naming the formats that can be reached.
    """
    known = all_edges() if edges is None else edges
    if start == end:
        return [Way(start, ())]
    ranked = sorted(
        ((len(path), rank, path) for path, rank in _paths(start, end, facts, known, frozenset({start}))),
        key=lambda item: item[:2],
    )
    if not ranked:
        reached = reachable(start, facts, edges=known)
        raise UsageError(
            f"There is no way from {start} to {end}.",
            hint=f"From {start} there are ways to: {', '.join(reached) or 'nothing'}.",
        )
    return [Way(start, path) for _, _, path in ranked[:_MOST_WAYS]]


def reachable(start: str, facts: Mapping[str, Any], *, edges: tuple[Edge, ...] | None = None) -> list[str]:
    """The formats that there are ways to, `start` itself apart, sorted."""
    known = all_edges() if edges is None else edges
    ends = {edge.end for edge in known} - {start}
    return sorted(end for end in ends if any(_paths(start, end, facts, known, frozenset({start}))))


def _paths(
    start: str, end: str, facts: Mapping[str, Any], edges: tuple[Edge, ...], seen: frozenset[str]
) -> Iterator[tuple[tuple[Edge, ...], int]]:
    """(edges, sum of ranks) of every path that visits no format twice."""
    for edge in edges:
        bonus = edge.fits(facts) if edge.start == start else None
        if bonus is None or edge.end in seen:
            continue
        if edge.end == end:
            yield (edge,), edge.rank + bonus
        elif len(seen) < _MOST_HOPS:
            for rest, rank in _paths(edge.end, end, facts, edges, seen | {edge.end}):
                yield (edge, *rest), edge.rank + bonus + rank
