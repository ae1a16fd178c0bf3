"""What one process tells when the fleet asks for its `snapshot`: the process, its models and their states."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from shipway.server.http.connections import Connections
from shipway.server.models.library import Library
from shipway.server.observation.merging import Snapshot
from shipway.server.observation.observation import Observation
from shipway.server.service import Service


def snapshots(
    ports: Sequence[Connections], service: Service, library: Library, observation: Observation
) -> Callable[[Mapping[str, Any]], Awaitable[Snapshot]]:
    """The operation: a snapshot of this process, mergeable with those of others. Its ports count together."""

    async def take(_arguments: Mapping[str, Any]) -> Snapshot:
        return {
            **ports[0].metrics.snapshot(open_connections=sum(port.open_count for port in ports)),
            "dropped": observation.dropped(),
            "repository": {
                "loads": library.loads,
                "unloads": library.unloads,
                "evictions": library.evictions,
            },
            "models": _models(service),
            "states": _states(library),
        }

    return take


def _models(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (name, version), metrics in service.counted().items():
        found.setdefault(name, {})[version] = metrics.snapshot()
    return found


def _states(library: Library) -> dict[str, dict[str, str]]:
    """Of every version that is known, served or not: ready, loading, unloading, unavailable."""
    found: dict[str, dict[str, str]] = {}
    for row in library.catalog.index():
        found.setdefault(row["name"], {})[row["version"]] = row["state"].lower()
    return found
