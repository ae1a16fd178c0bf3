"""The request boundary: whatever goes wrong while a request is answered, its client gets an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from shipway.errors import ShipwayError
from shipway.server.http.exchange import Exchange

log = logging.getLogger("shipway.server")


def guard(step: Callable[[Exchange], None], exchange: Exchange) -> None:
    """Takes a step towards an answer; what it raises becomes the answer. Never raises."""
    try:
        step(exchange)
    except Exception as error:  # noqa: BLE001 - the boundary's own purpose
        answer_failure(exchange, error)


def answer_failure(exchange: Exchange, error: Exception) -> None:
    """Answers with what went wrong: ours as it is, anything else as the server's fault, which its log tells."""
    if isinstance(error, ShipwayError):
        exchange.fail(error)
        return
    log.error("%r %r failed unexpectedly", exchange.head.method, exchange.head.target, exc_info=error)
    exchange.fail(ShipwayError("The server failed on this request; its log has the reason."))
