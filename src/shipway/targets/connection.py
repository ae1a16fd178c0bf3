"""One kept HTTP/1.1 connection for a load generator: a request whose bytes are ready, again and again.

asyncio and not threads: with threads the interpreter's lock is handed over every 5 ms, which would show up as
latency of the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from shipway.errors import EndpointAnswerError, EndpointUnreachableError

_LARGEST_HEAD = 64 * 2**10


def request_bytes(url: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A whole POST request, ready to be sent."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def open_connection(
    url: str, request: bytes
) -> tuple[Callable[[], Awaitable[None]], Callable[[], None]]:
    """Connects; gives the way to ask once and wait for the answer, and the way to close.

    Asking raises `EndpointAnswerError` for any status but 200, `EndpointUnreachableError` when the other side
    goes away.
    """
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=_LARGEST_HEAD)
    except OSError as error:
        raise EndpointUnreachableError(
            f"Nothing answers at {url}: {error}.", hint="Is it running?"
        ) from error

    async def ask() -> None:
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length = _read_head(url, head)
            body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise EndpointUnreachableError(
                f"{url} went away: {error}.", hint="See the server's log."
            ) from error
        if status != 200:
            raise EndpointAnswerError(
                f"{url} answered with status {status} under load: {body[:200]!r}.",
                hint="See the server's log.",
            )

    return ask, writer.close


def _read_head(url: str, head: bytes) -> tuple[int, int]:
    """Status and content length."""
    first, *lines = head.split(b"\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    try:
        return int(first.split(b" ")[1]), int(headers[b"content-length"])
    except (IndexError, KeyError, ValueError) as error:
        raise EndpointAnswerError(
            f"{url} answered without a status or a Content-Length: {first[:80]!r}.",
            hint="Its speed cannot be measured through this proxy; measure at the server's own address.",
        ) from error
