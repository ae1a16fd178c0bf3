"""All worker processes of a server as one: what is told about it, or changed in it, concerns each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

Operations = Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]]
"""By name, what one process does. Arguments and results are what JSON can hold: they may travel."""


class Fleet(Protocol):
    """The worker processes of this server, this one included."""

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        """What each process answers. Raises the first `ShipwayError` that one of them raised."""
        ...


class Alone:
    """A fleet of one process."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        """See `Fleet.ask`."""
        return [await self._operations[operation](arguments or {})]
