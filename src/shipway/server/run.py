"""A server's life: listen, load, prove, answer, drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from shipway.server.http.bodies import Bodies
from shipway.server.http.connections import Connections
from shipway.server.http.protocol import HttpConnection
from shipway.server.http.routes import Routes
from shipway.server.http.v2.translator import V2Translator
from shipway.server.listening import Listener, bind
from shipway.server.models.loading import load_all
from shipway.server.service import Service
from shipway.server.settings import ServerSettings

log = logging.getLogger("shipway.server")


@dataclass(frozen=True)
class ModelStatus:
    """One version after loading."""

    name: str
    version: str
    is_ready: bool
    reason: str


@dataclass(frozen=True)
class StartReport:
    """What stands once everything was loaded and proven, or refused."""

    url: str
    models: tuple[ModelStatus, ...]

    @property
    def is_ready(self) -> bool:
        """True when every version passed its proof."""
        return all(model.is_ready for model in self.models)


class Server:
    """A service behind an HTTP listener, on the running loop."""

    def __init__(self, settings: ServerSettings) -> None:
        """Binds the socket. Raises `PortInUseError`, `PermissionDeniedError`, `UsageError`."""
        self.settings = settings
        self.service = Service()
        self._connections = Connections(settings, asyncio.get_running_loop())
        bodies = Bodies(settings.max_body_bytes)
        routes = Routes(self.service, [V2Translator(self.service, bodies)])
        self._listener = Listener(
            bind(settings.host, settings.port), lambda: HttpConnection(self._connections, routes.handle)
        )
        self.url = self._listener.url

    async def start(self, bundles: Sequence[Path]) -> StartReport:
        """Listens at once, then loads and proves the bundles. Raises as `load_all` does."""
        self.service.begin_loading(len(bundles))
        await self._listener.start()
        await load_all(bundles, self.service, self.settings)
        return StartReport(
            url=self.url,
            models=tuple(
                ModelStatus(model.card.name, model.card.version, model.is_ready, model.reason)
                for model in self.service
            ),
        )

    async def drain(self) -> bool:
        """Not ready, no new connection, every accepted request answered; True when all were, in time."""
        self.service.is_draining = True
        await self._listener.stop()
        if not await self._connections.drain():
            return False  # a run that takes this long must not hold the process any longer
        await self.service.close()
        return True


def run_server(
    bundles: Sequence[Path],
    settings: ServerSettings,
    on_ready: Callable[[str], None] | None = None,
    *,
    on_settled: Callable[[StartReport], None] | None = None,
    until_eof: bool = False,
) -> bool:
    """Serves until SIGTERM or SIGINT, then drains; True when everything accepted was answered in time.

    `on_ready` gets the address once every version has passed its proof; `on_settled` the whole report, also
    when a version did not (the server then stays up, unready, and says why). `until_eof`: the end of standard
    input drains too, so that a server which a program started never outlives it. Raises `BundleError`,
    `SessionLoadError`, `PortInUseError`, `PermissionDeniedError`, `UsageError`.
    """

    def settled(report: StartReport) -> None:
        for model in report.models:
            if not model.is_ready:
                log.error("%s version %s is not ready: %s", model.name, model.version, model.reason)
        if on_settled is not None:
            on_settled(report)
        if on_ready is not None and report.is_ready:
            on_ready(report.url)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(bundles, settings, settled, until_eof=until_eof))


async def _serve(
    bundles: Sequence[Path],
    settings: ServerSettings,
    settled: Callable[[StartReport], None],
    *,
    until_eof: bool,
) -> bool:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    if until_eof:
        _stop_at_end_of_input(stop)
    server = Server(settings)
    starting = asyncio.create_task(server.start(bundles))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return await server.drain()
    try:
        settled(starting.result())
    except BaseException:
        await server.drain()
        raise
    _spare_the_collector()
    await stopping
    return await server.drain()


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT drains; a second SIGINT or SIGTERM ends at once, as it does by default."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread gets signals; whoever embeds the server stops it otherwise
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def _spare_the_collector() -> None:
    """What was loaded stays, so full collections need not look at it: 25 ms of standstill each, else 6 µs."""
    if threading.current_thread() is threading.main_thread():  # as above: an embedding program decides itself
        gc.freeze()


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """Whoever started this process holds the other end, and lets it go when it dies."""
    loop = asyncio.get_running_loop()

    def on_readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, on_readable)
