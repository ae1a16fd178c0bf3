"""The paths that people and tools read: `/`, `/openapi.json`, `/docs`. Made anew when what is served changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from shipway.errors import ModelNotFoundError
from shipway.server.access.gate import Gate, has_key
from shipway.server.access.scopes import Scope
from shipway.server.http.exchange import JSON, Exchange
from shipway.server.http.heads import Head
from shipway.server.http.routes import Endpoint
from shipway.server.models.model import ServedModel
from shipway.server.service import Service, Waking

_HTML = b"text/html; charset=utf-8"
_TO_PAGE = b'<!doctype html><title>Shipway server</title><a href="/docs">/docs</a>'
_VARY = b"Vary: Accept\r\n"
_NOT_KEPT = b"Cache-Control: no-store\r\n"
"""The page differs by key: none may be shown to another from a cache."""
_State = tuple[int, tuple[bool, ...], Mapping[str, Mapping[str, str]]]
"""What the pages show: generation, readiness, labels."""


class PagesTranslator:
    """Answers `/`, `/openapi.json` and `/docs` on one port."""

    def __init__(
        self,
        service: Service,
        gate: Gate | None,
        extensions: Sequence[str] = (),
        *,
        asks_models: bool = True,
    ) -> None:
        """`gate`, the protocol's extensions, and whether models may be asked: of this port."""
        self._service = service
        self._gate = gate
        self._extensions = extensions
        self._asks_models = asks_models
        self._needs_key = gate is not None and gate.has_keys
        self._kept: dict[str, tuple[_State, bytes]] = {}

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        # A browser brings no key where a person types an address: it is led to a page that asks for one.
        scope = Scope.OPEN if self._needs_key else Scope.INFER
        match path:
            case []:
                return Endpoint(self._answer_index, scope=scope)
            case ["docs"]:
                return Endpoint(self._answer_page, scope=scope)
            case ["openapi.json"]:
                return Endpoint(self._answer_openapi)
        return None

    def _answer_index(self, exchange: Exchange) -> None:
        from shipway.server.http.v2.documents import index_document  # here: as below

        if prefers_html(exchange.head.headers.get(b"accept")):
            exchange.answer(302, _TO_PAGE, kind=_HTML, headers=b"Location: /docs\r\n" + _VARY)
            return
        self._require_key(exchange.head)
        exchange.answer(200, msgspec.json.encode(index_document(self._service)), headers=_VARY)

    def _answer_openapi(self, exchange: Exchange) -> None:
        exchange.answer(200, self._keep("openapi", self._make_openapi), kind=JSON)

    def _answer_page(self, exchange: Exchange) -> None:
        from shipway.server.http.pages.page import SECURITY_HEADERS  # here: most servers are never asked

        head = exchange.head
        if has_key(head.headers):
            self._require_key(head)  # a wrong one is told so
        what, make = ("page", self._make_page) if head.reach >= Scope.INFER else ("shell", _make_shell)
        headers = SECURITY_HEADERS + _NOT_KEPT if self._needs_key else SECURITY_HEADERS
        exchange.answer(200, self._keep(what, make), kind=_HTML, headers=headers)

    def _require_key(self, head: Head) -> None:
        if head.reach < Scope.INFER:
            assert self._gate is not None  # without one every head reaches everything
            raise self._gate.refusal(head.headers, Scope.INFER)

    def _keep(self, what: str, make: Callable[[], bytes]) -> bytes:
        service = self._service
        key = service.generation, tuple(model.is_ready for model in service), service.labels
        if what not in self._kept or self._kept[what][0] != key:
            self._kept[what] = key, make()
        return self._kept[what][1]

    def _make_openapi(self) -> bytes:
        from shipway.server.http.pages.openapi import Offer, openapi_document  # here: as above

        service = self._service
        offer = Offer(self._needs_key, self._asks_models, self._extensions)
        return msgspec.json.encode(openapi_document(list(service), self._newest(), service.labels, offer))

    def _make_page(self) -> bytes:
        from shipway.server.http.pages.page import render_page  # here: as above

        return render_page(list(self._service), needs_key=self._needs_key).encode()

    def _newest(self) -> dict[str, ServedModel]:
        """What answers without a version."""
        found: dict[str, ServedModel] = {}
        for name in self._service.names():
            try:
                found[name] = self._service.find(name)
            except (ModelNotFoundError, Waking):  # its last version is just being unloaded
                continue
        return found


def prefers_html(accept: bytes | None) -> bool:
    """A browser names `text/html` first; tools name `application/json`, `*/*` or nothing."""
    before, found, _ = (accept or b"").lower().partition(b"text/html")
    return bool(found) and b"application/json" not in before


def _make_shell() -> bytes:
    from shipway.server.http.pages.page import render_shell  # here: as above

    return render_shell().encode()
