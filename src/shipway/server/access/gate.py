"""Who may ask for what, by the head of a request: keys where there are any, and what is refused without them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shipway.errors import ForbiddenError, RequestError, UnauthorizedError
from shipway.server.access.keys import Key, reach_of, read_keys
from shipway.server.access.scopes import Scope

Headers = Mapping[bytes, bytes]
_BEARER = b"bearer "


class Gate:
    """Of one port. Without keys everyone on this machine passes, but for web pages that a browser shows."""

    def __init__(self, path: Path | None) -> None:
        """Reads the keys file. Raises `UsageError`, `PermissionDeniedError`."""
        self._path = path
        self._keys: tuple[Key, ...] | None = None
        self.read_anew()

    @property
    def has_keys(self) -> bool:
        """Whether requests must bring one."""
        return self._keys is not None

    def read_anew(self) -> None:
        """The keys file has changed. Raises as at first, and then keeps the keys that it has."""
        if self._path is not None:
            self._keys = read_keys(self._path)

    def reach_of(self, headers: Headers) -> Scope:
        """How far a request with this head may go. Names of headers are in lower case.

        `Authorization: Bearer KEY` (RFC 6750, 2.1) or `X-Api-Key: KEY`.
        """
        if self._keys is None:
            # A page of another site can make a browser on this machine send requests; it then says whose.
            return Scope.OPEN if b"origin" in headers else Scope.ADMIN
        sent = _key_in(headers)
        return Scope.OPEN if sent is None else reach_of(self._keys, sent)

    def refusal(self, headers: Headers, needed: Scope) -> RequestError:
        """Why such a request does not reach `needed`."""
        if self._keys is None:
            return ForbiddenError(
                "A web page (header Origin) may not use a port that has no keys.",
                hint="Give the server a keys file: management_keys.",
            )
        scope = needed.name.lower()
        if _key_in(headers) is None:
            return UnauthorizedError(
                f"This needs a key with the scope {scope}; the request has none.",
                hint="Send Authorization: Bearer KEY, or X-Api-Key: KEY.",
            )
        reach = self.reach_of(headers)
        if reach is Scope.OPEN:
            return UnauthorizedError("The request's key is not one of this server's.")
        return ForbiddenError(f"This needs the scope {scope}; the request's key has {reach.name.lower()}.")


def has_key(headers: Headers) -> bool:
    """Whether a request brings a key, known or not."""
    return b"authorization" in headers or b"x-api-key" in headers


def _key_in(headers: Headers) -> bytes | None:
    sent = headers.get(b"authorization")
    if sent is not None and sent[: len(_BEARER)].lower() == _BEARER:
        return sent[len(_BEARER) :].strip()
    return headers.get(b"x-api-key")
