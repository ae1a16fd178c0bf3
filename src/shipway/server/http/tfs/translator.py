"""The paths of TensorFlow Serving's REST API: status, metadata, and the three verbs that ask a model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from time import perf_counter

import msgspec

from shipway.errors import RouteNotFoundError, ShipwayError
from shipway.server.http.bodies import Bodies
from shipway.server.http.exchange import Exchange
from shipway.server.http.routes import Endpoint
from shipway.server.http.tfs.documents import metadata_document, status_document
from shipway.server.http.tfs.verbs import VERBS, Verb, Write, make_verb
from shipway.server.http.v2.timing import read_timing
from shipway.server.models.model import ServedModel
from shipway.server.scheduling.jobs import Outcome
from shipway.server.service import Service

log = logging.getLogger("shipway.server")


class TfsTranslator:
    """Answers `/v1/models/…`."""

    def __init__(self, service: Service, bodies: Bodies) -> None:
        self._service = service
        self._bodies = bodies
        self._verbs: dict[tuple[ServedModel, str], Verb] = {}
        """One for each model and verb: making a decoder takes a millisecond."""
        self._generation = -1

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        if path[:2] != ["v1", "models"] or len(path) < 3:
            return None
        last, colon, verb = path[-1].rpartition(":")
        if colon and verb in VERBS:
            return self._asking([*path[2:-1], last], verb)
        if path[-1] == "metadata" and len(path) in (4, 6):
            return self._metadata(path[2:-1])
        return self._status(path[2:])

    def _asking(self, place: list[str], verb: str) -> Endpoint:
        find = self._finder(place)
        route = _Asking(self._service, self._bodies, find, partial(self._verb, verb))
        return Endpoint(route.handle, methods=(b"POST",))

    def _metadata(self, place: list[str]) -> Endpoint:
        sleeper = None
        if len(place) == 1 or self._version_of(place) is not None:
            sleeper = self._service.find_asleep(place[0], self._version_of(place))
        card = self._finder(place)().card if sleeper is None else sleeper.card
        return _document(lambda: metadata_document(card))

    def _version_of(self, place: list[str]) -> str | None:
        """What `versions/{v}` or `labels/{l}` stands for; None for neither, or an unknown label."""
        match place[1:]:
            case ["versions", version]:
                return version
            case ["labels", label]:
                return self._service.labels.get(place[0], {}).get(label)
        return None

    def _status(self, place: list[str]) -> Endpoint:
        service, name, wanted = self._service, place[0], self._version_of(place)
        asleep = [version for version in service.sleeping(name) if wanted in (None, version)]
        if not asleep or len(place) == 2 or (len(place) > 1 and wanted is None):
            self._finder(place)()  # raises where there is none
        loaded = [version for version in reversed(service.versions(name)) if wanted in (None, version)]
        models = [service.find(name, version) for version in loaded]
        return _document(lambda: status_document(models, asleep))

    def _finder(self, place: list[str]) -> Callable[[], ServedModel]:
        """Finds the model of `{m}`, `{m}/versions/{v}` or `{m}/labels/{l}`, when it is called."""
        service = self._service
        match place:
            case [name]:
                return partial(service.find, name)
            case [name, "versions", version]:
                return partial(service.find, name, version)
            case [name, "labels", label]:
                return partial(service.find, name, label=label)
        raise RouteNotFoundError(
            f"No /v1/models/{'/'.join(place)} on this server.", hint="GET / shows its paths."
        )

    def _verb(self, name: str, model: ServedModel) -> Verb:
        if self._generation != self._service.generation:
            self._verbs.clear()
            self._generation = self._service.generation
        key = model, name
        if key not in self._verbs:
            self._verbs[key] = make_verb(name, model.card)
        return self._verbs[key]


class _Asking:
    """A model with what reads its requests; a successor takes over when the model is replaced."""

    def __init__(
        self,
        service: Service,
        bodies: Bodies,
        find: Callable[[], ServedModel],
        verb_of: Callable[[ServedModel], Verb],
    ) -> None:
        self._service = service
        self._bodies = bodies
        self._find = find
        self._verb_of = verb_of
        self._model = find()
        self._verb = verb_of(self._model)

    def handle(self, exchange: Exchange) -> None:
        """Reads the request and gives it to the model; the reply follows."""
        if exchange.head.content_encoding is None:
            self._ask(exchange, exchange.body)
        else:
            self._bodies.read(exchange, self._ask)

    def _ask(self, exchange: Exchange, body: bytes) -> None:
        model, verb = self._model, self._verb
        if not model.is_ready:  # it may have been replaced while the body was being undone
            model = self._find()
            verb = self._verb_of(model)
        asked_at = perf_counter()
        try:
            inputs, write = verb.read(body)
            done = partial(_reply, exchange, write, model)
            if exchange.head.timeout is None:
                exchange.job = self._service.infer(model, inputs, done, asked_at=asked_at)
                return
            timeout, priority = read_timing(None, exchange.head.timeout)
            exchange.job = self._service.infer(
                model, inputs, done, asked_at=asked_at, timeout_seconds=timeout, priority=priority
            )
        except ShipwayError as error:
            model.metrics.count_refusal(error)
            raise


def _reply(exchange: Exchange, write: Write, model: ServedModel, outcome: Outcome) -> None:
    """Answers with what a run gave."""
    try:
        if isinstance(outcome, ShipwayError):
            exchange.fail(outcome)
            return
        body = write(outcome)
    except ShipwayError as error:
        model.metrics.count_unwritten(error.code)
        exchange.fail(error)
    except Exception:  # the request boundary: neighbors in the batch must still get their answers
        model.metrics.count_unwritten(ShipwayError.code)
        log.exception("the answer to %r could not be written", exchange.head.target)
        exchange.fail(ShipwayError("The server failed on this answer; its log has the reason."))
    else:
        exchange.answer(200, body)


def _document(make: Callable[[], object]) -> Endpoint:
    return Endpoint(lambda exchange: exchange.answer(200, msgspec.json.encode(make())))
