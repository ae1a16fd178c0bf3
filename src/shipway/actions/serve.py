"""`serve`: answers requests from bundles until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shipway.errors import ProofError
from shipway.server.run import StartReport, run_server
from shipway.server.settings import ServerSettings

OnReady = Callable[[str], None]
OnReport = Callable[[StartReport], None]
UNFIT_HINT = (
    "shipway inspect shows the bundle's verdicts; export the model again with --data, "
    "or with --accept inconclusive where that is your decision."
)


def serve(
    bundles: Sequence[Path | str],
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    batching: bool | None = None,
    version_policy: str | None = None,
    api_keys: Path | str | None = None,
    tls_certificate: Path | str | None = None,
    tls_key: Path | str | None = None,
    tls_client_ca: Path | str | None = None,
    management_port: int | None = None,
    settings: Mapping[str, object] | None = None,
    on_ready: OnReady | None = None,
    on_report: OnReport | None = None,
) -> bool:
    """Serves bundles, and folders of bundles, over HTTP; blocks until SIGTERM or Ctrl-C, and then drains.

    True when everything that was accepted was answered in time. Every argument that is left out is as the
    environment has it (`SHIPWAY_SERVER_…`), or else the setting's default: loopback, port 8080, one worker, no
    keys. `port` and `management_port` 0 pick a free one; `workers` 0 starts one a processor; `version_policy` is
    `latest` or `all`. `settings` has any other setting by its name.

    `on_ready` is called with the address once every model has answered its golden samples here, `on_report` with
    all that stands then. Raises `BundleError`, `PortInUseError`, `SessionLoadError`, `UsageError` for settings
    that cannot be, and `ProofError` when a model fails its proof.
    """
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "workers": workers,
        "batching": batching,
        "version_policy": version_policy,
        "api_keys": api_keys,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "management_port": management_port,
    }
    chosen: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if value is not None
    }
    others = [f"{name}={value}" for name, value in (settings or {}).items()]
    made = replace(ServerSettings.from_environment(os.environ).changed_by(others), **chosen)

    def settled(report: StartReport) -> None:
        _refuse_unfit(report)
        if on_report is not None:
            on_report(report)

    return run_server([Path(path) for path in bundles], made, on_ready, on_settled=settled)


def _refuse_unfit(report: StartReport) -> None:
    """Ends the server: whoever starts it should read why, and not wait for a readiness that never comes."""
    unfit = [model for model in report.models if not model.is_ready]
    if unfit:
        reasons = "; ".join(f"{model.name} version {model.version}: {model.reason}" for model in unfit)
        raise ProofError(f"Not fit to be served on this machine: {reasons}.", hint=UNFIT_HINT)
