"""Health and what the server says of itself."""

from __future__ import annotations

from shipway.conformance.check import Group, Level, UndecidedError, UnmetError
from shipway.conformance.expectations import OK, expect_document, expect_key, expect_status
from shipway.conformance.specifications import MODEL_READY, SERVER_LIVE, SERVER_METADATA, SERVER_READY
from shipway.conformance.v2.subjects import UNKNOWN, Model, Server

SERVER = Group[Server]("core.server", SERVER_METADATA)
MODEL = Group[Model]("core.ready", MODEL_READY)


@SERVER.check(
    "live", "GET /v2/health/live answers 200 while the server can take requests.", source=SERVER_LIVE
)
def _is_live(server: Server) -> None:
    expect_status(server.client.ask("GET", "/v2/health/live"), OK)


@SERVER.check("ready", "GET /v2/health/ready answers 200 when all models are ready.", source=SERVER_READY)
def _is_ready(server: Server) -> None:
    reply = server.client.ask("GET", "/v2/health/ready")
    if reply.status == 503:
        raise UndecidedError("the server says that it is not ready (503); ask again when it is")
    expect_status(reply, OK)


@SERVER.check("metadata", "GET /v2 answers with name, version and the extensions, a list of strings.")
def _describes_itself(server: Server) -> str:
    reply = server.client.ask("GET", "/v2")
    document = expect_document(reply)
    expect_key(document, "name", str, reply)
    expect_key(document, "version", str, reply)
    extensions = expect_key(document, "extensions", list, reply)
    if not all(isinstance(name, str) for name in extensions):
        raise UnmetError("a list of strings as extensions", repr(extensions)[:200], reply)
    return f"extensions: {', '.join(extensions) or 'none'}"


@MODEL.check("model", "GET /v2/models/{model}/ready answers 200 for a model that can be asked.")
def _model_is_ready(model: Model) -> None:
    expect_status(model.client.ask("GET", f"{model.path()}/ready"), OK)


@MODEL.check("version", "GET /v2/models/{model}/versions/{version}/ready answers 200 for listed versions.")
def _versions_are_ready(model: Model) -> None:
    for version in model.versions:
        expect_status(model.client.ask("GET", f"{model.path(version)}/ready"), OK)


@MODEL.check(
    "body", "The answer's body is {name, ready}, or empty.", level=Level.RECOMMENDED, source=MODEL_READY
)
def _ready_has_a_body(model: Model) -> None:
    reply = model.client.ask("GET", f"{model.path()}/ready")
    expect_status(reply, OK)
    if not reply.body:
        return
    document = expect_document(reply)
    if expect_key(document, "name", str, reply) != model.name:
        raise UnmetError(f"the name {model.name!r}", repr(document["name"]), reply)
    if expect_key(document, "ready", bool, reply) is not True:
        raise UnmetError("ready: true beside status 200", "ready: false", reply)


@SERVER.check(
    "unknown_model", "A model that is not there is not ready: the status is no 2xx.", source=MODEL_READY
)
def _unknown_is_not_ready(server: Server) -> None:
    reply = server.client.ask("GET", f"/v2/models/{UNKNOWN}/ready")
    if not 400 <= reply.status < 600 or reply.status == 500:
        raise UnmetError("a status of 4xx or 503", f"status {reply.status}", reply)
