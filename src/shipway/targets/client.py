"""Asks one HTTP server over a connection that is kept; redirects are told and not followed, proxies not used.

`http.client` and not `urllib.request`: that one follows redirects, and takes the key along to whatever host they
name.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlsplit

from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import unreachable

PORTS = {"http": 80, "https": 443}
_PIECE_BYTES = 2**20
"""http.client takes the memory that a Content-Length claims at once; read in pieces, a false claim costs none."""
_LARGEST_REPLY_BYTES = 2**31


class Address(NamedTuple):
    """An address in its parts."""

    scheme: str
    host: str
    port: int
    netloc: str
    """Host and port as they were given."""
    path: str

    @property
    def url(self) -> str:
        """Without the path."""
        return f"{self.scheme}://{self.netloc}"


class Reply(NamedTuple):
    """An answer."""

    status: int
    headers: Message
    body: bytes


def split_url(url: str) -> Address:
    """Raises `UsageError` for what is no HTTP address, and for one with a name or password in it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port above 65535, an open bracket
        host, port, parts = None, None, urlsplit("")
    if "@" in parts.netloc:
        raise UsageError(
            f"The address of {host} has a user's name or password in it, which is not used and would be shown.",
            hint="Give a key in SHIPWAY_API_KEY, or with --api-key KEY.",
        )
    if not host or parts.scheme not in PORTS or not url.isprintable():
        raise UsageError(
            f"{url!r} is not an address that can be asked.",
            hint="Give it as http://HOST:PORT or https://HOST:PORT, with /v2/models/NAME for one model.",
        )
    return Address(parts.scheme, host, port or PORTS[parts.scheme], parts.netloc, parts.path)


class Client:
    """One server. One connection, kept open; not for several threads at once."""

    def __init__(self, address: Address, credentials: Credentials, *, timeout_seconds: float = 60.0) -> None:
        """Nothing is asked, and no file read, before the first use."""
        self.url = address.url
        self.credentials = credentials
        self._address = address
        self._timeout_seconds = timeout_seconds

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """None for plain HTTP. Raises `UsageError`."""
        return self.credentials.tls() if self._address.scheme == "https" else None

    @cached_property
    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.host, self._address.port
        if self.tls is None:
            return http.client.HTTPConnection(host, port, timeout=self._timeout_seconds)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout_seconds, context=self.tls)

    def close(self) -> None:
        """Closes the connection; the next request opens one."""
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
    ) -> Reply:
        """One request, of whatever status its answer is, with the key.

        Raises `EndpointUnreachableError`, `EndpointAnswerError` for an answer that does not end, `UsageError`
        for certificates that cannot be used.
        """
        sent = {**headers, **self.credentials.headers}
        connection = self._connection
        with self._unreachable():
            for attempt in (1, 2):
                try:
                    connection.request(method, path, body=body, headers=sent)
                    response = connection.getresponse()
                    return Reply(response.status, response.headers, self._read(response))
                except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                    # A kept connection may have been closed by the server in the meantime: once more, afresh.
                    connection.close()
                    if attempt == 2:
                        raise
        raise AssertionError("not reached")

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """The whole body. Raises `IncompleteRead`, and `EndpointAnswerError` for one that does not end."""
        pieces, size = [], 0
        while piece := response.read(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST_REPLY_BYTES:
                self.close()
                raise EndpointAnswerError(
                    f"{self.url} answered with more than {_LARGEST_REPLY_BYTES} bytes.",
                    hint="Check that the address is that of a V2 (Open Inference Protocol) server.",
                )
        if response.length:  # left of what Content-Length claimed; `read` in pieces does not complain itself
            raise http.client.IncompleteRead(b"".join(pieces), response.length)
        return b"".join(pieces)

    @contextmanager
    def _unreachable(self) -> Iterator[None]:
        try:
            yield
        except http.client.IncompleteRead as error:
            self.close()
            missing = f", {error.expected} bytes before its end" if error.expected else ""
            raise EndpointUnreachableError(
                f"{self.url} broke off its answer{missing}.", hint="See the server's log."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise unreachable(error, self.url, self.credentials) from error
