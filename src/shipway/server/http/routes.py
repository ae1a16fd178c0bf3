"""Paths to answers: between exchanges and the service, and the boundary where errors become answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

import msgspec

from shipway.errors import (
    MalformedRequestError,
    MethodNotAllowedError,
    RouteNotFoundError,
    ShipwayError,
)
from shipway.server.http.content_coding import decompress
from shipway.server.http.exchange import OCTETS, Exchange
from shipway.server.http.v2.documents import index_document, model_document, server_document
from shipway.server.http.v2.reply import ReplyWriter
from shipway.server.http.v2.request import InferCall, RequestReader
from shipway.server.models.model import ServedModel
from shipway.server.scheduling.batching import Outcome
from shipway.server.service import Readiness, Service
from shipway.server.settings import ServerSettings

log = logging.getLogger("shipway.server")
_OFF_LOOP_BYTES = 64 * 2**10
"""Undoing the compression of more than this takes longer than the loop may stand still."""
_KNOWN_TARGETS = 1024


@dataclass(frozen=True, slots=True)
class InferRoute:
    """A model with what reads its requests and writes its replies."""

    model: ServedModel
    reader: RequestReader
    writer: ReplyWriter


class Routes:
    """Answers exchanges from one service."""

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self._service = service
        self._settings = settings
        self._calls: dict[bytes, InferRoute] = {}
        """By request target, for the models that `find` answered in this generation of the service."""
        self._routes: dict[ServedModel, InferRoute] = {}
        """One for each model, however many targets lead to it."""
        self._generation = -1

    def handle(self, exchange: Exchange) -> None:
        """Answers now or later. Never raises."""
        self._guard(self._route, exchange)

    def _guard(self, step: Callable[[Exchange], None], exchange: Exchange) -> None:
        try:
            step(exchange)
        except ShipwayError as error:
            exchange.fail(error)
        except Exception:  # the request boundary: whatever else is wrong, the client gets an answer
            log.exception("%r %r failed unexpectedly", exchange.head.method, exchange.head.target)
            exchange.fail(ShipwayError("The server failed on this request; its log has the reason."))

    def _route(self, exchange: Exchange) -> None:
        head = exchange.head
        if head.method == b"POST" and self._generation == self._service.generation:
            call = self._calls.get(head.target)
            if call is not None:
                self._infer(exchange, call)
                return
        path = _segments(head.target)
        answer = self._find(path)
        if answer is None and path[:2] == ["v2", "models"] and path[-1] == "infer":
            model = self._service.find(*_model_of(path, suffix=1))
            if _is_allowed(exchange, b"POST"):
                self._infer(exchange, self._remember(head.target, model))
            return
        if answer is None:
            raise RouteNotFoundError(
                f"No {head.target.decode('latin-1')[:200]!r} on this server.",
                hint="GET / shows its paths.",
            )
        if _is_allowed(exchange, b"GET", b"HEAD"):
            status, document = answer()
            retry = b"Retry-After: 1\r\n" if status == 503 else b""
            exchange.answer(status, msgspec.json.encode(document), headers=retry)

    def _remember(self, target: bytes, model: ServedModel) -> InferRoute:
        """The way to a model, kept under its target while the service finds the same there."""
        if self._generation != self._service.generation or len(self._calls) >= _KNOWN_TARGETS:
            self._calls.clear()
            self._routes.clear()
            self._generation = self._service.generation
        route = self._routes.get(model)
        if route is None:
            card = model.card
            route = self._routes[model] = InferRoute(
                model, RequestReader(card.signature), ReplyWriter(card.name, card.version, card.signature)
            )
        self._calls[target] = route
        return route

    def _find(self, path: list[str]) -> Callable[[], tuple[int, object]] | None:
        """What answers a GET on a path, or None."""
        match path:
            case []:
                return lambda: (200, index_document(self._service))
            case ["v2"]:
                return lambda: (200, server_document())
            case ["v2", "health", "live"]:
                return lambda: (200, {"live": True})
            case ["v2", "health", "ready"]:
                return lambda: _readiness({}, self._service.readiness())
            case ["v2", "models", _] | ["v2", "models", _, "versions", _]:
                return lambda: self._metadata(path)
            case ["v2", "models", _, "ready"] | ["v2", "models", _, "versions", _, "ready"]:
                return lambda: self._model_ready(path)
        return None

    def _metadata(self, path: list[str]) -> tuple[int, object]:
        model = self._service.find(*_model_of(path, suffix=0))
        return 200, model_document(model, self._service.versions(model.card.name))

    def _model_ready(self, path: list[str]) -> tuple[int, object]:
        model = self._service.find(*_model_of(path, suffix=1))
        return _readiness({"name": model.card.name}, self._service.model_readiness(model))

    def _infer(self, exchange: Exchange, route: InferRoute) -> None:
        coding = exchange.head.content_encoding
        if coding is None:
            self._infer_body(exchange, route, exchange.body)
        elif len(exchange.body) <= _OFF_LOOP_BYTES:
            self._infer_body(exchange, route, self._decompress(exchange.body, coding))
        else:
            loop = asyncio.get_running_loop()
            undone = loop.run_in_executor(None, self._decompress, exchange.body, coding)
            undone.add_done_callback(
                lambda future: self._guard(
                    lambda exchange: self._infer_body(exchange, route, future.result()), exchange
                )
            )

    def _decompress(self, body: bytes, coding: bytes) -> bytes:
        return decompress(body, coding.decode("latin-1"), limit=self._settings.max_body_bytes)

    def _infer_body(self, exchange: Exchange, route: InferRoute, body: bytes) -> None:
        call = route.reader.read(body, exchange.head.json_length)
        done = partial(_reply, exchange, route.writer, call)
        exchange.job = self._service.infer(route.model, call.inputs, done)


def _reply(exchange: Exchange, writer: ReplyWriter, call: InferCall, outcome: Outcome) -> None:
    """Answers with what a run gave."""
    try:
        if isinstance(outcome, ShipwayError):
            exchange.fail(outcome)
            return
        body, json_bytes = writer.write(call.id, outcome, call.outputs)
    except ShipwayError as error:
        exchange.fail(error)
    except Exception:  # the request boundary: neighbors in the batch must still get their answers
        log.exception("the answer to %r could not be written", exchange.head.target)
        exchange.fail(ShipwayError("The server failed on this answer; its log has the reason."))
    else:
        if json_bytes is None:
            exchange.answer(200, body)
        else:
            header = b"Inference-Header-Content-Length: %d\r\n" % json_bytes
            exchange.answer(200, body, kind=OCTETS, headers=header)


def _segments(target: bytes) -> list[str]:
    """A request target's path, decoded, without query. Raises `MalformedRequestError`."""
    path = target.split(b"?", 1)[0].split(b"#", 1)[0]
    if b"://" in path[:10]:  # the absolute form that proxies send (RFC 9112, 3.2.2)
        path = b"/" + path.split(b"://", 1)[1].partition(b"/")[2]
    try:
        segments = path.decode("ascii").strip("/").split("/")
    except UnicodeDecodeError as error:
        raise MalformedRequestError(
            "The path holds bytes that are not ASCII; they must be %-encoded."
        ) from error
    return [] if segments == [""] else [unquote(segment) for segment in segments]


def _model_of(path: list[str], *, suffix: int) -> tuple[str, str | None]:
    """Model and version of `v2/models/{m}[/versions/{v}]` followed by `suffix` segments."""
    middle = path[2 : len(path) - suffix]
    if len(middle) == 1:
        return middle[0], None
    if len(middle) == 3 and middle[1] == "versions":
        return middle[0], middle[2]
    raise RouteNotFoundError(f"No /{'/'.join(path)} on this server.", hint="GET / shows its paths.")


def _is_allowed(exchange: Exchange, *methods: bytes) -> bool:
    """True for one of the methods; otherwise the refusal is sent, with the methods that it must name."""
    if exchange.head.method in methods:
        return True
    target, found = exchange.head.target.decode("latin-1")[:200], exchange.head.method.decode("latin-1")
    expected = " and ".join(method.decode() for method in methods)
    error = MethodNotAllowedError(f"{target} takes {expected}, found {found}.")
    exchange.fail(error, headers=b"Allow: %b\r\n" % b", ".join(methods))
    return False


def _readiness(document: dict[str, object], readiness: Readiness) -> tuple[int, object]:
    if readiness.is_ready:
        return 200, {**document, "ready": True}
    return 503, {**document, "ready": False, "reason": readiness.reason}
