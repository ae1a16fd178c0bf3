"""A worker process's life: told what to serve, loads and proves it, answers, drains."""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from shipway.errors import ShipwayError
from shipway.server.fleet import Fleet, Operations
from shipway.server.http.connections import Connections
from shipway.server.http.exchange import Exchange
from shipway.server.observation import logs
from shipway.server.report import StartReport
from shipway.server.serving import Server, spare_the_collector
from shipway.server.settings import ServerSettings
from shipway.server.workers.channel import Channel, RemoteFleet
from shipway.server.workers.ledger import Ledger
from shipway.server.workers.messages import Message, Unpacker, spell_error
from shipway.server.workers.witness import Witness, WitnessedConnection

log = logging.getLogger("shipway.server")

NOT_DRAINED = 3
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of linux/prctl.h."""
_MARGIN_SECONDS = 3.0


def run_worker(listener: int, control: int, witness: int, ledger: int) -> int:
    """Serves on descriptors that the supervisor handed down, until it says so or is gone; the exit status."""
    for descriptor in (listener, control, witness, ledger):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the supervisor decides
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # how a hung worker shows where it stands
    _follow_parent()
    channel = socket.socket(fileno=control)
    start = _read_start(channel)
    if start is None:
        return 0
    settings = msgspec.convert(start["settings"], ServerSettings)
    logs.configure(settings.log_format)
    _outlive_briefly(control, settings.drain_seconds + _MARGIN_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        worker = Worker(settings, channel, socket.socket(fileno=witness), ledger)
        return runner.run(worker.run(start, socket.socket(fileno=listener)))


class Worker:
    """Belongs to one event loop."""

    def __init__(
        self, settings: ServerSettings, control: socket.socket, witness: socket.socket, ledger: int
    ) -> None:
        self._settings = settings
        self._control = control
        self._witness = witness
        self._ledger = ledger
        self._stop = asyncio.Event()
        self._accept = asyncio.Event()
        self._replays: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue()
        self._taking: set[asyncio.Task[None]] = set()

    async def run(self, start: Message, listener: socket.socket) -> int:
        """Everything from the first word to the last; the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        server = self._make_server(listener)
        await self._connect(server)
        begin = self._begin_again if start["is_replacement"] else self._begin
        starting = asyncio.create_task(begin(server, start))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return await self._drain(server)
        try:
            starting.result()
        except ShipwayError as error:
            self._channel.send("failed", error=spell_error(error))
            await self._drain(server)
            return 1
        spare_the_collector()
        await stopping
        return await self._drain(server)

    def _make_server(self, listener: socket.socket) -> Server:
        self._witness.setblocking(False)
        witness = self._book = Witness(self._witness, Ledger(self._ledger), asyncio.get_running_loop())
        self._fleet = RemoteFleet({})

        def make_fleet(operations: Operations) -> Fleet:
            self._fleet = RemoteFleet(operations)
            return self._fleet

        def make_connection(
            connections: Connections, handle: Callable[[Exchange], None]
        ) -> WitnessedConnection:
            return WitnessedConnection(connections, handle, witness)

        return Server(
            self._settings, listener=listener, make_fleet=make_fleet, make_connection=make_connection
        )

    async def _connect(self, server: Server) -> None:
        loop = asyncio.get_running_loop()

        def on_unready(_message: Message) -> None:
            server.service.is_draining = True

        self._channel = Channel(
            {
                "answered": self._fleet.on_answered,
                "do": self._fleet.on_do,
                "replay": lambda message: self._replays.put_nowait(message["journal"]),
                "accept": lambda _: self._accept.set(),
                "unready": on_unready,
                "read_anew": lambda _: server.read_anew(),
                "drain": lambda _: self._stop.set(),
            },
            self._on_end,
        )
        await loop.create_unix_connection(lambda: self._channel, sock=self._control)
        self._fleet.channel = self._channel
        loop.add_reader(self._witness.fileno(), self._take, server)

    def _on_end(self) -> None:
        self._fleet.lose()
        self._stop.set()

    async def _begin(self, server: Server, start: Message) -> None:
        """As the first of its place: alive at once, ready later, as a server of one process is."""
        await server.listen()
        self._channel.send("accepting")
        self._say_settled(await server.load([Path(path) for path in start["bundles"]]), 0)

    async def _begin_again(self, server: Server, start: Message) -> None:
        """In place of one that died: nobody is served before everything stands as it does in the others."""
        server.service.begin_loading(1)
        report = await server.load([Path(path) for path in start["bundles"]])
        number = await self._fleet.replay(start["journal"])
        self._say_settled(report, number)
        accepting = asyncio.create_task(self._accept.wait())
        while not accepting.done():
            missed = asyncio.create_task(self._replays.get())
            await asyncio.wait([accepting, missed], return_when=asyncio.FIRST_COMPLETED)
            if missed.done():
                number = await self._fleet.replay(missed.result())
                self._say_settled(report, number)
            else:
                missed.cancel()
        await server.accept()
        self._channel.send("accepting")

    def _say_settled(self, report: StartReport, number: int) -> None:
        self._channel.send("settled", models=msgspec.to_builtins(report.models), journal=number)

    def _take(self, server: Server) -> None:
        """Connections that the supervisor passes on: of a dead worker, or of a place without one."""
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._witness, 16, 1)
            except OSError:  # nothing more for now
                return
            if not message:
                asyncio.get_running_loop().remove_reader(self._witness.fileno())
                return
            for descriptor in descriptors:
                self._spawn_take(server, socket.socket(fileno=descriptor))

    def _spawn_take(self, server: Server, connection: socket.socket) -> None:
        descriptor = connection.fileno()
        self._book.expect(connection)
        task = asyncio.get_running_loop().create_task(server.listener.take(connection))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        task.add_done_callback(lambda _: self._book.count_read_before(descriptor))  # where it came to nothing

    async def _drain(self, server: Server) -> int:
        is_clean = await server.drain()
        if not is_clean:
            log.error("drain_seconds (%g) were not enough", self._settings.drain_seconds)
        return 0 if is_clean else NOT_DRAINED


def _read_start(channel: socket.socket) -> Message | None:
    """The first message, waited for; None when the supervisor is gone already."""
    unpacker = Unpacker()
    length = channel.recv(4, socket.MSG_WAITALL)
    if len(length) < 4:
        return None
    rest = channel.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    found = unpacker.feed(length + rest)
    return found[0] if found else None


def _follow_parent() -> None:
    """SIGTERM when the supervisor dies, from the kernel. Its end of the channel says so too; this is for a loop
    that does not get to reading it soon."""
    ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def _outlive_briefly(control: int, seconds: float) -> None:
    """Ends this process so long after the supervisor has died, whatever its event loop is at then."""

    def watch() -> None:
        poll = select.poll()
        poll.register(control, 0)  # nothing but the other end's close
        poll.poll()
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="shipway-supervisor-watch", daemon=True).start()
