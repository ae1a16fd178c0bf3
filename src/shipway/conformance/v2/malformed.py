"""Bodies that are wrong in one way each: every one must be refused with 4xx and {"error"}, none may be a 500.

A case takes a right request apart and gives the bytes of the wrong one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipway.conformance.check import Group, InapplicableError, Level, UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_refusal
from shipway.conformance.specifications import INFERENCE, REQUEST
from shipway.conformance.v2.inference import expect_same
from shipway.conformance.v2.requests import encode, json_input
from shipway.conformance.v2.subjects import UNKNOWN, Model

MALFORMED = Group[Model]("core.malformed", REQUEST)
Document = dict[str, Any]
_DEPTH = 100_000
_OVERFLOWING = [2**32, 2**32, 2]
"""Its product is a multiple of 2**64: 0 where sizes are multiplied in 64 bits (CVE-2025-23319's class)."""

_BODIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "empty": ("No body at all", lambda _: b""),
    "not_json": ("A body that is no JSON", lambda _: b"x=1&y=2"),
    "truncated": ("JSON that ends in the middle", lambda body: body[: len(body) // 2]),
    "trailing": ("Something behind the JSON", lambda body: body + b"}"),
    "not_utf8": ("A body that is no UTF-8", lambda body: b'{"id": "\xff\xfe", ' + body[1:]),
    "number": ("A number instead of an object", lambda _: b"42"),
    "list": ("A list instead of an object", lambda body: b"[" + body + b"]"),
    "null": ("null instead of an object", lambda _: b"null"),
    "nested_deeply": ("Brackets nested a hundred thousand deep", lambda _: b'{"inputs": ' + b"[" * _DEPTH),
}


def _first(**changes: Any) -> Callable[[list[Document]], Any]:  # noqa: ANN401 - JSON values
    """The inputs with members of the first exchanged; `...` takes one away."""

    def change(inputs: list[Document]) -> list[Document]:
        changed = {name: value for name, value in {**inputs[0], **changes}.items() if value is not ...}
        return [changed, *inputs[1:]]

    return change


_INPUTS: dict[str, tuple[str, Callable[[list[Document]], Any]]] = {
    "no_inputs": ("No inputs", lambda _: ...),
    "inputs_empty": ("An empty list of inputs", lambda _: []),
    "inputs_null": ("null as inputs", lambda _: None),
    "inputs_object": ("An object instead of the list of inputs", lambda inputs: inputs[0]),
    "input_text": ("Text instead of an input", lambda inputs: ["x", *inputs[1:]]),
    "input_missing": ("All inputs but the last", lambda inputs: inputs[:-1]),
    "input_twice": ("The same input twice", lambda inputs: [inputs[0], *inputs]),
    "input_unknown": ("An input that the model does not have", _first(name=UNKNOWN)),
    "no_name": ("An input without name", _first(name=...)),
    "name_number": ("A number as an input's name", _first(name=7)),
    "no_datatype": ("An input without datatype", _first(datatype=...)),
    "datatype_number": ("A number as datatype", _first(datatype=32)),
    "no_shape": ("An input without shape", _first(shape=...)),
    "shape_text": ("Text as shape", _first(shape="1")),
    "shape_fraction": ("A fraction in the shape", _first(shape=[1.5])),
    "shape_negative": ("-1 in the shape of a request", _first(shape=[-1])),
    "shape_overflows": ("A shape whose product overflows 64 bits", _first(shape=_OVERFLOWING, data=[])),
    "shape_huge": ("A shape that no memory holds", _first(shape=[2**62])),
    "no_data": ("An input without data", _first(data=...)),
    "data_null": ("null as data", _first(data=None)),
    "data_object": ("An object as data", _first(data={"0": 1})),
    "data_short": ("One value less than the shape", lambda inputs: _resized(inputs, -1)),
    "data_long": ("One value more than the shape", lambda inputs: _resized(inputs, 1)),
    "data_ragged": ("Nested data with rows of different lengths", lambda inputs: _ragged(inputs)),
    "parameters_list": ("A list as parameters of an input", _first(parameters=[1])),
}


_MODELS_OWN = ("input_unknown", "input_twice")
"""Servers that run code of the user leave these to it."""


def _resized(inputs: list[Document], by: int) -> list[Document]:
    data = inputs[0]["data"]
    if not data:
        raise InapplicableError("the first input has no values")
    return [{**inputs[0], "data": data[:-1] if by < 0 else [*data, data[-1]]}, *inputs[1:]]


def _ragged(inputs: list[Document]) -> list[Document]:
    data = inputs[0]["data"]
    if len(inputs[0]["shape"]) < 2 or not data:
        raise InapplicableError("the first input has fewer than two dimensions")
    return [{**inputs[0], "data": [data, data[:1] * (len(data) + 1)]}, *inputs[1:]]


def _documents(model: Model) -> list[Document]:
    return [json_input(tensor) for tensor in model.json_request()]


def _with_inputs(model: Model, change: Callable[[list[Document]], Any]) -> Reply:
    inputs = change(_documents(model))
    return model.post(encode({"id": "1"} if inputs is ... else {"id": "1", "inputs": inputs}))


def _with_body(model: Model, change: Callable[[bytes], bytes]) -> Reply:
    return model.post(change(encode({"inputs": _documents(model)})))


def _cases(model: Model) -> list[tuple[str, Reply]]:
    """Every case's answer, where the case applies."""
    found = []
    for name, (_, change) in _BODIES.items():
        found.append((name, _with_body(model, change)))
    for name, (_, edit) in _INPUTS.items():
        try:
            found.append((name, _with_inputs(model, edit)))
        except InapplicableError:
            continue
    return found


def _tries_body(change: Callable[[bytes], bytes]) -> Callable[[Model], None]:
    return lambda model: expect_refusal(_with_body(model, change))


def _tries_inputs(edit: Callable[[list[Document]], Any]) -> Callable[[Model], None]:
    return lambda model: expect_refusal(_with_inputs(model, edit))


for _name, (_words, _change) in _BODIES.items():
    MALFORMED.add(_name, f"Refused: {_words}.", _tries_body(_change))
for _name, (_words, _edit) in _INPUTS.items():
    _level = Level.RECOMMENDED if _name in _MODELS_OWN else Level.REQUIRED
    MALFORMED.add(_name, f"Refused: {_words}.", _tries_inputs(_edit), level=_level)


@MALFORMED.check(
    "status",
    "The status of a malformed request is 400.",
    level=Level.RECOMMENDED,
    source=INFERENCE,
)
def _says_400(model: Model) -> None:
    other = [(name, reply) for name, reply in _cases(model) if reply.status != 400]
    if other:
        found = ", ".join(f"{reply.status} for {name}" for name, reply in other)
        raise UnmetError("status 400 for each malformed request", found, other[0][1])


@MALFORMED.check("afterwards", "After all of them a right request is answered as before.")
def _still_answers(model: Model) -> None:
    before = model.infer()
    _cases(model)
    expect_same(before, model.infer())
