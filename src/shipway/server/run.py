"""A server's life: listen, load, prove, answer, drain; in this process, or in several under this one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from shipway.server.observation import logs
from shipway.server.report import ModelStatus, StartReport
from shipway.server.settings import ServerSettings
from shipway.server.sockets import is_loopback

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

    logs.configure(settings.log_format)
    if not settings.api_keys and not is_loopback(settings.host):
        log.warning("whoever reaches %s may use this server: it has no api_keys", settings.host)
    if settings.workers != 1:
        from shipway.server.workers.supervisor import Supervisor, count_workers  # here: for those who want it

        if count_workers(settings) > 1:
            return Supervisor(bundles, settings, settled, until_eof=until_eof).run()
    from shipway.server.single import run_single  # here: all that serves, which a supervisor does without

    return run_single(bundles, settings, settled, until_eof=until_eof)
