"""Snapshots of several worker processes as one: counts add up, of times the latest or the earliest counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

Snapshot = dict[str, Any]
SNAPSHOT = "snapshot"
"""The operation's name, by which a fleet is asked for one."""

_LATEST = {"last_inference_ms"}
_EARLIEST = {"start_time_seconds"}


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot for all; at least one is needed."""
    return reduce(_join, snapshots)


def _join(first: Snapshot, second: Snapshot) -> Snapshot:
    joined = dict(first)
    for name, value in second.items():
        joined[name] = _join_values(name, joined[name], value) if name in joined else value
    return joined


def _join_values(name: str, first: Any, second: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(first, dict):
        return _join(first, second)
    if isinstance(first, list):
        return [one + other for one, other in zip(first, second, strict=True)]
    if isinstance(first, str):  # a state: the worst of them is what a request may meet
        return first if first != "ready" else second
    if name in _LATEST:
        return max(first, second)
    if name in _EARLIEST:
        return min(first, second)
    return first + second
