"""One connection to a server where every byte counts: what was sent, what came back, word for word.

No HTTP library: checks send requests that are none, several at once, or half of one, and need the answer as it
was sent, not as a library mended it (RFC 9112).
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from shipway.errors import EndpointAnswerError, EndpointError
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import explain, unreachable

_LARGEST_HEAD_BYTES = 64 * 2**10
_LARGEST_BODY_BYTES = 2**28
_PIECE_BYTES = 2**16
_SHOWN_BYTES = 400
Headers = Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer, and the beginning of what it answers."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of a name that stands twice, both values with a comma between them."""
    body: bytes
    request: bytes = b""

    @property
    def is_last(self) -> bool:
        """Whether the server says that it closes the connection now."""
        return self.headers.get("connection", "").lower() == "close"

    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The body as RFC 8259 has it: NaN and Infinity are no JSON. Raises `ValueError`, `RecursionError`."""
        return json.loads(self.body, parse_constant=_refuse_constant)

    def shown_request(self) -> str:
        """How the request begins, for people."""
        return shown(self.request)

    def shown(self) -> str:
        """How the answer begins, for people."""
        head = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        return f"{self.status}\n{head}\n{shown(self.body)}"


def shown(data: bytes) -> str:
    """The beginning of bytes, as text where they are text."""
    text = data[:_SHOWN_BYTES].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    kept = "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)
    return f"{kept} … ({len(data)} bytes)" if len(data) > _SHOWN_BYTES else kept


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class Connection:
    """One TCP or TLS connection. Raises `EndpointUnreachableError` where nothing listens."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = 10.0,
        credentials: Credentials | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._authority = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
        self._url = f"{'http' if tls is None else 'https'}://{self._authority}"
        self._credentials = credentials or Credentials()
        self._authorization = self._credentials.headers.get("Authorization")
        self._left = b""
        self._sent = b""
        self.has_received = False
        """Whether any byte of an answer came on this connection."""
        try:
            plain = socket.create_connection((host, port), timeout=timeout_seconds)
            self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        except OSError as error:  # TimeoutError and SSLError are some
            raise unreachable(error, self._url, self._credentials) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes it."""
        self._socket.close()

    def head(self, method: str, path: str, headers: Headers) -> bytes:
        """A request's line and headers, with the key."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._authority}"]
        if self._authorization is not None:
            lines.append(f"Authorization: {self._authorization}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def send(self, data: bytes) -> None:
        """Sends bytes as they are. Raises `EndpointAnswerError`."""
        self._sent = data
        if self._authorization is not None:  # no report shows the key
            self._sent = data[: 16 * _SHOWN_BYTES].replace(self._authorization.encode(), b"...")
        try:
            self._socket.sendall(data)
        except OSError as error:  # an answer may have come before the whole request was taken
            if not self._is_readable():
                raise self._gone(error) from error

    def request(self, method: str, path: str, body: bytes | None = None, headers: Headers = {}) -> Reply:  # noqa: B006 - read only
        """Sends a request and reads its answer. Raises `EndpointAnswerError`."""
        length = {} if body is None else {"Content-Length": str(len(body))}
        self.send(self.head(method, path, {**headers, **length}) + (body or b""))
        return self.read(has_body=method != "HEAD")

    def read(self, *, has_body: bool = True) -> Reply:
        """The next answer, 100 Continue included. Raises `EndpointAnswerError`."""
        deadline = time.monotonic() + self._timeout_seconds
        while b"\r\n\r\n" not in self._left:
            if len(self._left) > _LARGEST_HEAD_BYTES:
                raise self._broken("a head of more than 64 KB")
            self._more(deadline)
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        status, headers = self._parse_head(head)
        body = b""
        if has_body and status >= 200 and status not in (204, 304):
            body = self._read_body(headers, deadline)
        return Reply(status, headers, body, self._sent)

    def is_ended(self) -> bool:
        """True when the server ends the connection without another byte, False when it sends or waits."""
        self._socket.settimeout(self._timeout_seconds)
        try:
            return not self._left and self._socket.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:  # a reset ends it too
            return True

    def has_more(self, wait_seconds: float) -> bool:
        """Whether bytes are there, or come within that time."""
        return bool(self._left) or self._is_readable(wait_seconds)

    def _is_readable(self, wait_seconds: float = 0.5) -> bool:
        self._socket.settimeout(wait_seconds)
        try:
            piece = self._socket.recv(_PIECE_BYTES)
        except OSError:
            return False
        self._left += piece
        return bool(piece)

    def _parse_head(self, head: bytes) -> tuple[int, dict[str, str]]:
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise self._broken(f"the first line {first[:80]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            before = headers.get(name.lower())
            headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
        return int(rest[:3]), headers

    def _read_body(self, headers: dict[str, str], deadline: float) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunks(deadline)
        length = headers.get("content-length")
        if length is None:  # it ends with the connection (RFC 9112, 6.3)
            return self._read_to_end(deadline)
        if not length.isdecimal() or int(length) > _LARGEST_BODY_BYTES:
            raise self._broken(f"the Content-Length {length[:40]!r}")
        return self._take(int(length), deadline)

    def _read_to_end(self, deadline: float) -> bytes:
        while len(self._left) <= _LARGEST_BODY_BYTES and self._receive(deadline):
            pass
        body, self._left = self._left, b""
        return body

    def _read_chunks(self, deadline: float) -> bytes:
        body = b""
        while True:
            line = self._line(deadline)
            size = line.partition(b";")[0].strip()
            try:
                count = int(size, 16)
            except ValueError:
                raise self._broken(f"the chunk size {line[:40]!r}") from None
            if count == 0:
                while self._line(deadline):
                    pass
                return body
            if not 0 < count <= _LARGEST_BODY_BYTES - len(body):
                raise self._broken(f"the chunk size {line[:40]!r}")
            body += self._take(count, deadline)
            self._take(2, deadline)

    def _line(self, deadline: float) -> bytes:
        while b"\r\n" not in self._left:
            self._more(deadline)
        line, _, self._left = self._left.partition(b"\r\n")
        return line

    def _take(self, count: int, deadline: float) -> bytes:
        pieces, missing = [self._left[:count]], count - len(self._left)
        self._left = self._left[count:]
        while missing > 0:
            self._more(deadline)
            pieces.append(self._left[:missing])
            self._left = self._left[missing:]
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def _more(self, deadline: float) -> None:
        if not self._receive(deadline):
            raise self._gone(None)

    def _receive(self, deadline: float) -> bool:
        """Takes what comes; False where the connection ends."""
        left_seconds = deadline - time.monotonic()
        self._socket.settimeout(max(left_seconds, 0.001))
        try:
            piece = self._socket.recv(_PIECE_BYTES)
        except TimeoutError as error:
            raise self._late() from error
        except OSError as error:
            raise self._gone(error) from error
        self.has_received = self.has_received or bool(piece)
        self._left += piece
        return bool(piece)

    def _late(self) -> EndpointAnswerError:
        return EndpointAnswerError(
            f"no answer within {self._timeout_seconds:g} s", hint="Give a longer --timeout."
        )

    def _gone(self, error: OSError | None) -> EndpointError:
        cause = error or ConnectionResetError("no answer")
        reason = explain(cause, self._url, self._credentials)
        if reason.is_known:  # TLS 1.3 refuses a client's certificate after the handshake
            return unreachable(cause, self._url, self._credentials)
        why = "" if error is None else f" ({error})"
        return EndpointAnswerError(f"the connection was closed before the answer{why}", hint=reason.hint)

    def _broken(self, what: str) -> EndpointAnswerError:
        return EndpointAnswerError(f"no HTTP/1.1 answer: {what}", hint="See its log.")
