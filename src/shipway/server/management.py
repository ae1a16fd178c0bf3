"""The management port: what changes a running server, on a listener of its own that only this machine reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shipway.server.access.admission import Admission
from shipway.server.access.scopes import Scope
from shipway.server.http.connections import Connections, Watcher
from shipway.server.http.protocol import HttpConnection
from shipway.server.http.routes import Endpoint, Routes, Translator
from shipway.server.listening import Listener, bind
from shipway.server.observation.server_metrics import ServerMetrics
from shipway.server.service import Service
from shipway.server.settings import ServerSettings


class Management:
    """Belongs to one event loop."""

    def __init__(
        self,
        settings: ServerSettings,
        service: Service,
        admission: Admission,
        translators: Sequence[Translator],
        *,
        metrics: ServerMetrics,
        watcher: Watcher,
        shares_port: bool,
    ) -> None:
        """Binds its socket; `shares_port` with the other worker processes, any of which answers for all.

        What it answers is counted in `metrics` and told to `watcher`, as what the main port does.

        Raises `PortInUseError`, `PermissionDeniedError`, `UsageError`.
        """
        gate = admission.management_gate
        self.connections = Connections(settings, asyncio.get_running_loop(), watcher=watcher, gate=gate)
        self.connections.metrics = metrics
        routes = Routes(service, [WithoutInference(part) for part in translators], gate)
        self.listener = Listener(
            bind(settings.management_host, settings.management_port, shares_port=shares_port),
            lambda: HttpConnection(self.connections, routes.handle),
            admission.tls,
            handshake_seconds=settings.head_seconds,
        )
        self.url = self.listener.url

    async def drain(self) -> bool:
        """No new connection, every accepted request answered; True when all were, in time."""
        await self.listener.stop()
        return await self.connections.drain()


class WithoutInference:
    """A translator without the paths on which models are asked: those belong to the main port and its limits."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    def find(self, path: list[str]) -> Endpoint | None:
        """See `Translator.find`."""
        if path[-1:] == ["infer"]:
            return None
        endpoint = self._translator.find(path)
        is_inference = endpoint is not None and endpoint.scope == Scope.INFER and b"POST" in endpoint.methods
        return None if is_inference else endpoint
