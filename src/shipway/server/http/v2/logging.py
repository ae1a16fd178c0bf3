"""The logging extension: which lines the server writes, read and changed while it runs, in Triton's form.

Source: triton-inference-server/server, docs/protocol/extension_logging.md. Lines go to standard error; a request
names no file to write to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from shipway.errors import MalformedRequestError, UnsupportedRequestError
from shipway.server.access.scopes import Scope
from shipway.server.fleet import Fleet
from shipway.server.http.bodies import Bodies
from shipway.server.http.boundary import guard
from shipway.server.http.exchange import Exchange
from shipway.server.http.routes import Endpoint

EXTENSION = "logging"
"""What the protocol calls it, and the fleet its operation."""
_LOGGER = logging.getLogger("shipway.server")
_LEVELS = {"log_info": logging.INFO, "log_warning": logging.WARNING, "log_error": logging.ERROR}


class LoggingRequest(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What is to change; the rest stays."""

    log_info: bool | None = None
    log_warning: bool | None = None
    log_error: bool | None = None
    log_verbose_level: int | None = None
    log_file: str = ""
    log_format: str = ""


_decode = msgspec.json.Decoder(LoggingRequest).decode


class LoggingTranslator:
    """Answers `/v2/logging` for all worker processes."""

    def __init__(self, fleet: Fleet, bodies: Bodies) -> None:
        self._fleet = fleet
        self._bodies = bodies

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        if path != ["v2", "logging"]:
            return None
        return Endpoint(self._handle, methods=(b"GET", b"HEAD", b"POST"), scope=Scope.ADMIN)

    def _handle(self, exchange: Exchange) -> None:
        if exchange.head.method == b"POST":
            self._bodies.read(exchange, lambda exchange, body: self._ask(exchange, _read(body)))
        else:
            self._ask(exchange, {})

    def _ask(self, exchange: Exchange, changes: Mapping[str, Any]) -> None:
        asking = asyncio.ensure_future(self._fleet.ask(EXTENSION, changes))
        asking.add_done_callback(
            lambda future: guard(
                lambda exchange: exchange.answer(200, msgspec.json.encode(future.result()[0])), exchange
            )
        )


def operation(logger: logging.Logger = _LOGGER) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
    """What one process does: changes what it is told to, and tells how it stands."""

    async def change(arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        settings = {**describe(logger), **arguments}
        if arguments:
            logger.setLevel(choose_level(settings))
        return describe(logger)

    return change


def choose_level(settings: Mapping[str, Any]) -> int:
    """The lowest level that is on; above ERROR where none is."""
    if settings["log_verbose_level"] > 0:
        return logging.DEBUG
    chosen = [level for name, level in _LEVELS.items() if settings[name]]
    return min(chosen, default=logging.CRITICAL)


def describe(logger: logging.Logger) -> dict[str, Any]:
    """How it stands, with every name that the extension has."""
    level = logger.getEffectiveLevel()
    return {
        "log_file": "",
        **{name: level <= needed for name, needed in _LEVELS.items()},
        "log_verbose_level": int(level <= logging.DEBUG),
        "log_format": "default",
    }


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = _decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequestError(f"The body is not of the logging extension: {error}.") from error
    if request.log_file or request.log_format not in ("", "default"):
        raise UnsupportedRequestError(
            "log_file and log_format are the server's own matter.",
            hint="Lines go to standard error; the setting log_format has their form.",
        )
    found = {
        "log_info": request.log_info,
        "log_warning": request.log_warning,
        "log_error": request.log_error,
        "log_verbose_level": request.log_verbose_level,
    }
    return {name: value for name, value in found.items() if value is not None}
