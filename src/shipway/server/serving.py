"""One process that serves: the service, its translators and its listener, and how they begin and end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import socket

from shipway.server.access.admission import Admission
from shipway.server.fleet import Alone, Fleet, Operations
from shipway.server.http.bodies import Bodies
from shipway.server.http.connections import Connections
from shipway.server.http.exchange import Exchange
from shipway.server.http.metrics_path import MetricsPath
from shipway.server.http.pages.translator import PagesTranslator
from shipway.server.http.protocol import HttpConnection
from shipway.server.http.routes import Routes, Translator
from shipway.server.http.tfs.translator import TfsTranslator
from shipway.server.http.v2.logging import EXTENSION as LOGGING
from shipway.server.http.v2.logging import LoggingTranslator
from shipway.server.http.v2.logging import operation as change_logging
from shipway.server.http.v2.repository import EXTENSION as REPOSITORY
from shipway.server.http.v2.repository import NoRepository, RepositoryTranslator
from shipway.server.http.v2.statistics import Statistics
from shipway.server.http.v2.translator import V2Translator
from shipway.server.listening import Listener, bind
from shipway.server.management import Management
from shipway.server.models.library import Library
from shipway.server.observation.merging import SNAPSHOT
from shipway.server.observation.observation import make_observation
from shipway.server.observation.snapshot import snapshots
from shipway.server.report import ModelStatus, StartReport
from shipway.server.scheduling.cache import AnswerCache
from shipway.server.service import Service
from shipway.server.settings import ServerSettings

MakeConnection = Callable[[Connections, Callable[[Exchange], None]], HttpConnection]


class Server:
    """A service behind an HTTP listener, on the running loop.

    As one of several worker processes it is given the socket that is its own, a fleet that reaches the others,
    and connections that have a witness.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        listener: socket | None = None,
        make_fleet: Callable[[Operations], Fleet] = Alone,
        make_connection: MakeConnection = HttpConnection,
    ) -> None:
        """Binds a socket where it gets none. Raises `PortInUseError`, `PermissionDeniedError`, `UsageError`."""
        self.settings = settings
        self.admission = admission = Admission(settings)
        self._observation = observation = make_observation(settings)
        cache = AnswerCache(settings.cache_bytes) if settings.cache_bytes else None
        self.service = Service(cache, capture=observation.capture, watch=observation.watch)
        self.library = Library(self.service, settings)
        self.operations = dict(self.library.operations())
        self.fleet = make_fleet(self.operations)
        self._connections = Connections(
            settings, asyncio.get_running_loop(), watcher=observation, gate=admission.gate
        )
        ports = [self._connections]
        self.operations[SNAPSHOT] = snapshots(ports, self.service, self.library, observation)
        bodies = Bodies(settings.max_body_bytes)
        more_extensions = [REPOSITORY] if settings.repository_api else []
        translators: list[Translator] = [
            Statistics(self.service, self.fleet),  # before V2, to which /v2/models/stats is a model's name
            V2Translator(
                self.service,
                bodies,
                more_extensions,
                max_json_depth=settings.max_json_depth,
            ),
            TfsTranslator(self.service, bodies),
            PagesTranslator(self.service, admission.gate, more_extensions),
            MetricsPath(self.fleet),
        ]
        repository = RepositoryTranslator(self.fleet, bodies)
        offered = (
            repository
            if settings.repository_api
            else NoRepository(is_elsewhere=settings.management_port >= 0)
        )
        routes = Routes(self.service, [offered, *translators], admission.gate)
        self.listener = Listener(
            listener or bind(settings.host, settings.port),
            lambda: make_connection(self._connections, routes.handle),
            admission.tls,
            handshake_seconds=settings.head_seconds,
        )
        self.url = self.listener.url
        self._management: Management | None = None
        if settings.management_port >= 0:
            telling_more = V2Translator(
                self.service, bodies, [REPOSITORY, LOGGING], max_json_depth=settings.max_json_depth
            )
            self.operations[LOGGING] = change_logging()
            logging = LoggingTranslator(self.fleet, bodies)
            pages = PagesTranslator(
                self.service, admission.management_gate, [REPOSITORY, LOGGING], asks_models=False
            )
            told: list[Translator] = [translators[0], telling_more, pages]
            managing: list[Translator] = [repository, logging, *told, *translators]
            self._management = Management(
                settings,
                self.service,
                admission,
                managing,
                metrics=self._connections.metrics,
                watcher=observation,
                shares_port=listener is not None,
            )
            ports.append(self._management.connections)

    async def start(self, bundles: Sequence[Path]) -> StartReport:
        """Listens at once, then loads and proves what is given. Raises as `Library.start` does."""
        await self.listen()
        return await self.load(bundles)

    async def listen(self) -> None:
        """Alive from now on, and not ready before it knows what there is."""
        self.service.begin_loading(1)
        await self.accept()

    async def accept(self) -> None:
        """Takes connections from now on."""
        await self.listener.start()
        if self._management is not None:
            await self._management.listener.start()

    def read_anew(self) -> None:
        """Keys and certificates may have changed: what comes from now on is let in by the new ones."""
        self.admission.read_anew()
        self._connections.heads.forget()
        if self._management is not None:
            self._management.connections.heads.forget()

    async def load(self, bundles: Sequence[Path]) -> StartReport:
        """Loads and proves; `service.begin_loading` has said that it would. Raises as `Library.start` does."""
        await self.library.start(bundles)
        self.service.end_loading(1)
        return StartReport(
            url=self.url,
            models=tuple(
                ModelStatus(model.card.name, model.card.version, model.is_ready, model.reason)
                for model in self.service
            ),
            management_url=self._management.url if self._management is not None else "",
        )

    async def drain(self) -> bool:
        """Not ready, then no new connection, every accepted request answered; True when all were, in time."""
        self.service.is_draining = True
        if self.settings.drain_wait_seconds:
            await asyncio.sleep(self.settings.drain_wait_seconds)
        await self.listener.stop()
        drains = [self._connections.drain()]
        if self._management is not None:
            drains.append(self._management.drain())
        if not all(await asyncio.gather(*drains)):
            return False  # a run that takes this long must not hold the process any longer
        await self.library.close()
        await self.service.close()
        await self._observation.close()
        return True


def spare_the_collector() -> None:
    """What was loaded stays, so full collections need not look at it: 25 ms of standstill each, else 6 µs."""
    if threading.current_thread() is threading.main_thread():  # else the program around it decides itself
        gc.freeze()
