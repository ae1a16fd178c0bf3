"""Binary requests whose sizes do not add up: refused with 4xx and {"error"}, never 500, never answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shipway.conformance.check import Group, InapplicableError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_refusal
from shipway.conformance.specifications import BINARY
from shipway.conformance.tensors import to_bytes
from shipway.conformance.v2.requests import HEADER, JSON_HEADERS, encode, with_binary
from shipway.conformance.v2.subjects import BINARY as NAME
from shipway.conformance.v2.subjects import Model

SIZES = Group[Model]("binary.sizes", BINARY, extension=NAME)
_TEXT_LENGTH = 0x7FFFFFFF


class _Parts:
    """A right binary request in parts, to exchange one of them."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.blobs = [to_bytes(tensor) for tensor in model.request]
        self.inputs: list[dict[str, Any]] = [
            {
                "name": tensor.name,
                "shape": list(tensor.data.shape),
                "datatype": tensor.datatype,
                "parameters": {"binary_data_size": len(blob)},
            }
            for tensor, blob in zip(model.request, self.blobs, strict=True)
        ]

    @property
    def size(self) -> int:
        return len(self.blobs[0])

    def send(self, *, size: Any = ..., data: bytes | None = None, header: str | None = None) -> Reply:  # noqa: ANN401 - JSON
        """With another size of the first input, other bytes, another header."""
        if size is not ...:
            self.inputs[0]["parameters"] = {"binary_data_size": size}
        body, usual = with_binary({"inputs": self.inputs}, b"".join(self.blobs) if data is None else data)
        return self.model.post(body, usual if header is None else {**usual, HEADER: header})

    def replace_first(self, data: bytes) -> Reply:
        """With other bytes as the first input, and a size that says so."""
        return self.send(size=len(data), data=b"".join([data, *self.blobs[1:]]))


def _without_header(parts: _Parts) -> Reply:
    return parts.model.post(encode({"inputs": parts.inputs}) + b"".join(parts.blobs), JSON_HEADERS)


def _with_data_too(parts: _Parts) -> Reply:
    parts.inputs[0]["data"] = [0]
    return parts.send()


def _past_the_end(parts: _Parts) -> Reply:
    if parts.inputs[0]["datatype"] != "BYTES":
        raise InapplicableError("the first input is not BYTES")
    return parts.replace_first(_TEXT_LENGTH.to_bytes(4, "little") + parts.blobs[0][4:])


def _raw(parts: _Parts) -> Reply:
    if len(parts.blobs) != 1 or parts.inputs[0]["datatype"] in ("BYTES", "BOOL", "INT8", "UINT8"):
        raise InapplicableError("the model has not one input, of numbers of several bytes")
    headers = {"Content-Type": "application/octet-stream", HEADER: "0"}
    return parts.model.post(parts.blobs[0] + b"\x00", headers)


_CASES: dict[str, tuple[str, Callable[[_Parts], Reply]]] = {
    "less": ("fewer bytes than the shape takes", lambda parts: parts.replace_first(parts.blobs[0][:-1])),
    "more": ("more bytes than the shape takes", lambda parts: parts.replace_first(parts.blobs[0] + b"\x00")),
    "beyond": ("a binary_data_size beyond the body", lambda parts: parts.send(size=parts.size + 1000)),
    "overflowing": ("a binary_data_size of 2**64", lambda parts: parts.send(size=2**64)),
    "negative": ("a negative binary_data_size", lambda parts: parts.send(size=-1)),
    "fraction": ("a fraction as binary_data_size", lambda parts: parts.send(size=0.5)),
    "text": ("text as binary_data_size", lambda parts: parts.send(size="4")),
    "left_over": (
        "bytes behind the last tensor",
        lambda parts: parts.send(data=b"".join(parts.blobs) + b"more"),
    ),
    "no_bytes": ("no bytes at all behind the JSON", lambda parts: parts.send(data=b"")),
    "no_header": (f"a binary_data_size without {HEADER}", _without_header),
    "header_beyond": (f"{HEADER} beyond the body", lambda parts: parts.send(header="99999999")),
    "header_short": (f"{HEADER} in the middle of the JSON", lambda parts: parts.send(header="5")),
    "header_negative": (f"a negative {HEADER}", lambda parts: parts.send(header="-1")),
    "header_text": (f"text as {HEADER}", lambda parts: parts.send(header="abc")),
    "both": ("data and binary_data_size at one input", _with_data_too),
    "past_the_end": ("a BYTES element that is longer than its tensor", _past_the_end),
    "raw": ("a raw body that is no whole number of elements", _raw),
}


def _tries(send: Callable[[_Parts], Reply]) -> Callable[[Model], None]:
    def tries(model: Model) -> None:
        parts = _Parts(model)
        if not parts.blobs or not parts.size:
            raise InapplicableError("the first input has no values")
        expect_refusal(send(parts))

    return tries


for _name, (_words, _send) in _CASES.items():
    SIZES.add(_name, f"Refused: {_words}.", _tries(_send))
