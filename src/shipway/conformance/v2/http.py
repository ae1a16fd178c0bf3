"""HTTP/1.1 itself: connections that are kept, requests in a row, HEAD, 100-continue, chunks, broken lines."""

from __future__ import annotations

from shipway.conformance.check import Group, InapplicableError, Level, UnmetError
from shipway.conformance.exchange import Connection
from shipway.conformance.expectations import OK, expect_document, expect_status
from shipway.conformance.specifications import RFC_HTTP, RFC_HTTP_1_1
from shipway.conformance.v2.inference import expect_same
from shipway.conformance.v2.requests import JSON_HEADERS, json_request, read_answer
from shipway.conformance.v2.subjects import Model, Server
from shipway.errors import EndpointAnswerError

SERVER = Group[Server]("http.connection", RFC_HTTP_1_1)
MODEL = Group[Model]("http.request", RFC_HTTP_1_1)
_PADDING_BYTES = 2 * 2**20
_CLAIMED_BYTES = 10**13
_NOTHING_SECONDS = 0.2


def _head(server: Server, connection: Connection, path: str, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return connection.head("GET", server.client.path(path), named)


@SERVER.check("kept", "A connection stays open for the next request, unless the answer says that it closes.")
def _keeps_connections(server: Server) -> None:
    with server.client.connect() as connection:
        first = connection.request("GET", server.client.path("/v2"))
        if first.is_last:
            raise InapplicableError("the server says that it closes each connection")
        expect_status(connection.request("GET", server.client.path("/v2")), OK)


@SERVER.check("pipelined", "Requests sent at once are answered in their order.", level=Level.RECOMMENDED)
def _answers_in_order(server: Server) -> None:
    paths = ("/v2", "/v2/no-such-path", "/v2/no-such-path")  # not the same from behind
    with server.client.connect() as connection:
        connection.send(b"".join(_head(server, connection, path) for path in paths))
        for number, path in enumerate(paths):
            reply = connection.read()
            if (reply.status == 200) is not (path == "/v2"):
                raise UnmetError(
                    f"the answer to {path} as number {number + 1}", f"status {reply.status}", reply
                )
            if reply.is_last:
                return


@SERVER.check("closed", "With `Connection: close` the server closes after its answer.")
def _closes_when_asked(server: Server) -> None:
    with server.client.connect() as connection:
        connection.send(_head(server, connection, "/v2", Connection="close"))
        reply = connection.read()
        expect_status(reply, OK)
        if not connection.is_ended():
            raise UnmetError("an end of the connection after the answer", "an open connection", reply)


@SERVER.check(
    "head",
    "HEAD answers as GET does, without a body.",
    level=Level.RECOMMENDED,
    source=f"{RFC_HTTP}#section-9.3.2",
)
def _answers_head(server: Server) -> None:
    with server.client.connect() as connection:
        reply = connection.request("HEAD", server.client.path("/v2"))
        expect_status(reply, OK)
        if connection.has_more(_NOTHING_SECONDS) and not reply.is_last:
            raise UnmetError("no body after the head", "more bytes", reply)


@SERVER.check("query", "A query behind the path changes nothing.", level=Level.RECOMMENDED)
def _takes_a_query(server: Server) -> None:
    expect_document(server.client.ask("GET", "/v2?shipway=1"))


@SERVER.check("broken_line", "A request line that is none is answered with 400.", level=Level.RECOMMENDED)
def _refuses_broken_lines(server: Server) -> None:
    for line in (b"GET\r\n\r\n", b"GET /v2 HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"):
        with server.client.connect() as connection:
            connection.send(line)
            reply = connection.read()
            if reply.status not in (400, 501, 505):
                raise UnmetError("status 400 (or 505)", f"status {reply.status} to {line!r}", reply)
    expect_status(server.client.ask("GET", "/v2"), OK)


@SERVER.check(
    "two_lengths", "Two lengths that contradict each other are refused: no request hides in another."
)
def _refuses_two_lengths(server: Server) -> None:
    with server.client.connect() as connection:
        head = connection.head("POST", server.client.path("/v2"), {"Content-Length": "5"})
        connection.send(head[:-2] + b"Content-Length: 6\r\n\r\nhello!")
        reply = connection.read()
        if reply.status < 400 or reply.status >= 500:
            raise UnmetError("status 400", f"status {reply.status}", reply)


@SERVER.check("long_head", "Headers without end are refused with 4xx.", level=Level.RECOMMENDED)
def _refuses_long_heads(server: Server) -> None:
    with server.client.connect() as connection:
        connection.send(_head(server, connection, "/v2", X_Long="a" * 2**20))
        reply = connection.read()
        if not 400 <= reply.status < 500:
            raise UnmetError("status 431, 413 or 400", f"status {reply.status}", reply)


@SERVER.check("large_claim", "A Content-Length of 10 TB is refused at once.", level=Level.RECOMMENDED)
def _refuses_large_claims(server: Server) -> None:
    with server.client.connect() as connection:
        headers = {**JSON_HEADERS, "Content-Length": str(_CLAIMED_BYTES)}
        connection.send(connection.head("POST", server.client.path("/v2/models/x/infer"), headers) + b"{")
        reply = connection.read()
        if not 400 <= reply.status < 500:
            raise UnmetError("status 413", f"status {reply.status}", reply)


@MODEL.check("chunked", "A body in chunks is a body.", source=f"{RFC_HTTP_1_1}#section-7.1")
def _takes_chunks(model: Model) -> None:
    body = json_request(model.json_request())
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    with model.client.connect() as connection:
        path = model.client.path(f"{model.path()}/infer")
        headers = {**JSON_HEADERS, "Transfer-Encoding": "chunked"}
        connection.send(connection.head("POST", path, headers) + chunks)
        found = read_answer(connection.read())
    expect_same(model.infer(), found)


@MODEL.check(
    "continue", "`Expect: 100-continue` is answered, by 100 or at once.", source=f"{RFC_HTTP}#section-10.1.1"
)
def _invites_the_body(model: Model) -> str:
    """curl sends it before every large body and waits a second where nothing comes."""
    body = json_request(model.json_request())
    with model.client.connect() as connection:
        path = model.client.path(f"{model.path()}/infer")
        headers = {**JSON_HEADERS, "Content-Length": str(len(body)), "Expect": "100-continue"}
        connection.send(connection.head("POST", path, headers))
        try:
            invited = connection.read()
        except EndpointAnswerError as error:
            raise UnmetError("100 Continue before the body", str(error)) from error
        if invited.status != 100:
            expect_status(invited, (100, 417))
            return "refused with 417"
        connection.send(body)
        found = read_answer(connection.read())
    expect_same(model.infer(), found)
    return "100 Continue"


@MODEL.check("large", "A body of 2 MB is a body.", level=Level.RECOMMENDED)
def _takes_large_bodies(model: Model) -> None:
    body = json_request(model.json_request())
    found = read_answer(model.post(body[:1] + b" " * _PADDING_BYTES + body[1:]))
    expect_same(model.infer(), found)


@MODEL.check("slow", "A body that comes in pieces is read to its end.")
def _takes_pieces(model: Model) -> None:
    body = json_request(model.json_request())
    with model.client.connect() as connection:
        path = model.client.path(f"{model.path()}/infer")
        headers = {**JSON_HEADERS, "Content-Length": str(len(body))}
        connection.send(connection.head("POST", path, headers))
        for start in range(0, len(body), max(1, len(body) // 3)):
            if connection.has_more(0.02):
                break
            connection.send(body[start : start + max(1, len(body) // 3)])
        found = read_answer(connection.read())
    expect_same(model.infer(), found)


@MODEL.check(
    "pipelined", "Inference requests sent at once are answered in their order.", level=Level.RECOMMENDED
)
def _answers_inference_in_order(model: Model) -> None:
    bodies = [json_request(model.json_request(), id=str(number)) for number in range(8)]
    with model.client.connect() as connection:
        path = model.client.path(f"{model.path()}/infer")
        heads = [
            connection.head("POST", path, {**JSON_HEADERS, "Content-Length": str(len(body))})
            for body in bodies
        ]
        connection.send(b"".join(head + body for head, body in zip(heads, bodies, strict=True)))
        for number in range(len(bodies)):
            found = read_answer(connection.read())
            if found.document.get("id") != str(number):
                raise UnmetError(f"the answer of id {number}", repr(found.document.get("id")), found.reply)
            if found.reply.is_last:
                return
