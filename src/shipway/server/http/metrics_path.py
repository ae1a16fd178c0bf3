"""`GET /metrics`: what every worker process counted, added up, in the form that Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shipway.server.access.scopes import Scope
from shipway.server.fleet import Fleet
from shipway.server.http.boundary import guard
from shipway.server.http.exchange import Exchange
from shipway.server.http.routes import Endpoint
from shipway.server.observation.merging import SNAPSHOT, Snapshot, merge


class MetricsPath:
    """Answers `/metrics`."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        return Endpoint(self._answer, scope=Scope.INFER) if path == ["metrics"] else None

    def _answer(self, exchange: Exchange) -> None:
        # Here: for those who are scraped, and not before the first answer.
        from shipway.server.observation.exposition import OPEN_METRICS, TEXT, accepts_open_metrics, expose

        is_open = accepts_open_metrics(exchange.head.headers.get(b"accept"))

        def answer(exchange: Exchange, snapshot: Snapshot) -> None:
            kind = OPEN_METRICS if is_open else TEXT
            exchange.answer(200, expose(snapshot, is_open_metrics=is_open), kind=kind)

        ask_all(self._fleet, exchange, answer)


def ask_all(fleet: Fleet, exchange: Exchange, answer: Callable[[Exchange, Snapshot], None]) -> None:
    """Calls `answer` with the merged snapshot of all processes, later; failures are answered as errors."""

    async def ask() -> Snapshot:
        return merge(await fleet.ask(SNAPSHOT))

    asking = asyncio.ensure_future(ask())
    asking.add_done_callback(
        lambda future: guard(lambda exchange: answer(exchange, future.result()), exchange)
    )
