"""A request's body without its content coding: undone on the loop while small, else in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shipway.server.http.boundary import guard
from shipway.server.http.content_coding import decompress
from shipway.server.http.exchange import Exchange

_OFF_LOOP_BYTES = 64 * 2**10
"""Undoing the compression of more than this takes longer than the loop may stand still."""


class Bodies:
    """Reads bodies of at most `limit` bytes, once their coding is undone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def read(self, exchange: Exchange, then: Callable[[Exchange, bytes], None]) -> None:
        """Calls `then` with the body, now or from the loop; what it raises then is answered all the same.

        Raises `UnsupportedRequestError`, `RequestTooLargeError`, `MalformedRequestError`, and what `then` raises.
        """
        coding = exchange.head.content_encoding
        if coding is None:
            then(exchange, exchange.body)
        elif len(exchange.body) <= _OFF_LOOP_BYTES:
            then(exchange, self._decompress(exchange.body, coding))
        else:
            undone = asyncio.get_running_loop().run_in_executor(None, self._decompress, exchange.body, coding)
            undone.add_done_callback(
                lambda future: guard(lambda exchange: then(exchange, future.result()), exchange)
            )

    def _decompress(self, body: bytes, coding: bytes) -> bytes:
        return decompress(body, coding.decode("latin-1"), limit=self._limit)
