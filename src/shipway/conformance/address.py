"""A server's address as users write it, and how each check connects to it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from shipway.conformance.exchange import Connection, Headers, Reply
from shipway.errors import EndpointAnswerError, UsageError
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import key_refused

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    scheme: str
    host: str
    port: int
    prefix: str
    """What stands before `/v2` and `/v1` in every path."""
    model: str | None
    """The model that the address names, if it names one."""

    @property
    def url(self) -> str:
        """Without the path."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Address:
        """`http://HOST:PORT[/PREFIX][/v2/models/NAME]`. Raises `UsageError`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:  # a port above 65535, an open bracket
            host, port, parts = None, None, urlsplit("")
        if not host or parts.scheme not in _PORTS or not url.isprintable() or " " in url:
            raise UsageError(
                f"{url!r} is not an address that can be asked.",
                hint="Give it as http://HOST:PORT or https://HOST:PORT.",
            )
        prefix, model = _split_path(parts.path)
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], prefix, model)


def _split_path(path: str) -> tuple[str, str | None]:
    segments = path.rstrip("/").split("/")
    for version in ("v2", "v1"):
        if version in segments:
            at = segments.index(version)
            rest = segments[at + 1 :]
            model = unquote(rest[1]) if len(rest) > 1 and rest[0] == "models" else None
            return "/".join(segments[:at]), model
    return "/".join(segments), None


class Client:
    """Asks one server: on a connection that is kept, or on fresh ones where a check needs its own."""

    def __init__(
        self,
        address: Address,
        *,
        timeout_seconds: float,
        credentials: Credentials | None = None,
    ) -> None:
        """Raises `UsageError` for certificates that cannot be used."""
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._credentials = credentials or Credentials()
        self._tls = self._credentials.tls() if address.scheme == "https" else None
        self._kept: Connection | None = None
        self.last: Reply | None = None
        """The answer that came last: what a report shows of a check that failed."""

    @property
    def url(self) -> str:
        """The server's, without a path."""
        return self._address.url

    def path(self, path: str) -> str:
        """A path of the protocol as this server has it."""
        return f"{self._address.prefix}{path}"

    def connect(self) -> Connection:
        """A connection of one's own. Raises `EndpointUnreachableError`."""
        return Connection(
            self._address.host,
            self._address.port,
            tls=self._tls,
            timeout_seconds=self._timeout_seconds,
            credentials=self._credentials,
        )

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Headers = {}) -> Reply:  # noqa: B006 - read only
        """One request and its answer. Raises `EndpointAnswerError`, `EndpointUnreachableError`."""
        self.last = None
        is_kept = self._kept is not None
        connection = self._kept or self.connect()
        connection.has_received = False
        try:
            reply = connection.request(method, self.path(path), body, headers)
        except EndpointAnswerError:
            connection.close()
            self._kept = None
            if not is_kept or connection.has_received:
                raise
            # A kept connection may have been closed in the meantime: once more, afresh.
            return self.ask(method, path, body, headers)
        self._kept = connection
        if reply.is_last:
            self.close()
        self.last = reply
        return reply

    def require_access(self, reply: Reply) -> None:
        """Raises `EndpointAnswerError` where a key is missing, unknown or of too small a scope."""
        refused = key_refused(reply.status, self.url, self._credentials)
        if refused is not None:
            raise refused

    def close(self) -> None:
        """Closes the kept connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
