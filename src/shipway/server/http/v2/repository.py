"""The repository extension: which models there are, and loading and unloading them, in Triton's form.

Source: triton-inference-server/server, docs/protocol/extension_model_repository.md. What is loaded lies in the
folders that the server was started with: a request names it, and brings neither files nor paths
(GHSA-8fxr-qfr9-p34w is what comes of the opposite).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from shipway.errors import MalformedRequestError, RouteNotFoundError, UnsupportedRequestError
from shipway.server.access.scopes import Scope
from shipway.server.fleet import Fleet
from shipway.server.http.bodies import Bodies
from shipway.server.http.boundary import guard
from shipway.server.http.exchange import Exchange
from shipway.server.http.routes import Endpoint

EXTENSION = "model_repository"
Row = dict[str, str]
_READY = "READY"


class RepositoryRequest(msgspec.Struct):
    """The body of any of the three requests; all of it may be left out."""

    ready: bool = False
    parameters: dict[str, Any] = {}


_decode = msgspec.json.Decoder(RepositoryRequest).decode


class RepositoryTranslator:
    """Answers `/v2/repository/…` for all worker processes."""

    def __init__(self, fleet: Fleet, bodies: Bodies) -> None:
        self._fleet = fleet
        self._bodies = bodies

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        match path:
            case ["v2", "repository", "index"]:
                return self._endpoint(lambda request: ("index", {"ready": request.ready}))
            case ["v2", "repository", "models", name, ("load" | "unload") as operation]:
                return self._endpoint(lambda request: (operation, _arguments(request, name, None)))
            case ["v2", "repository", "models", name, "versions", version, ("load" | "unload") as operation]:
                return self._endpoint(lambda request: (operation, _arguments(request, name, version)))
        return None

    def _endpoint(self, read: Callable[[RepositoryRequest], tuple[str, dict[str, Any]]]) -> Endpoint:
        def ask(exchange: Exchange, body: bytes) -> None:
            operation, arguments = read(_read(body))
            asking = asyncio.ensure_future(self._fleet.ask(operation, arguments))
            asking.add_done_callback(
                lambda future: guard(
                    lambda exchange: exchange.answer(200, msgspec.json.encode(merge(future.result()))),
                    exchange,
                )
            )

        return Endpoint(
            lambda exchange: self._bodies.read(exchange, ask), methods=(b"POST",), scope=Scope.ADMIN
        )


class NoRepository:
    """In place of the above on a port that does not offer it: says where it is."""

    def __init__(self, *, is_elsewhere: bool) -> None:
        self._hint = (
            "It is on the management port."
            if is_elsewhere
            else "Start the server with --management-port PORT, and ask there."
        )

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`. Raises `RouteNotFoundError`."""
        if path[:2] == ["v2", "repository"]:
            raise RouteNotFoundError("This port does not load or unload models.", hint=self._hint)
        return None


def merge(told: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of all worker processes as one: a version is ready where it is ready in each."""
    merged: dict[tuple[str, str], Row] = {}
    for row in (row for rows in told for row in rows):
        key = row["name"], row["version"]
        if key not in merged or merged[key]["state"] == _READY:
            merged[key] = row
    return list(merged.values())


def _read(body: bytes) -> RepositoryRequest:
    if not body.strip():
        return RepositoryRequest()
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequestError(f"The body is not a repository request: {error}.") from error


def _arguments(request: RepositoryRequest, name: str, version: str | None) -> dict[str, Any]:
    for parameter in request.parameters:
        if parameter == "config" or parameter.startswith("file:"):
            raise UnsupportedRequestError(
                f"The parameter {parameter[:80]!r} brings a model along; models come from the server's folders.",
                hint="Put the bundle into the repository folder, and load it by its name.",
            )
        if parameter != "unload_dependents":
            raise UnsupportedRequestError(f"The parameter {parameter[:80]!r} is not offered.")
    return {"name": name} if version is None else {"name": name, "version": version}
