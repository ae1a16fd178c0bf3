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
    except ShipwayError as error:
        exchange.fail(error)
    except Exception:  # the boundary's own purpose
        log.exception("%r %r failed unexpectedly", exchange.head.method, exchange.head.target)
        exchange.fail(ShipwayError("The server failed on this request; its log has the reason."))
