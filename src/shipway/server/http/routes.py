"""Paths to answers: which translator answers a request target, and whether this request may ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from shipway.errors import (
    MalformedRequestError,
    MethodNotAllowedError,
    RequestError,
    RouteNotFoundError,
)
from shipway.server.access.gate import Gate
from shipway.server.access.scopes import Scope
from shipway.server.http.boundary import answer_failure
from shipway.server.http.exchange import Exchange
from shipway.server.http.heads import Head
from shipway.server.service import Service, Waking

_KNOWN_TARGETS = 1024
_OPEN = Scope.OPEN  # an enum's member costs 0.15 µs to look up in Python 3.11


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers one path."""

    handle: Callable[[Exchange], None]
    """Answers now or later; may raise `ShipwayError`."""
    methods: tuple[bytes, ...] = (b"GET", b"HEAD")
    scope: Scope = Scope.INFER


class Translator(Protocol):
    """One protocol's paths."""

    def find(self, path: list[str]) -> Endpoint | None:
        """What answers a path, given as its decoded segments; None where it is not this protocol's.

        The answer is kept while `Service.generation` stands still. Raises `RequestError`.
        """
        ...


class Routes:
    """Answers exchanges by the first translator that knows their path."""

    def __init__(self, service: Service, translators: Sequence[Translator], gate: Gate | None = None) -> None:
        self._service = service
        self._gate = gate
        self._translators = translators
        self._known: dict[bytes, Endpoint] = {}
        """By request target, as found in this generation of the service."""
        self._generation = -1

    def handle(self, exchange: Exchange) -> None:
        """Answers now or later. Never raises."""
        head = exchange.head
        try:
            if head.reach == _OPEN:
                self._check_before_finding(head)
            endpoint = self._known.get(head.target) if self._generation == self._service.generation else None
            if endpoint is None:
                endpoint = self._find(head.target)
            if head.reach < endpoint.scope:
                raise self._refusal(head, endpoint.scope)
            if head.method in endpoint.methods:
                endpoint.handle(exchange)
            else:
                _refuse_method(exchange, endpoint.methods)
        except Waking as waking:
            waking.done.add_done_callback(lambda _: self.handle(exchange))
        except Exception as error:  # noqa: BLE001 - the request boundary
            answer_failure(exchange, error)

    def _check_before_finding(self, head: Head) -> None:
        """Without a key nobody learns which models there are, or wakes one that sleeps."""
        path = segments(head.target)
        if path[1:2] == ["models"] and path[-1] != "ready":
            raise self._refusal(head, Scope.INFER)

    def _refusal(self, head: Head, needed: Scope) -> RequestError:
        assert self._gate is not None  # without one every head reaches everything
        return self._gate.refusal(head.headers, needed)

    def _find(self, target: bytes) -> Endpoint:
        if self._generation != self._service.generation or len(self._known) >= _KNOWN_TARGETS:
            self._known.clear()
            self._generation = self._service.generation
        path = segments(target)
        for translator in self._translators:
            endpoint = translator.find(path)
            if endpoint is not None:
                self._known[target] = endpoint
                return endpoint
        raise RouteNotFoundError(
            f"No {target.decode('latin-1')[:200]!r} on this server.", hint="GET / shows its paths."
        )


def segments(target: bytes) -> list[str]:
    """A request target's path, decoded, without query. Raises `MalformedRequestError`."""
    path = target.split(b"?", 1)[0].split(b"#", 1)[0]
    if b"://" in path[:10]:  # the absolute form that proxies send (RFC 9112, 3.2.2)
        path = b"/" + path.split(b"://", 1)[1].partition(b"/")[2]
    try:
        found = path.decode("ascii").strip("/").split("/")
    except UnicodeDecodeError as error:
        raise MalformedRequestError(
            "The path holds bytes that are not ASCII; they must be %-encoded."
        ) from error
    return [] if found == [""] else [unquote(segment) for segment in found]


def _refuse_method(exchange: Exchange, methods: tuple[bytes, ...]) -> None:
    target, found = exchange.head.target.decode("latin-1")[:200], exchange.head.method.decode("latin-1")
    expected = " and ".join(method.decode() for method in methods)
    error = MethodNotAllowedError(f"{target} takes {expected}, found {found}.")
    exchange.fail(error, headers=b"Allow: %b\r\n" % b", ".join(methods))
