"""A server's life: listen, load, prove, answer, drain. Light, so that a supervisor stays so: see `serving.py`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from shipway.server.report import ModelStatus, StartReport
from shipway.server.settings import ServerSettings

__all__ = ["ModelStatus", "StartReport", "run_server"]

log = logging.getLogger("shipway.server")


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
    `SessionLoadError`, `PortInUseError`, `PermissionDeniedError`, `UsageError`, and `WorkerCrashedError` where
    several workers are asked for and none stays up.
    """

    def settled(report: StartReport) -> None:
        for model in report.models:
            if not model.is_ready:
                log.error("%s version %s is not ready: %s", model.name, model.version, model.reason)
        if on_settled is not None:
            on_settled(report)
        if on_ready is not None and report.is_ready:
            on_ready(report.url)

    if settings.workers != 1:
        from shipway.server.workers.supervisor import Supervisor, count_workers  # here: for those who want it

        if count_workers(settings) > 1:
            return Supervisor(bundles, settings, settled, until_eof=until_eof).run()
    import uvloop  # here: a supervisor has no loop of this kind

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(bundles, settings, settled, until_eof=until_eof))


async def _serve(
    bundles: Sequence[Path],
    settings: ServerSettings,
    settled: Callable[[StartReport], None],
    *,
    until_eof: bool,
) -> bool:
    from shipway.server.serving import Server, spare_the_collector  # here: all of the service's imports

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
    spare_the_collector()
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


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """Whoever started this process holds the other end, and lets it go when it dies."""
    loop = asyncio.get_running_loop()

    def on_readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    loop.add_reader(0, on_readable)
