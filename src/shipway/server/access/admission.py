"""What the settings say about who may come in: keys, certificates, and the two ports that they guard."""

from __future__ import annotations

import logging
from pathlib import Path

from shipway.errors import ShipwayError, UsageError
from shipway.server.access.gate import Gate
from shipway.server.access.tls import Tls
from shipway.server.settings import ServerSettings
from shipway.server.sockets import is_loopback

log = logging.getLogger("shipway.server")


class Admission:
    """Of one process. Belongs to its event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        """Reads every file that the settings name. Raises `UsageError`, `PermissionDeniedError`."""
        _check(settings)
        self.gate = Gate(Path(settings.api_keys)) if settings.api_keys else None
        """Of the main port; None: whoever can connect may ask."""
        self.management_gate = (
            Gate(_path(settings.management_keys)) if settings.management_port >= 0 else None
        )
        self.tls: Tls | None = None
        """Of both ports."""
        if settings.tls_certificate:
            self.tls = Tls(
                Path(settings.tls_certificate), _path(settings.tls_key), _path(settings.tls_client_ca)
            )

    def read_anew(self) -> None:
        """The files may have changed. One that cannot be used is logged, and what it held before stays."""
        for part in (self.gate, self.management_gate, self.tls):
            if part is not None:
                try:
                    part.read_anew()
                except ShipwayError as error:
                    log.error("kept as it was: %s %s", error.message, error.hint)


def _check(settings: ServerSettings) -> None:
    if not settings.tls_certificate and (settings.tls_key or settings.tls_client_ca):
        raise UsageError("tls_key and tls_client_ca need tls_certificate.", hint="--tls-cert FILE names it.")
    if settings.repository_api and not settings.api_keys:
        raise UsageError(
            "repository_api opens loading and unloading to clients of the main port; it needs api_keys.",
            hint="Or use management_port, which only this machine reaches.",
        )
    if settings.management_port < 0:
        return
    if not is_loopback(settings.management_host) and not settings.management_keys:
        raise UsageError(
            f"management_host {settings.management_host} is not loopback: it needs management_keys.",
            hint="shipway serve --make-key NAME prints a key and its entry for the file.",
        )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
