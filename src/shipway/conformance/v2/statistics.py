"""The statistics extension: counts and times of each model."""

from __future__ import annotations

import time
from typing import Any

from shipway.conformance.check import Group, UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_document, expect_key, expect_refusal
from shipway.conformance.specifications import STATISTICS
from shipway.conformance.v2.subjects import UNKNOWN, Model, Server

SERVER = Group[Server]("statistics", STATISTICS, extension="statistics")
MODEL = Group[Model]("statistics.model", STATISTICS, extension="statistics")
_WAIT_SECONDS = 1.0
_DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")


def _stats(server: Server, path: str) -> tuple[list[dict[str, Any]], Reply]:
    reply = server.client.ask("GET", path)
    entries = expect_key(expect_document(reply), "model_stats", list, reply)
    if not all(isinstance(entry, dict) for entry in entries):
        raise UnmetError("a list of objects as model_stats", str(entries)[:200], reply)
    return entries, reply


@SERVER.check("all", "GET /v2/models/stats gives the statistics of all models.")
def _counts_all(server: Server) -> None:
    entries, reply = _stats(server, "/v2/models/stats")
    for entry in entries:
        expect_key(entry, "name", str, reply)


@SERVER.check("unknown", "Statistics of a model that is not there are an error with {error}.")
def _refuses_unknown(server: Server) -> None:
    expect_refusal(server.client.ask("GET", f"/v2/models/{UNKNOWN}/stats"))


@MODEL.check("form", "Each entry has the counts and, of every stage, a count and nanoseconds.")
def _has_the_form(model: Model) -> None:
    entries, reply = _stats(model.server, f"{model.path()}/stats")
    if not entries:
        raise UnmetError("an entry for the model", "none", reply)
    for entry in entries:
        if expect_key(entry, "name", str, reply) != model.name:
            raise UnmetError(f"entries of {model.name!r}", repr(entry["name"]), reply)
        expect_key(entry, "version", str, reply)
        for key in ("last_inference", "inference_count", "execution_count"):
            expect_key(entry, key, int, reply)
        stages = expect_key(entry, "inference_stats", dict, reply)
        for stage in _DURATIONS:
            duration = expect_key(stages, stage, dict, reply)
            expect_key(duration, "count", int, reply)
            expect_key(duration, "ns", int, reply)


@MODEL.check("counts", "An inference that succeeds is counted.")
def _counts(model: Model) -> str:
    before = _succeeded(model)
    model.infer()
    deadline = time.monotonic() + _WAIT_SECONDS
    after = _succeeded(model)
    while after <= before and time.monotonic() < deadline:  # servers may count after they have answered
        time.sleep(0.02)
        after = _succeeded(model)
    if after <= before:
        raise UnmetError(
            "one success more after an inference", f"{before} before, {after} after", model.client.last
        )
    return f"{after} successes"


def _succeeded(model: Model) -> int:
    entries, reply = _stats(model.server, f"{model.path()}/stats")
    counts = [
        expect_key(expect_key(entry, "inference_stats", dict, reply), "success", dict, reply)
        for entry in entries
    ]
    return sum(expect_key(count, "count", int, reply) for count in counts)


@MODEL.check("version", "A listed version has its own statistics.")
def _versions_have_theirs(model: Model) -> None:
    for version in model.versions:
        entries, reply = _stats(model.server, f"{model.path(version)}/stats")
        found = [entry.get("version") for entry in entries]
        if found != [version]:
            raise UnmetError(f"one entry, of version {version!r}", repr(found), reply)
