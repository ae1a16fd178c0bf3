"""The worker's end of the control channel: what the supervisor says, and questions to all workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, cast

from shipway.errors import ShipwayError, UnavailableError
from shipway.server.fleet import Operations
from shipway.server.workers.messages import Message, Unpacker, pack, read_error, spell_error
from shipway.server.workers.restarts import HEARTBEAT_SECONDS

log = logging.getLogger("shipway.server")


class Channel(asyncio.Protocol):
    """Belongs to one event loop. `handlers` answer messages by kind; `on_end` is for the supervisor's end."""

    def __init__(self, handlers: Mapping[str, Callable[[Message], None]], on_end: Callable[[], None]) -> None:
        self._handlers = handlers
        self._on_end = on_end
        self._unpacker = Unpacker()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel stands."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._beat()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The supervisor is gone."""
        self._transport = None
        self._on_end()

    def data_received(self, data: bytes) -> None:
        """Each complete message goes to its handler."""
        for message in self._unpacker.feed(data):
            self._handlers[message["kind"]](message)

    def send(self, kind: str, **fields: object) -> None:
        """Tells the supervisor, if it is still there."""
        if self._transport is not None:
            self._transport.write(pack({"kind": kind, **fields}))

    def _beat(self) -> None:
        if self._transport is not None:
            self.send("heartbeat")
            asyncio.get_running_loop().call_later(HEARTBEAT_SECONDS, self._beat)


class RemoteFleet:
    """All workers of the supervisor at the other end. See `Fleet`."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.channel: Channel | None = None
        """Set once it stands."""

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        """See `Fleet.ask`. Raises `UnavailableError` too, when a worker ends in the middle of it."""
        if self.channel is None:
            raise _gone()
        self._count += 1
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._count] = answer
        self.channel.send("ask", ticket=self._count, operation=operation, arguments=arguments or {})
        return await answer

    def on_answered(self, message: Message) -> None:
        """What an `ask` of this process came to."""
        answer = self._waiting.pop(message["ticket"], None)
        if answer is None or answer.done():  # whoever asked has gone
            return
        if message["error"] is None:
            answer.set_result(message["results"])
        else:
            answer.set_exception(read_error(message["error"]))

    def on_do(self, message: Message) -> None:
        """This process's part in an operation."""
        task = asyncio.get_running_loop().create_task(self._do(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def replay(self, journal: list[dict[str, Any]]) -> int:
        """Does again what the others did before this process began; the last one's number, 0 for none.

        What cannot be done any more, as when a bundle is gone, is logged: the rest is served all the same.
        """
        for entry in journal:
            operation, arguments = entry["operation"], entry["arguments"]
            try:
                await self._operations[operation](arguments)
            except ShipwayError as error:
                log.error("%s %s could not be done again: %s", operation, arguments, error.message)
        return int(journal[-1]["number"]) if journal else 0

    def lose(self) -> None:
        """The supervisor is gone: nobody will answer."""
        self.channel = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_gone())
        self._waiting.clear()

    async def _do(self, message: Message) -> None:
        assert self.channel is not None
        told: dict[str, Any] = {"number": message["number"]}
        try:
            told["result"] = await self._operations[message["operation"]](message["arguments"])
        except ShipwayError as error:
            told["error"] = spell_error(error)
        except Exception:  # the request boundary: whoever asked would wait forever
            log.exception("the operation %s failed unexpectedly", message["operation"])
            told["error"] = spell_error(ShipwayError("The server failed on this; its log has the reason."))
        if self.channel is not None:
            self.channel.send("did", **told)


def _gone() -> UnavailableError:
    return UnavailableError("The supervisor of this server is gone; its workers are ending.")
