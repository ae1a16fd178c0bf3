"""The life of a server that is one process: started, told to stop, drained. Its service manager watches it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from shipway.server.report import StartReport
from shipway.server.serving import Server, spare_the_collector
from shipway.server.settings import ServerSettings


def run_single(
    bundles: Sequence[Path],
    settings: ServerSettings,
    settled: Callable[[StartReport], None],
    *,
    until_eof: bool,
) -> bool:
    """See `run_server`, which calls this for one worker."""
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
    if settings.has_access_files and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.read_anew)
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
