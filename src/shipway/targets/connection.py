"""One kept HTTP/1.1 connection for a load generator: a request whose bytes are ready, again and again.

asyncio and not threads: with threads the interpreter's lock is handed over every 5 ms, which would show up as
latency of the service.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from shipway.errors import EndpointAnswerError, EndpointUnreachableError
from shipway.targets.client import split_url
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import key_refused, unreachable

_LARGEST_HEAD = 64 * 2**10
_SHOWN_BYTES = 200


def request_bytes(url: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A whole POST request, ready to be sent."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def open_connection(
    url: str,
    request: bytes,
    *,
    credentials: Credentials | None = None,
    tls: ssl.SSLContext | None = None,
    timeout_seconds: float = 60.0,
) -> tuple[Callable[[], Awaitable[None]], Callable[[], None]]:
    """Connects; gives the way to ask once and wait for the answer, and the way to close.

    The key stands in `request` already; `tls` is for an https address, made once for all connections to it. A
    server that closes after its answer, and says so, is connected to again for the next. Asking raises
    `EndpointAnswerError` for any status but 200, `EndpointUnreachableError` when the other side goes away or
    does not answer within `timeout_seconds`.
    """
    connection = _Connection(url, request, credentials or Credentials(), tls, timeout_seconds)
    await connection.open()
    return connection.ask, connection.close


class _Connection:
    """One connection at a time, and the request that is sent on it."""

    def __init__(
        self,
        url: str,
        request: bytes,
        credentials: Credentials,
        tls: ssl.SSLContext | None,
        timeout_seconds: float,
    ) -> None:
        self._url = url
        self._address = split_url(url)
        self._request = request
        self._credentials = credentials
        self._tls = tls
        self._timeout_seconds = timeout_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                self._streams = await asyncio.open_connection(
                    self._address.host, self._address.port, limit=_LARGEST_HEAD, ssl=self._tls
                )
        except OSError as error:  # TimeoutError and SSLError are some
            raise unreachable(error, self._url, self._credentials) from error
        return self._streams

    async def ask(self) -> None:
        reader, writer = self._streams or await self.open()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                writer.write(self._request)
                head = _read_head(self._url, await reader.readuntil(b"\r\n\r\n"))
                start = await _read_body(reader, head.length)
        except TimeoutError as error:
            raise EndpointUnreachableError(
                f"{self._url} did not answer within {self._timeout_seconds:g} s under load.",
                hint="See the server's log.",
            ) from error
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise EndpointUnreachableError(
                f"{self._url} went away under load: {error}.", hint="See the server's log."
            ) from error
        if head.status != 200:
            raise key_refused(head.status, self._url, self._credentials) or EndpointAnswerError(
                f"{self._url} answered with status {head.status} under load: "
                f"{self._credentials.hide(repr(start))}.",
                hint="See the server's log.",
            )
        if head.is_last:
            self.close()

    def close(self) -> None:
        if self._streams is not None:
            # TLS' closing words need the loop to turn several times, and it may end with the measurement.
            self._streams[1].transport.abort()
            self._streams = None


class _Head(NamedTuple):
    status: int
    length: int
    is_last: bool
    """The server closes the connection after this answer."""


async def _read_body(reader: asyncio.StreamReader, length: int) -> bytes:
    """Reads the body away, in pieces, so that a false Content-Length takes no memory; gives its first bytes."""
    start = await reader.readexactly(min(length, _SHOWN_BYTES))
    left = length - len(start)
    while left:
        left -= len(await reader.readexactly(min(left, _LARGEST_HEAD)))
    return start


def _read_head(url: str, head: bytes) -> _Head:
    first, *lines = head.split(b"\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    try:
        length = int(headers[b"content-length"])
        if length < 0:
            raise ValueError(length)
        is_last = first.startswith(b"HTTP/1.0") or headers.get(b"connection", b"").lower() == b"close"
        return _Head(int(first.split(b" ")[1]), length, is_last)
    except (IndexError, KeyError, ValueError) as error:
        raise EndpointAnswerError(
            f"{url} answered without a status or a Content-Length: {first[:80]!r}.",
            hint="Its speed cannot be measured through this proxy; measure at the server's own address.",
        ) from error
