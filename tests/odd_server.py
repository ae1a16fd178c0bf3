"""A server in a thread that answers whatever a test wants: byte for byte, or as a V2 server would."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def inputs(self) -> dict[str, np.ndarray]:
        """The float32 inputs of a binary inference request."""
        length = int(self.headers[HEADER.lower()])
        found, rest = {}, self.body[length:]
        for item in json.loads(self.body[:length])["inputs"]:
            size = item["parameters"]["binary_data_size"]
            found[item["name"]] = np.frombuffer(rest[:size], np.float32).reshape(item["shape"])
            rest = rest[size:]
        return found


class Closing(bytes):
    """An answer after which the connection is closed."""


Answer = Callable[[Request], bytes]


@dataclass
class OddServer:
    url: str
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


@contextmanager
def odd_server(answer: Answer) -> Iterator[OddServer]:
    """Answers each request with the bytes that `answer` gives, on connections that are kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = OddServer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        open_now: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                server.connections += 1
                open_now.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            with connection, suppress(OSError), connection.makefile("rb") as stream:
                while (request := _read(stream)) is not None:
                    server.requests.append(request)
                    reply = answer(request)
                    connection.sendall(reply)
                    if isinstance(reply, Closing):
                        connection.shutdown(socket.SHUT_RDWR)
                        return

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield server
        finally:
            for one in (listener, *open_now):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            accepting.join(10)


def _read(stream: Any) -> Request | None:
    first = stream.readline()
    if not first:
        return None
    method, path, _ = first.decode().split(" ")
    headers = {}
    while (line := stream.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(method, path, headers, stream.read(int(headers.get("content-length", 0))))


def http(body: bytes | str | dict[str, Any], status: str = "200 OK", **headers: object) -> bytes:
    """A whole answer; underscores in the headers' names are hyphens."""
    data = (
        json.dumps(body).encode()
        if isinstance(body, dict)
        else body.encode()
        if isinstance(body, str)
        else body
    )
    given = {
        "Content-Length": len(data),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name}: {value}" for name, value in given.items() if value is not None),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


def tensor(name: str, shape: list[Any], datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def metadata(inputs: list[Any], outputs: list[Any], name: str = "m") -> dict[str, Any]:
    return {"name": name, "versions": ["1"], "platform": "odd", "inputs": inputs, "outputs": outputs}


DOUBLING = metadata([tensor("x", [-1, 2])], [tensor("y", [-1, 2])])


def v2(infer: Answer, described: dict[str, Any] = DOUBLING) -> Answer:
    """A V2 server with one model that is described so and infers so."""

    def answer(request: Request) -> bytes:
        if request.path.endswith("/infer"):
            return infer(request)
        if "/models/" in request.path:
            return http(described)
        return http({"models": {described["name"]: {}}})

    return answer


def doubled(request: Request) -> bytes:
    """A right answer of the model `DOUBLING`, in JSON only."""
    found = 2 * request.inputs()["x"]
    return http({"outputs": [tensor("y", list(found.shape), data=found.ravel().tolist())]})
