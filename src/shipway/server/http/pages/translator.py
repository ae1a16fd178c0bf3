"""The paths that people and tools read: `/openapi.json` and `/docs`. Made anew when what is served changes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shipway.errors import ModelNotFoundError
from shipway.server.http.exchange import JSON, Exchange
from shipway.server.http.routes import Endpoint
from shipway.server.models.model import ServedModel
from shipway.server.service import Service, Waking

_HTML = b"text/html; charset=utf-8"
_READY = tuple[int, tuple[bool, ...]]


class PagesTranslator:
    """Answers `/openapi.json` and `/docs`."""

    def __init__(self, service: Service, *, needs_key: bool) -> None:
        self._service = service
        self._needs_key = needs_key
        self._kept: dict[str, tuple[_READY, bytes]] = {}

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        if path == ["openapi.json"]:
            return Endpoint(self._answer_openapi)
        return Endpoint(self._answer_page) if path == ["docs"] else None

    def _answer_openapi(self, exchange: Exchange) -> None:
        exchange.answer(200, self._keep("openapi", self._make_openapi), kind=JSON)

    def _answer_page(self, exchange: Exchange) -> None:
        from shipway.server.http.pages.page import SECURITY_HEADERS  # here: most servers are never asked

        exchange.answer(200, self._keep("page", self._make_page), kind=_HTML, headers=SECURITY_HEADERS)

    def _keep(self, what: str, make: Callable[[], bytes]) -> bytes:
        key = self._service.generation, tuple(model.is_ready for model in self._service)
        if what not in self._kept or self._kept[what][0] != key:
            self._kept[what] = key, make()
        return self._kept[what][1]

    def _make_openapi(self) -> bytes:
        from shipway.server.http.pages.openapi import openapi_document  # here: as above

        models = list(self._service)
        document = openapi_document(models, self._newest(), needs_key=self._needs_key)
        return msgspec.json.encode(document)

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
