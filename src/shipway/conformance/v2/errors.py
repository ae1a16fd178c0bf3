"""What is not there: paths, models, versions, methods. Always {"error"}, whatever framework answers."""

from __future__ import annotations

from shipway.conformance.check import Group, InapplicableError, Level, UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_error_object, expect_refusal, expect_status
from shipway.conformance.specifications import INFERENCE, MODEL_METADATA, RFC_HTTP
from shipway.conformance.v2.requests import encode, json_request
from shipway.conformance.v2.subjects import UNKNOWN, Model, Server

SERVER = Group[Server]("core.missing", INFERENCE)
MODEL = Group[Model]("core.errors", INFERENCE)
_SOME_BODY = encode({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [0]}]})
_NO_VERSION = "987654321"


@SERVER.check(
    "model", "The metadata of a model that is not there is an error with {error}.", source=MODEL_METADATA
)
def _no_metadata(server: Server) -> None:
    expect_refusal(server.client.ask("GET", f"/v2/models/{UNKNOWN}"))


@SERVER.check("model_infer", "Inference with a model that is not there is an error with {error}.")
def _no_inference(server: Server) -> None:
    expect_refusal(_infer_unknown(server))


def _infer_unknown(server: Server) -> Reply:
    headers = {"Content-Type": "application/json"}
    return server.client.ask("POST", f"/v2/models/{UNKNOWN}/infer", _SOME_BODY, headers)


@SERVER.check("status", "The status for a model that is not there is 404.", level=Level.RECOMMENDED)
def _says_404(server: Server) -> None:
    expect_status(server.client.ask("GET", f"/v2/models/{UNKNOWN}"), (404,))
    expect_status(_infer_unknown(server), (404,))


@SERVER.check("path", "A path that is none is 404, with {error} like all errors.", level=Level.RECOMMENDED)
def _no_path(server: Server) -> None:
    for path in ("/v2/no-such-path", f"/v2/models/{UNKNOWN}/no/such/path"):
        reply = server.client.ask("GET", path)
        expect_status(reply, (404,))
        expect_error_object(reply)


@SERVER.check("escape", "A path with .. or broken %-escapes is 4xx, never a file.", level=Level.RECOMMENDED)
def _no_escape(server: Server) -> None:
    for path in ("/v2/models/..%2f..%2f..%2fetc%2fpasswd", "/v2/models/%ff%zz", "/v2/models/a%00b"):
        expect_refusal(server.client.ask("GET", path))


@MODEL.check("version", "A version that is not there is an error with {error}.", source=MODEL_METADATA)
def _no_version(model: Model) -> None:
    """501 where the server knows no versions at all, which the protocol leaves to it."""
    for reply in (
        model.client.ask("GET", model.path(_NO_VERSION)),
        model.post(_SOME_BODY, version=_NO_VERSION),
    ):
        if reply.status == 501 and not model.versions:
            expect_error_object(reply)
        else:
            expect_refusal(reply)


@MODEL.check("version_status", "The status for a version that is not there is 404.", level=Level.RECOMMENDED)
def _version_404(model: Model) -> None:
    expect_status(model.client.ask("GET", model.path(_NO_VERSION)), (404,))
    expect_status(model.post(_SOME_BODY, version=_NO_VERSION), (404,))


@MODEL.check(
    "method",
    "Another method than POST on /infer is 405, with Allow.",
    level=Level.RECOMMENDED,
    source=RFC_HTTP,
)
def _method(model: Model) -> None:
    reply = model.client.ask("GET", f"{model.path()}/infer")
    expect_status(reply, (405,))
    expect_error_object(reply)
    if "POST" not in reply.headers.get("allow", ""):
        raise UnmetError("Allow: POST", repr(reply.headers.get("allow")), reply)


@MODEL.check(
    "method_metadata",
    "Another method than GET on the metadata is 405.",
    level=Level.RECOMMENDED,
    source=RFC_HTTP,
)
def _method_of_metadata(model: Model) -> None:
    reply = model.client.ask("DELETE", model.path())
    expect_status(reply, (405,))
    expect_error_object(reply)


@MODEL.check(
    "alone", "A bad request beside good ones on one connection fails alone.", level=Level.RECOMMENDED
)
def _bad_one_fails_alone(model: Model) -> None:
    if model.client.last is not None and model.client.last.is_last:
        raise InapplicableError("the server closes its connections after each answer")
    right = json_request(model.json_request())
    expect_status(model.post(right), (200,))
    expect_refusal(model.post(right[:-1]))
    expect_status(model.post(right), (200,))
