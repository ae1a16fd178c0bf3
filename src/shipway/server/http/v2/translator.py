"""The paths of the Open Inference Protocol V2: health, metadata, inference."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

import msgspec

from shipway.errors import RouteNotFoundError, ShipwayError
from shipway.server.access.scopes import Scope
from shipway.server.http.bodies import Bodies
from shipway.server.http.exchange import OCTETS, Exchange
from shipway.server.http.routes import Endpoint
from shipway.server.http.v2.configuration import configuration_document
from shipway.server.http.v2.documents import model_document, server_document
from shipway.server.http.v2.reply import ReplyWriter
from shipway.server.http.v2.request import InferCall, RequestReader
from shipway.server.http.v2.timing import read_timing
from shipway.server.models.card import Sleeper
from shipway.server.models.model import ServedModel
from shipway.server.scheduling.jobs import Outcome
from shipway.server.service import Readiness, Service

log = logging.getLogger("shipway.server")
Document = tuple[int, object]
"""A status and what becomes the body."""


class V2Translator:
    """Answers `/v2/…`."""

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        more_extensions: Sequence[str] = (),
        *,
        max_json_depth: int = 64,
    ) -> None:
        self._max_json_depth = max_json_depth
        self._more_extensions = more_extensions
        """Of the protocol, which other translators of the same port offer."""
        self._service = service
        self._bodies = bodies
        self._inferring: dict[tuple[ServedModel, bool], InferRoute] = {}
        """One for each model, however many targets lead to it: making its decoders takes a millisecond."""
        self._generation = -1

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        service = self._service
        match path:
            case ["v2"]:
                return _document(lambda: (200, server_document(self._more_extensions)), Scope.OPEN)
            case ["v2", "health", "live"]:
                return _document(lambda: (200, {"live": True}), Scope.OPEN)
            case ["v2", "health", "ready"]:
                return _document(lambda: _readiness({}, service.readiness()), Scope.OPEN)
            case ["v2", "models", *_, "infer"]:
                name, version = model_of(path, suffix=1)
                route = self._infer_route(service.find(name, version), is_versioned=version is not None)
                return Endpoint(route.handle, methods=(b"POST",))
            case ["v2", "models", *_, "config"]:
                return _document(lambda: (200, configuration_document(self._told(path, suffix=1))))
            case ["v2", "models", *_, "ready"]:
                return _document(lambda: self._model_ready(path), Scope.OPEN)
            case ["v2", "models", _] | ["v2", "models", _, "versions", _]:
                return _document(lambda: self._metadata(path))
        return None

    def _infer_route(self, model: ServedModel, *, is_versioned: bool) -> InferRoute:
        if self._generation != self._service.generation:
            self._inferring.clear()
            self._generation = self._service.generation
        key = model, is_versioned
        if key not in self._inferring:
            self._inferring[key] = InferRoute(
                self._service,
                model,
                self._bodies,
                is_versioned=is_versioned,
                max_json_depth=self._max_json_depth,
            )
        return self._inferring[key]

    def _metadata(self, path: list[str]) -> Document:
        model = self._told(path, suffix=0)
        versions = self._service.versions(model.card.name) or [model.card.version]
        return 200, model_document(model, versions)

    def _told(self, path: list[str], *, suffix: int) -> ServedModel | Sleeper:
        """What a document is about. Only inference wakes a version that sleeps."""
        name, version = model_of(path, suffix=suffix)
        return self._service.find_asleep(name, version) or self._service.find(name, version)

    def _model_ready(self, path: list[str]) -> Document:
        model = self._told(path, suffix=1)
        if isinstance(model, Sleeper):  # an orchestrator that asks before it sends must not be told to wait
            return 200, {"name": model.card.name, "ready": True}
        return _readiness({"name": model.card.name}, self._service.model_readiness(model))


class InferRoute:
    """A model with what reads its requests and writes its replies."""

    def __init__(
        self, service: Service, model: ServedModel, bodies: Bodies, *, is_versioned: bool, max_json_depth: int
    ) -> None:
        self._max_json_depth = max_json_depth
        card = model.card
        self._is_versioned = is_versioned
        """The request names the version itself."""
        self._service = service
        self._model = model
        self._bodies = bodies
        self._reader = RequestReader(card.signature, max_json_depth=max_json_depth)
        self._writer = ReplyWriter(card.name, card.version, card.signature)

    def handle(self, exchange: Exchange) -> None:
        """Reads the request and gives it to the model; the reply follows."""
        if exchange.head.content_encoding is None:
            self._ask(exchange, exchange.body)
        else:
            self._bodies.read(exchange, self._ask)

    def _ask(self, exchange: Exchange, body: bytes) -> None:
        if not self._model.is_ready and self._give_to_next(exchange):
            return
        asked_at = perf_counter()
        head, model = exchange.head, self._model
        call: InferCall | None = None
        try:
            call = self._reader.read(body, head.json_length)
            done = partial(_reply, exchange, self._writer, model, call)
            if call.parameters is None and head.timeout is None:
                exchange.job = self._service.infer(model, call.inputs, done, asked_at=asked_at)
                return
            timeout, priority = read_timing(call.parameters, head.timeout)
            exchange.job = self._service.infer(
                model, call.inputs, done, asked_at=asked_at, timeout_seconds=timeout, priority=priority
            )
        except ShipwayError as error:
            model.metrics.count_refusal(error)
            if call is not None:
                exchange.call_id = call.id
            raise

    def _give_to_next(self, exchange: Exchange) -> bool:
        """A model was replaced while this body was still being undone; its successor answers."""
        card = self._model.card
        found = self._service.find(card.name, card.version if self._is_versioned else None)
        if found is self._model:
            return False
        InferRoute(
            self._service,
            found,
            self._bodies,
            is_versioned=self._is_versioned,
            max_json_depth=self._max_json_depth,
        ).handle(exchange)
        return True


def _reply(
    exchange: Exchange, writer: ReplyWriter, model: ServedModel, call: InferCall, outcome: Outcome
) -> None:
    """Answers with what a run gave."""
    if call.id:
        exchange.call_id = call.id
    try:
        if isinstance(outcome, ShipwayError):
            exchange.fail(outcome)
            return
        body, json_bytes = writer.write(call.id, outcome, call.outputs)
    except ShipwayError as error:
        model.metrics.count_unwritten(error.code)
        exchange.fail(error)
    except Exception:  # the request boundary: neighbors in the batch must still get their answers
        model.metrics.count_unwritten(ShipwayError.code)
        log.exception("the answer to %r could not be written", exchange.head.target)
        exchange.fail(ShipwayError("The server failed on this answer; its log has the reason."))
    else:
        if json_bytes is None:
            exchange.answer(200, body)
        else:
            header = b"Inference-Header-Content-Length: %d\r\n" % json_bytes
            exchange.answer(200, body, kind=OCTETS, headers=header)


def _document(find: Callable[[], Document], scope: Scope = Scope.INFER) -> Endpoint:
    """Answers GET with a document that is made anew for each request."""

    def handle(exchange: Exchange) -> None:
        status, document = find()
        retry = b"Retry-After: 1\r\n" if status == 503 else b""
        exchange.answer(status, msgspec.json.encode(document), headers=retry)

    return Endpoint(handle, scope=scope)


def model_of(path: list[str], *, suffix: int) -> tuple[str, str | None]:
    """Model and version of `v2/models/{m}[/versions/{v}]` followed by `suffix` segments."""
    middle = path[2 : len(path) - suffix]
    if len(middle) == 1:
        return middle[0], None
    if len(middle) == 3 and middle[1] == "versions":
        return middle[0], middle[2]
    raise RouteNotFoundError(f"No /{'/'.join(path)} on this server.", hint="GET / shows its paths.")


def _readiness(document: dict[str, object], readiness: Readiness) -> Document:
    if readiness.is_ready:
        return 200, {**document, "ready": True}
    return 503, {**document, "ready": False, "reason": readiness.reason}
