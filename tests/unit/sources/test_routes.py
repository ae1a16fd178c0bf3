"""Ways over the edges: fewest hops first, then by rank; what facts change; what is said where none is."""

from __future__ import annotations

import pytest

from shipway.errors import UsageError
from shipway.sources.routes import all_edges, find_ways, reachable
from shipway.sources.workers.edge import Edge


def edge(name: str, start: str, end: str, rank: int = 0, **more) -> Edge:
    return Edge(name, start, end, file="", write=lambda *_: None, result="m", rank=rank, **more)


EDGES = (
    edge("slow", "a", "b", 20),
    edge("quick", "a", "b", 10),
    edge("on", "b", "c"),
    edge("round", "a", "d", 1),
    edge("about", "d", "b", 1),
    edge("back", "b", "a"),
    edge("large only", "a", "b", 0, fits=lambda facts: 0 if facts.get("is_large") else None),
)


def names(start: str, end: str, **facts) -> list[str]:
    return [way.name for way in find_ways(start, end, facts, edges=EDGES)]


def test_direct_ways_come_first_by_rank_then_longer_ones() -> None:
    assert names("a", "b") == ["quick", "slow", "round + about"]


def test_a_way_may_have_several_hops() -> None:
    assert names("a", "c") == ["quick + on", "slow + on", "round + about + on"]


def test_facts_open_and_order_ways() -> None:
    assert names("a", "b", is_large=True)[0] == "large only"


def test_the_same_format_takes_no_edge() -> None:
    (way,) = find_ways("a", "a", {}, edges=EDGES)
    assert (way.edges, way.name) == ((), "a/as-it-is")


def test_no_way_says_which_there_are() -> None:
    with pytest.raises(UsageError, match="no way from c to a") as caught:
        find_ways("c", "a", {}, edges=EDGES)
    assert "nothing" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        find_ways("a", "z", {}, edges=EDGES)
    assert "b, c, d" in caught.value.hint


def test_no_format_is_visited_twice() -> None:
    assert reachable("b", {}, edges=EDGES) == ["a", "c", "d"]
    for way in find_ways("b", "d", {}, edges=EDGES):
        visited = ["b", *(step.end for step in way.edges)]
        assert len(visited) == len(set(visited))


def test_what_is_outdated_is_said_once() -> None:
    old = (edge("one", "a", "b", deprecated="old"), edge("two", "b", "c", deprecated="old"))
    (way,) = find_ways("a", "c", {}, edges=old)
    assert way.deprecated == "old"


def test_every_installed_edge_is_whole() -> None:
    edges = all_edges()
    assert len({(found.start, found.end, found.name) for found in edges}) == len(edges)
    for found in edges:
        assert found.start != found.end
        assert found.file.endswith(".py")
        assert found.result
        assert all(found.requires.values())
