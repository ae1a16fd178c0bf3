"""Raw HTTP over a blocking socket: tests decide every byte that is sent."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

TIMEOUT_SECONDS = 20


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Wire:
    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=TIMEOUT_SECONDS)
        self._left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, method, path, body=None, headers=()) -> Answer:
        self.send(request_bytes(method, path, body, headers))
        return self.read(has_body=method != "HEAD")

    def read(self, *, has_body=True) -> Answer:
        """The next answer; raises `EOFError` where the connection ends before it."""
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0)) if has_body else 0
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        return Answer(int(first.split()[1]), headers, body)

    def is_ended(self) -> bool:
        """True when the server ends the connection without another byte."""
        return not self._left and self.socket.recv(1) == b""

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(self._left)
        self._left += piece


def request_bytes(method, path, body=None, headers=()) -> bytes:
    data = json.dumps(body).encode() if isinstance(body, dict | list) else body or b""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: test",
        *(f"{name}: {value}" for name, value in dict(headers).items()),
    ]
    if body is not None:
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def infer_body(name, array, datatype="FP32", **more):
    return {
        "inputs": [
            {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}
        ],
        **more,
    }
