"""What TF Serving's REST API refuses: always with {"error"}."""

from __future__ import annotations

from collections.abc import Callable

from shipway.conformance.check import Group, InapplicableError, Level
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_error_object, expect_refusal, expect_status
from shipway.conformance.specifications import TFS_ERRORS
from shipway.conformance.tfs.subjects import Model, columns, encode, rows_of

ERRORS = Group[Model]("tfs.errors", TFS_ERRORS)
_UNKNOWN = "shipway-no-such-model"
_JSON = {"Content-Type": "application/json"}


def _one_missing(model: Model) -> bytes:
    given = columns(model.request)
    return encode({"inputs": dict(list(given.items())[1:])})


def _ragged(model: Model) -> bytes:
    if any(len(port.shape) < 2 for port in model.inputs):
        raise InapplicableError("an input has fewer than two dimensions")
    row = rows_of(model.rows())[0]
    cut = {name: [] for name in row} if isinstance(row, dict) else []
    return encode({"instances": [row, cut]})


_BODIES: dict[str, tuple[str, Callable[[Model], bytes]]] = {
    "empty": ("no body", lambda _: b""),
    "not_json": ("a body that is no JSON", lambda _: b"x=1"),
    "truncated": ("JSON that ends in the middle", lambda _: b'{"instances": [1'),
    "number": ("a number instead of an object", lambda _: b"42"),
    "neither": ("neither instances nor inputs", lambda _: b"{}"),
    "both": (
        "instances and inputs at once",
        lambda model: encode({"instances": rows_of(model.rows()), "inputs": columns(model.request)}),
    ),
    "instances_object": ("an object as instances", lambda _: b'{"instances": {"x": 1}}'),
    "instances_null": ("null as instances", lambda _: b'{"instances": null}'),
    "instances_empty": ("an empty list of instances", lambda _: b'{"instances": []}'),
    "ragged": ("rows of different sizes", _ragged),
    "input_missing": ("an input missing", _one_missing),
    "input_unknown": (
        "an input that the model does not have",
        lambda model: encode({"inputs": {**columns(model.request), _UNKNOWN: [0]}}),
    ),
    "signature": (
        "a signature that the model does not have",
        lambda model: encode({"inputs": columns(model.request), "signature_name": _UNKNOWN}),
    ),
}


def _tries(body: Callable[[Model], bytes]) -> Callable[[Model], None]:
    return lambda model: expect_refusal(model.post(body(model)))


for _name, (_words, _body) in _BODIES.items():
    ERRORS.add(_name, f"Refused: {_words}.", _tries(_body))


def _ask_unknown(model: Model) -> list[Reply]:
    path = model.path(name=_UNKNOWN)
    return [
        model.client.ask("GET", path),
        model.client.ask("GET", f"{path}/metadata"),
        model.client.ask("POST", f"{path}:predict", b'{"instances": [1]}', _JSON),
        model.client.ask("GET", model.path("987654321")),
    ]


@ERRORS.check("unknown_model", "A model or version that is not there is an error with {error}.")
def _no_such_model(model: Model) -> None:
    for reply in _ask_unknown(model):
        expect_refusal(reply)


@ERRORS.check("unknown_status", "Its status is 404.", level=Level.RECOMMENDED)
def _says_404(model: Model) -> None:
    for reply in _ask_unknown(model):
        expect_status(reply, (404,))


@ERRORS.check("verb", "A verb that is none is an error with {error}.")
def _no_such_verb(model: Model) -> None:
    expect_refusal(model.post(b'{"instances": [1]}', verb="foretell"))


@ERRORS.check("method", "GET on :predict is 405, or another 4xx, with {error}.", level=Level.RECOMMENDED)
def _another_method(model: Model) -> None:
    reply = model.client.ask("GET", f"{model.path()}:predict")
    expect_status(reply, (405, 404, 400))
    expect_error_object(reply)


@ERRORS.check("instances_scalar", "Text where a number belongs is refused.")
def _refuses_text(model: Model) -> None:
    given = {name: _texts(value) for name, value in columns(model.request).items()}
    if all(port.datatype == "BYTES" for port in model.inputs):
        raise InapplicableError("every input is text")
    expect_refusal(model.post(encode({"inputs": given})))


def _texts(value: object) -> object:
    return [_texts(item) for item in value] if isinstance(value, list) else "no number"
