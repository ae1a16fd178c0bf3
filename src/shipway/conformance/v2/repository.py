"""The model repository extension: what there is; with permission, that a model can be unloaded and loaded."""

from __future__ import annotations

import time
from typing import Any

from shipway.conformance.check import Group, UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import OK, expect_error_object, expect_json, expect_key, expect_status
from shipway.conformance.specifications import REPOSITORY
from shipway.conformance.v2.inference import expect_same
from shipway.conformance.v2.requests import JSON_HEADERS, encode
from shipway.conformance.v2.subjects import REPOSITORY as NAME
from shipway.conformance.v2.subjects import UNKNOWN, Model, Server

SERVER = Group[Server]("repository", REPOSITORY, extension=NAME)
MODEL = Group[Model]("repository.model", REPOSITORY, extension=NAME)
_WAIT_SECONDS = 30.0
_STATES = ("", "UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING")


def _index(server: Server, document: dict[str, Any]) -> tuple[list[dict[str, Any]], Reply]:
    reply = server.client.ask("POST", "/v2/repository/index", encode(document), JSON_HEADERS)
    expect_status(reply, OK)
    entries = expect_json(reply)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnmetError("a list of objects", str(entries)[:200], reply)
    for entry in entries:
        expect_key(entry, "name", str, reply)
        for key in ("version", "state", "reason"):
            if key in entry:
                expect_key(entry, key, str, reply)
        if entry.get("state", "") not in _STATES:
            raise UnmetError(f"a state of {', '.join(_STATES[1:])}", repr(entry["state"]), reply)
    return entries, reply


@SERVER.check("index", "POST /v2/repository/index gives a list of {name, version, state, reason}.")
def _lists_models(server: Server) -> str:
    entries, _ = _index(server, {})
    return f"{len(entries)} entries"


@SERVER.check("index_empty_body", "The request's body may be empty.")
def _lists_without_a_body(server: Server) -> None:
    expect_status(server.client.ask("POST", "/v2/repository/index", b"", JSON_HEADERS), OK)


@SERVER.check("ready", "With `ready` only models that can be asked are listed.")
def _lists_ready_models(server: Server) -> None:
    entries, reply = _index(server, {"ready": True})
    others = [entry for entry in entries if entry.get("state", "READY") != "READY"]
    if others:
        raise UnmetError("only models in the state READY", str(others[0]), reply)


@SERVER.check(
    "load_unknown", "A model that is not there cannot be loaded: an error with {error}.", changes=True
)
def _cannot_load_unknown(server: Server) -> None:
    path = f"/v2/repository/models/{UNKNOWN}/load"
    reply = server.client.ask("POST", path, b"{}", JSON_HEADERS)
    if reply.status < 400:
        raise UnmetError("an error", f"status {reply.status}", reply)
    expect_error_object(reply)


@MODEL.check("listed", "A model that can be asked is in the index, in the state READY.")
def _is_listed(model: Model) -> None:
    entries, reply = _index(model.server, {})
    states = [entry.get("state", "READY") for entry in entries if entry["name"] == model.name]
    if "READY" not in states:
        raise UnmetError(f"{model.name!r} in the state READY", ", ".join(states) or "not in the list", reply)


@MODEL.check("reload", "After unload a model is not ready; after load it answers as before.", changes=True)
def _can_be_reloaded(model: Model) -> None:
    before = model.infer()
    try:
        expect_status(_change(model, "unload"), OK)
        reply = _wait_until(model, is_ready=False)
        if reply.status == 200:
            raise UnmetError("not ready after unload", "ready", reply)
        refused = model.ask(model.request)
        if refused.status < 400:
            raise UnmetError("an error from a model that was unloaded", f"status {refused.status}", refused)
    finally:
        loaded = _change(model, "load")
    expect_status(loaded, OK)
    expect_status(_wait_until(model, is_ready=True), OK)
    expect_same(before, model.infer())


def _change(model: Model, verb: str) -> Reply:
    path = model.path().replace("/v2/models/", "/v2/repository/models/", 1)
    return model.client.ask("POST", f"{path}/{verb}", b"{}", JSON_HEADERS)


def _wait_until(model: Model, *, is_ready: bool) -> Reply:
    """Servers may answer before the change is done."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        reply = model.client.ask("GET", f"{model.path()}/ready")
        if (reply.status == 200) is is_ready or time.monotonic() > deadline:
            return reply
        time.sleep(0.05)
