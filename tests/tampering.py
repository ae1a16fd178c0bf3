"""A proxy that stands before a right server and plants one fault: what a check must find.

It understands just enough of HTTP/1.1 to see whole requests; what it cannot read it hands on byte by byte.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from served.wire import Answer, Wire, request_bytes

CLOSED_SILENTLY = "closes after each answer without a word"
LEFT_OPEN = "keeps what it should close"
REORDERED = "answers the last first"
HEAD_WITH_BODY = "sends a body after HEAD"
NO_INVITATION = "waits for a body that waits for it"
ENDED = "ends at brackets nested deeply"
IMPATIENT = "takes what came at once for the whole body"


@dataclass(frozen=True)
class Request:
    method: str
    """Empty where what came is no request that can be read."""
    path: str
    headers: dict[str, str]
    body: bytes
    whole: bytes = b""

    @property
    def json(self) -> Any:
        """The body's JSON; an empty object where there is none."""
        length = self.headers.get("inference-header-content-length")
        try:
            found = json.loads(self.body if length is None else self.body[: int(length)])
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


Fault = Callable[[Request, Answer], Answer]


def nothing(_: Request, answer: Answer) -> Answer:
    return answer


@contextmanager
def tampering(port: int, fault: Fault = nothing, quirk: str = "") -> Iterator[str]:
    """The address of a proxy before the server at `port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = threading.Thread(target=_accept, args=(listener, port, fault, quirk), daemon=True)
        running.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            running.join(10)


def _accept(listener: socket.socket, port: int, fault: Fault, quirk: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_Talk(client, port, fault, quirk, listener).run, daemon=True).start()


class _Talk:
    def __init__(
        self, client: socket.socket, port: int, fault: Fault, quirk: str, listener: socket.socket
    ) -> None:
        self.listener = listener
        self.client, self.fault, self.quirk = client, fault, quirk
        self.server = Wire(port)
        self.left = b""

    def run(self) -> None:
        with self.client, self.server, suppress(OSError, EOFError):
            is_open = True
            while is_open:
                requests = [self.read()]
                while self.quirk == REORDERED and self.has_more():
                    requests.append(self.read())
                for request in requests[::-1]:
                    if self.quirk == ENDED and request.body.startswith(b'{"inputs": [[['):
                        self.listener.shutdown(socket.SHUT_RDWR)
                        return
                    is_open = self.answer(request)

    def answer(self, request: Request) -> bool:
        """Whether the connection goes on."""
        if not request.method:
            self.server.send(request.whole)
            self.send(request, self.fault(request, self.server.read()))
            return False
        data = request_bytes(request.method, request.path, request.body or None, _onward(request.headers))
        self.server.send(data)
        answer = self.fault(request, self.server.read(has_body=request.method != "HEAD"))
        if self.quirk == HEAD_WITH_BODY and request.method == "HEAD":
            answer = replace(answer, body=b'{"name": "x"}')
        self.send(request, answer)
        is_last = answer.headers.get("connection") == "close"
        return not (self.quirk == CLOSED_SILENTLY or (is_last and self.quirk != LEFT_OPEN))

    def send(self, request: Request, answer: Answer) -> None:
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        if request.method != "HEAD" or answer.body:
            headers["content-length"] = str(len(answer.body))
        lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items())]
        self.client.sendall("\r\n".join([*lines, "", ""]).encode() + answer.body)

    def has_more(self) -> bool:
        self.client.settimeout(0.02)
        with suppress(TimeoutError):
            self.left += self.client.recv(65536)
        self.client.settimeout(None)
        return bool(self.left)

    def read(self) -> Request:
        while b"\r\n\r\n" not in self.left:
            self.more()
        head, _, rest = self.left.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        headers = dict(pairs)
        length = int(headers.get("content-length", 0))
        is_odd = len(first.split(" ")) != 3 or not first.endswith("HTTP/1.1") or len(headers) < len(pairs)
        if is_odd or len(head) > 2**16 or length > 2**30:
            whole, self.left = self.left, b""
            return Request("", "", headers, b"", whole)
        self.left = rest
        if headers.get("expect") and self.quirk != NO_INVITATION:
            self.client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        method, path, _ = first.split(" ")
        chunked = headers.get("transfer-encoding") == "chunked"
        return Request(method, path, headers, self.chunks() if chunked else self.take(length))

    def take(self, count: int) -> bytes:
        if self.quirk == IMPATIENT:
            body, self.left = self.left[:count], self.left[count:]
            return body
        while len(self.left) < count:
            self.more()
        body, self.left = self.left[:count], self.left[count:]
        return body

    def chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self.left:
                self.more()
            size, _, self.left = self.left.partition(b"\r\n")
            piece = self.take(int(size, 16) + 2)[:-2]
            if not piece:
                return body
            body += piece

    def more(self) -> None:
        piece = self.client.recv(65536)
        if not piece:
            raise EOFError
        self.left += piece


def _onward(headers: dict[str, str]) -> dict[str, str]:
    own = ("host", "content-length", "transfer-encoding", "expect")
    return {name: value for name, value in headers.items() if name not in own}
