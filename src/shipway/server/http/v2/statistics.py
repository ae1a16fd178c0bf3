"""The statistics extension: `GET /v2/models[/{model}[/versions/{version}]]/stats`, in Triton's form.

Source: triton-inference-server/server, docs/protocol/extension_statistics.md. Counts since the server
began, times in nanoseconds; over all worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipway.server.fleet import Fleet
from shipway.server.http.exchange import Exchange
from shipway.server.http.metrics_path import ask_all
from shipway.server.http.routes import Endpoint
from shipway.server.http.v2.translator import model_of
from shipway.server.observation.merging import Snapshot
from shipway.server.service import Service

_NANOSECONDS = 10**9
Document = dict[str, Any]


class Statistics:
    """Answers the paths that end in `stats`."""

    def __init__(self, service: Service, fleet: Fleet) -> None:
        self._service = service
        self._fleet = fleet

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`. Raises `ModelNotFoundError`."""
        match path:
            case ["v2", "models", "stats"] if "stats" not in self._service.names():
                return self._endpoint(None, None)
            case ["v2", "models", *_, "stats"]:
                name, version = model_of(path, suffix=1)
                if not self._service.is_asleep(name, version):
                    self._service.find(name, version)  # raises where there is none
                return self._endpoint(name, version)
        return None

    def _endpoint(self, name: str | None, version: str | None) -> Endpoint:
        def answer(exchange: Exchange, snapshot: Snapshot) -> None:
            document = statistics_document(snapshot, name, version)
            exchange.answer(200, msgspec.json.encode(document))

        return Endpoint(lambda exchange: ask_all(self._fleet, exchange, answer))


def statistics_document(snapshot: Snapshot, name: str | None, version: str | None) -> Document:
    """Of all versions, of those of one model, or of one version."""
    return {
        "model_stats": [
            _version_document(model, number, told)
            for model, number, told in _served_versions(snapshot)
            if name in (None, model) and version in (None, number)
        ]
    }


def _served_versions(snapshot: Snapshot) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Counts outlive a version that was unloaded; the extension tells of those that are there."""
    for model, versions in snapshot["models"].items():
        for number, told in versions.items():
            if snapshot["states"].get(model, {}).get(number) != "unavailable":
                yield model, number, told


def _version_document(name: str, version: str, told: Mapping[str, Any]) -> Document:
    stages, hits = told["stages"], told["cache_hits"]
    return {
        "name": name,
        "version": version,
        "last_inference": told["last_inference_ms"],
        "inference_count": told["rows"],
        "execution_count": told["executions"],
        "inference_stats": {
            "success": _duration(told["success"], stages["total"]["sum"]),
            "fail": _duration(sum(told["failures"].values()), 0.0),
            "queue": _stage(stages["queue"]),
            "compute_input": _stage(stages["input"]),
            "compute_infer": _stage(stages["infer"]),
            "compute_output": _stage(stages["output"]),
            "cache_hit": _duration(hits, 0.0),
            "cache_miss": _duration(told["cache_misses"], 0.0),
        },
        "batch_stats": [_batch_document(int(rows), size) for rows, size in told["batch_sizes"].items()],
        "memory_usage": [],
    }


def _batch_document(rows: int, size: Mapping[str, Any]) -> Document:
    return {
        "batch_size": rows,
        "compute_input": _duration(size["executions"], size["input_seconds"]),
        "compute_infer": _duration(size["executions"], size["infer_seconds"]),
        "compute_output": _duration(size["executions"], size["output_seconds"]),
    }


def _stage(histogram: Mapping[str, Any]) -> Document:
    return _duration(sum(histogram["counts"]), histogram["sum"])


def _duration(count: int, seconds: float) -> Document:
    return {"count": count, "ns": round(seconds * _NANOSECONDS)}
