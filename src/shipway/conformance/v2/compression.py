"""Bodies in gzip and deflate, both ways."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from shipway.conformance.check import Group, Level, UnmetError
from shipway.conformance.exchange import Reply
from shipway.conformance.expectations import expect_error_object, expect_refusal, expect_status
from shipway.conformance.specifications import COMPRESSION, RFC_HTTP
from shipway.conformance.v2.inference import expect_same
from shipway.conformance.v2.requests import JSON_HEADERS, json_request, read_answer
from shipway.conformance.v2.subjects import Model

CODING = Group[Model]("http.coding", COMPRESSION)
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
_LONG_ID = "shipway " * 1000
"""Makes the answer one that is worth compressing."""


def _coded(model: Model, coding: str, body: bytes) -> Reply:
    return model.post(body, {**JSON_HEADERS, "Content-Encoding": coding})


def _takes(coding: str) -> Callable[[Model], None]:
    def takes(model: Model) -> None:
        body = _ENCODERS[coding](json_request(model.json_request()))
        expect_same(model.infer(), read_answer(_coded(model, coding, body)))

    return takes


def _gives(coding: str) -> Callable[[Model], str]:
    def gives(model: Model) -> str:
        body = json_request(model.json_request(), id=_LONG_ID)
        reply = model.post(body, {**JSON_HEADERS, "Accept-Encoding": coding})
        found = reply.headers.get("content-encoding", "identity")
        if found not in (coding, "identity"):
            raise UnmetError(f"Content-Encoding {coding}, or none", found, reply)
        expect_same(model.infer(), read_answer(_decoded(reply, found)))
        return "compressed" if found == coding else "not compressed, which is allowed"

    return gives


def _decoded(reply: Reply, coding: str) -> Reply:
    if coding == "identity":
        return reply
    try:
        # 32: gzip's and zlib's heads are both known by themselves; a raw deflate has none (RFC 9110, 8.4.1.2)
        body = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS).decompress(reply.body)
    except zlib.error as error:
        raise UnmetError(f"a body in {coding}", f"bytes that are none ({error})", reply) from error
    headers = {name: value for name, value in reply.headers.items() if name != "content-encoding"}
    return Reply(reply.status, headers, body, reply.request)


for _name in _ENCODERS:
    CODING.add(
        f"takes_{_name}",
        f"A request in {_name} is taken: tritonclient offers to send it.",
        _takes(_name),
        level=Level.RECOMMENDED,
    )
    CODING.add(
        f"gives_{_name}", f"An answer in {_name} is right, where the client accepts {_name}.", _gives(_name)
    )


@CODING.check("unasked", "An answer is not compressed where the client does not accept that.")
def _does_not_compress_unasked(model: Model) -> None:
    reply = model.post(json_request(model.json_request(), id=_LONG_ID))
    found = reply.headers.get("content-encoding", "identity")
    if found != "identity":
        raise UnmetError("no Content-Encoding", found, reply)


@CODING.check("broken", "A compressed body that is damaged is refused.", level=Level.RECOMMENDED)
def _refuses_broken_bodies(model: Model) -> None:
    body = gzip.compress(json_request(model.json_request()))
    expect_refusal(_coded(model, "gzip", body[: len(body) // 2]))
    expect_refusal(_coded(model, "gzip", b"no gzip at all"))


@CODING.check(
    "unknown",
    "A coding that the server does not know is refused, with 415 or 501.",
    level=Level.RECOMMENDED,
    source=f"{RFC_HTTP}#section-15.5.16",
)
def _refuses_unknown_codings(model: Model) -> None:
    reply = _coded(model, "shipway", json_request(model.json_request()))
    expect_status(reply, (415, 501, 400))
    expect_error_object(reply)
