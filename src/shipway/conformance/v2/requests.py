"""Inference requests of V2 as bytes, right ones and ones with a part exchanged; and their answers as tensors."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipway.conformance.check import UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import OK, expect_document, expect_key, expect_status
from shipway.conformance.tensors import NUMPY, Tensor, from_bytes, from_json, to_bytes, to_json

HEADER = "Inference-Header-Content-Length"
JSON_HEADERS = {"Content-Type": "application/json"}
Document = dict[str, Any]


def json_input(tensor: Tensor, *, nested: bool = False) -> Document:
    """An input in JSON. Raises `InapplicableError` for a datatype without JSON form."""
    return {**_described(tensor), "data": to_json(tensor, nested=nested)}


def json_request(inputs: Sequence[Tensor], *, nested: bool = False, **more: Any) -> bytes:  # noqa: ANN401 - JSON values
    """A request all in JSON; `more` are further members: `id`, `outputs`, `parameters`."""
    return encode({"inputs": [json_input(tensor, nested=nested) for tensor in inputs], **more})


def binary_request(
    inputs: Sequence[Tensor],
    *,
    binary: Collection[str] | None = None,
    **more: Any,  # noqa: ANN401 - JSON values
) -> tuple[bytes, dict[str, str]]:
    """A request whose inputs named in `binary` (None: all) are behind the JSON, and its headers."""
    documents, blobs = [], []
    for tensor in inputs:
        if binary is not None and tensor.name not in binary:
            documents.append(json_input(tensor))
            continue
        blobs.append(to_bytes(tensor))
        documents.append({**_described(tensor), "parameters": {"binary_data_size": len(blobs[-1])}})
    return with_binary({"inputs": documents, **more}, b"".join(blobs))


def with_binary(document: Document, data: bytes) -> tuple[bytes, dict[str, str]]:
    """A body of JSON and bytes behind it, and its headers."""
    head = encode(document)
    return head + data, {"Content-Type": "application/octet-stream", HEADER: str(len(head))}


def encode(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The JSON of a value."""
    return json.dumps(document).encode()


def _described(tensor: Tensor) -> Document:
    return {"name": tensor.name, "shape": list(tensor.data.shape), "datatype": tensor.datatype}


@dataclass(frozen=True)
class Answer:
    """An inference reply, read."""

    document: Document
    outputs: dict[str, Tensor]
    """In the order of the reply."""
    reply: Reply


def read_answer(reply: Reply) -> Answer:
    """Reads an inference reply in JSON or with binary tensors. Raises `UnmetError` on any other form."""
    expect_status(reply, OK)
    head, rest = _split(reply)
    document = expect_document(head)
    outputs: dict[str, Tensor] = {}
    offset = 0
    for item in expect_key(document, "outputs", list, reply):
        if not isinstance(item, dict):
            raise UnmetError("an object for each output", repr(item)[:100], reply)
        parameters = item.get("parameters") or {}
        size = parameters.get("binary_data_size") if isinstance(parameters, Mapping) else None
        if size is not None and not (isinstance(size, int) and 0 <= size <= len(rest) - offset):
            raise UnmetError(f"a binary_data_size of at most {len(rest) - offset}", repr(size), reply)
        data = None if size is None else rest[offset : offset + size]
        offset += size or 0
        tensor = _read_output(item, data, reply)
        if tensor.name in outputs:
            raise UnmetError("each output once", f"{tensor.name!r} twice", reply)
        outputs[tensor.name] = tensor
    if offset != len(rest):
        raise UnmetError(f"{offset} bytes of binary data", f"{len(rest)}", reply)
    return Answer(document, outputs, reply)


def _split(reply: Reply) -> tuple[Reply, bytes]:
    length = reply.headers.get(HEADER.lower())
    if length is None:
        return reply, b""
    if not length.isdecimal() or int(length) > len(reply.body):
        raise UnmetError(f"{HEADER} of at most {len(reply.body)}", repr(length), reply)
    json_part = reply.body[: int(length)]
    return Reply(reply.status, reply.headers, json_part, reply.request), reply.body[int(length) :]


def _read_output(item: Document, data: bytes | None, reply: Reply) -> Tensor:
    name = expect_key(item, "name", str, reply)
    datatype = expect_key(item, "datatype", str, reply)
    shape = expect_key(item, "shape", list, reply)
    if not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise UnmetError(f"whole sizes in the shape of the output {name}", repr(shape), reply)
    if datatype not in NUMPY:
        raise UnmetError(f"a datatype of the protocol for the output {name}", repr(datatype), reply)
    if data is not None:
        return from_bytes(name, datatype, shape, data)
    return from_json(name, datatype, shape, expect_key(item, "data", list, reply))
