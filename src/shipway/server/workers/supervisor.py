"""The process that keeps the workers: starts, watches and replaces them, and ends with them.

It serves nothing itself and imports nothing of what serves, so it stays small and has nothing to die of.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from shipway.errors import ShipwayError, UsageError, WorkerCrashedError
from shipway.runtimes.cpu_quota import usable_processors
from shipway.server.observation.merging import SNAPSHOT
from shipway.server.report import ModelStatus, StartReport, join_reports
from shipway.server.settings import ServerSettings
from shipway.server.sockets import address_of, bind_several, reserve
from shipway.server.workers.asking import Asking, Finished, Journal
from shipway.server.workers.child import Child
from shipway.server.workers.departed import Departed
from shipway.server.workers.loop import Loop, Signals
from shipway.server.workers.messages import Message, read_error
from shipway.server.workers.orphans import Orphans
from shipway.server.workers.restarts import HEARTBEAT_SECONDS, Restarts
from shipway.server.workers.witnessed import Witnessed

log = logging.getLogger("shipway.server")

_SPARE_SLOTS = 65
"""Beyond `max_connections`: those that are told there is no room, and the slot of nobody."""
_MOST_EARLY_DEATHS = 3
"""Of workers before the first report: a server that cannot start says so instead of trying on."""
_MARGIN_SECONDS = 3.0
"""A worker keeps `drain_seconds` itself; one that has not ended so much later does not."""


class Place:
    """A listening socket of the port, and whoever accepts on it."""

    def __init__(self, number: int, listener: socket.socket) -> None:
        self.number = number
        self.listener = listener
        self.child: Child | None = None
        self.restarts = Restarts()
        self.is_covered = False
        """The supervisor accepts, since no worker does."""


class Supervisor:
    """Of one server. Belongs to one thread."""

    def __init__(
        self,
        bundles: Sequence[Path],
        settings: ServerSettings,
        settled: Callable[[StartReport], None],
        *,
        until_eof: bool = False,
    ) -> None:
        """Binds the sockets. Raises `PortInUseError`, `PermissionDeniedError`, `UsageError`."""
        self._bundles = [str(path) for path in bundles]
        self._count = count_workers(settings)
        self._settings = _share(settings, self._count)
        self._reserved: socket.socket | None = None
        """Keeps the management port, which the workers share."""
        self._management_url = ""
        if settings.management_port >= 0:
            self._reserve_management()
        self._settled = settled
        self._until_eof = until_eof
        listeners = bind_several(settings.host, settings.port, self._count)
        self.url = address_of(listeners[0], is_encrypted=bool(settings.tls_certificate))
        self._places = [Place(number, listener) for number, listener in enumerate(listeners)]
        self._loop = Loop()
        self._orphans = Orphans(self._loop, self._takers)
        self._asking = Asking()
        self._departed = Departed()
        self._journal = Journal()
        self._turn = 0
        self._deaths = 0
        self._has_reported = False
        self._is_ending = False
        self._is_clean = True
        self._failure: BaseException | None = None

    def run(self) -> bool:
        """Serves until it is told to stop; True when everything accepted was answered in time.

        Raises what a worker could not start for, `WorkerCrashedError`, and what `settled` raised.
        """
        _raise_descriptor_limit()
        others = [signal.SIGHUP] if self._settings.has_access_files else []
        signals = Signals(self._loop, self._on_signal, *others)
        try:
            with signals:
                if self._until_eof:
                    self._loop.watch(0, self._read_input)
                for place in self._places:
                    self._start(place)
                self._loop.call_later(HEARTBEAT_SECONDS, self._look)
                self._loop.run()
        finally:
            self._close()
        if self._failure is not None:
            raise self._failure
        return self._is_clean

    def _reserve_management(self) -> None:
        settings = self._settings
        self._reserved = reserve(settings.management_host, settings.management_port)
        self._management_url = address_of(self._reserved, is_encrypted=bool(settings.tls_certificate))
        self._settings = replace(settings, management_port=self._reserved.getsockname()[1])

    # Workers begin.

    def _start(self, place: Place) -> None:
        if self._is_ending:
            return
        try:
            child = Child(
                self._loop,
                place.listener,
                slots=self._settings.max_connections + _SPARE_SLOTS,
                hang_seconds=self._settings.worker_hang_seconds,
                on_message=lambda child, message: self._on_message(place, child, message),
                on_death=lambda _: self._on_death(place),
            )
        except OSError as error:  # no process or no descriptor to be had; there may be later
            log.error("worker %d could not be started: %s", place.number, error)
            self._loop.call_later(place.restarts.delay_after(0.0) or 1.0, lambda: self._start(place))
            return
        place.child = child
        journal = self._journal.since(0)
        child.send(
            "start",
            bundles=self._bundles,
            # The wait before the drain is the supervisor's.
            settings=msgspec.to_builtins(replace(self._settings, drain_wait_seconds=0.0)),
            is_replacement=self._has_reported or bool(journal),
            journal=journal,
        )

    def _on_message(self, place: Place, child: Child, message: Message) -> None:
        kind = message["kind"]
        if kind == "ask":
            self._ask(child, message)
        elif kind == "did":
            self._did(child, message)
        elif kind == "accepting":
            self._on_accepting(place, child)
        elif kind == "settled":
            self._on_settled(child, message)
        elif kind == "failed":
            self._on_failed(child, read_error(message["error"]))

    def _on_accepting(self, place: Place, child: Child) -> None:
        child.is_accepting = True
        if self._has_reported:
            log.warning("worker %d is up again", place.number)
        if place.is_covered:
            place.is_covered = False
            self._loop.forget(place.listener.fileno())
        self._orphans.place_waiting()

    def _on_settled(self, child: Child, message: Message) -> None:
        child.models = [ModelStatus(**model) for model in message["models"]]
        if not child.is_accepting:
            missed = self._journal.since(message["journal"])
            if missed:
                child.send("replay", journal=missed)
                return
            child.send("accept")
        self._report()

    def _report(self) -> None:
        told = [
            place.child.models for place in self._places if place.child and place.child.models is not None
        ]
        if self._has_reported or len(told) < self._count:
            return
        self._has_reported = True
        try:
            self._settled(join_reports(self.url, told, management_url=self._management_url))
        except BaseException as error:  # noqa: BLE001 - raised again by `run`, once everything has ended
            self._fail(error)

    def _on_failed(self, child: Child, error: ShipwayError) -> None:
        child.failure = f"{error.message} {error.hint}".rstrip()
        if not self._has_reported:
            self._fail(error)

    # Workers are watched, and die.

    def _look(self) -> None:
        now = time.monotonic()
        for place in self._places:
            child = place.child
            if child is None:
                continue
            # Loading may hold the loop for long, and nobody is kept waiting by a worker that loads.
            is_excused = child.models is None or self._asking.is_lasting(child)
            if child.liveness.is_hung(now, is_excused=is_excused) and not child.end_reason:
                seconds = self._settings.worker_hang_seconds
                child.kill_hung(f"its event loop stood still for worker_hang_seconds ({seconds:g} s)")
        self._loop.call_later(HEARTBEAT_SECONDS, self._look)

    def _on_death(self, place: Place) -> None:
        child = place.child
        assert child is not None
        place.child = None
        self._departed.lose(child)
        self._tell(self._asking.lose(child))
        refused, passed_on = self._orphans.refusals.count, self._orphans.passed_on
        for connection, fate in child.witnessed.settle():
            self._orphans.adopt(connection, fate)
        child.close()
        if self._is_ending:
            self._is_clean = self._is_clean and child.process.returncode == 0
            self._stop_when_done()
            return
        self._deaths += 1
        log.error(
            "worker %d (process %d) is gone: %s; 503 for %d unfinished requests, %d connections passed on",
            place.number,
            child.process.pid,
            child.explain_end(),
            self._orphans.refusals.count - refused,
            self._orphans.passed_on - passed_on,
        )
        if not self._has_reported and self._deaths >= _MOST_EARLY_DEATHS:
            self._fail(_never_started(child))
            return
        self._replace(place, time.monotonic() - child.started)

    def _replace(self, place: Place, lived_seconds: float) -> None:
        delay = place.restarts.delay_after(lived_seconds)
        if delay:
            log.error("worker %d is started again in %g s: it keeps ending", place.number, delay)
            self._loop.call_later(delay, lambda: self._start(place))
        else:
            self._start(place)
        self._cover(place)

    def _cover(self, place: Place) -> None:
        """Takes the connections of a place whose worker is missing."""
        is_missing = place.child is None or not place.child.is_accepting
        if is_missing and not place.is_covered and not self._is_ending:
            place.is_covered = True
            self._loop.watch(place.listener.fileno(), lambda: self._orphans.accept(place.listener))

    def _takers(self) -> Iterator[Witnessed]:
        """Who can serve a connection that has no worker, another one first each time."""
        self._turn += 1
        for offset in range(self._count):
            child = self._places[(self._turn + offset) % self._count].child
            if child is not None and child.is_accepting:
                yield child.witnessed

    # Operations concern all of them.

    def _ask(self, asker: Child, message: Message) -> None:
        children = [place.child for place in self._places if place.child and place.child.is_accepting]
        operation, arguments = message["operation"], message["arguments"]
        number = self._asking.begin(asker, message["ticket"], operation, arguments, children)
        for child in children:
            child.send("do", number=number, operation=operation, arguments=arguments)

    def _did(self, child: Child, message: Message) -> None:
        number, result, error = message["number"], message.get("result"), message.get("error")
        if self._asking.operation_of(number) == SNAPSHOT and isinstance(result, dict):
            self._departed.note(child, result)
        finished = self._asking.answer(number, child, result=result, error=error)
        self._tell([finished] if finished is not None else [])

    def _tell(self, ended: Sequence[Finished]) -> None:
        for finished in ended:
            self._journal.note(finished)
            results = finished.results
            if finished.operation == SNAPSHOT:
                results = [*results, {"supervisor": self.counters()}, self._departed.counted()]
            assert isinstance(finished.asker, Child)
            finished.asker.send("answered", ticket=finished.ticket, results=results, error=finished.error)

    def counters(self) -> dict[str, int]:
        """What the supervisor itself has to tell, since the start."""
        return {
            "workers": self._count,
            "workers_up": sum(1 for _ in self._takers()),
            "worker_deaths": self._deaths,
            "refused_for_dead_worker": self._orphans.refusals.count,
            "taken_over_connections": self._orphans.passed_on,
        }

    # The end.

    def _on_signal(self, number: int) -> None:
        """The first one drains; a second one ends everything at once, as it does by default."""
        if number == signal.SIGHUP:
            for place in self._places:
                if place.child is not None:
                    place.child.send("read_anew")
            return
        if not self._is_ending:
            self._end()
            return
        self._close()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _read_input(self) -> None:
        """Whoever started this process holds the other end, and lets it go when it dies."""
        if not os.read(0, 4096):
            self._loop.forget(0)
            self._end()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._end()

    def _end(self) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        for place in self._places:
            if place.child is not None:
                place.child.send("unready")
        self._loop.call_later(self._settings.drain_wait_seconds if self._has_reported else 0.0, self._drain)

    def _drain(self) -> None:
        """The own copies of the listeners go first: what a worker leaves open would be knocked at in vain."""
        for place in self._places:
            self._loop.forget(place.listener.fileno())
            place.is_covered = False
            if place.child is None:
                self._orphans.accept(place.listener)
            place.listener.close()
        for place in self._places:
            if place.child is not None:
                place.child.send("drain")
        self._loop.call_later(self._settings.drain_seconds + _MARGIN_SECONDS, self._kill_all)
        self._stop_when_done()

    def _kill_all(self) -> None:
        for place in self._places:
            if place.child is not None:
                self._is_clean = False
                place.child.kill(f"it had not drained {_MARGIN_SECONDS:g} s after drain_seconds")

    def _stop_when_done(self) -> None:
        if any(place.child is not None for place in self._places):
            return
        if self._orphans.refusals.is_idle:
            self._loop.stop()
        else:
            self._loop.call_later(0.05, self._stop_when_done)

    def _close(self) -> None:
        """Whatever is left ends now."""
        for place in self._places:
            place.listener.close()
            if place.child is not None:
                place.child.process.kill()
                place.child.process.wait()
                place.child.close()
                place.child = None
        if self._reserved is not None:
            self._reserved.close()
        self._orphans.close()
        self._loop.close()


def count_workers(settings: ServerSettings) -> int:
    """How many processes serve; 1: no supervisor. Raises `UsageError` where several cannot be."""
    count = settings.workers or usable_processors()
    if count < 0:
        raise UsageError(f"workers: expected 0 or more, found {count}.", hint="0 or auto: one a processor.")
    if count > 1 and not sys.platform.startswith("linux"):
        raise UsageError(
            f"{count} workers need Linux; found {sys.platform}.", hint="Serve with --workers 1, the default."
        )
    return count


def _share(settings: ServerSettings, count: int) -> ServerSettings:
    """What each worker gets: together they fit the processors (LitServe#453: more make every run slower)."""
    threads = settings.threads or max(1, usable_processors() // count)
    return replace(settings, threads=threads)


def _never_started(child: Child) -> WorkerCrashedError:
    return WorkerCrashedError(
        f"The server's worker processes end before they serve, the last one because {child.explain_end()}.",
        hint="Serve with --workers 1 to see the failure by itself; where memory is short, use fewer workers.",
    )


def _raise_descriptor_limit() -> None:
    """The supervisor holds a descriptor of every open connection."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # connections beyond the limit go without a witness
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
