"""`serve`: answers requests from bundles until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from shipway.errors import ProofError
from shipway.server.run import StartReport, run_server
from shipway.server.settings import ServerSettings

OnReady = Callable[[str], None]
UNFIT_HINT = (
    "shipway inspect shows the bundle's verdicts; export the model again with --data, "
    "or with --accept inconclusive where that is your decision."
)


def serve(
    bundles: Sequence[Path | str],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    on_ready: OnReady | None = None,
) -> bool:
    """Serves the bundles over HTTP; blocks until SIGTERM or Ctrl-C, and then drains.

    True when everything that was accepted was answered in time.

    `on_ready` is called with the address once every model has answered its golden samples here. `port` 0 picks
    a free one. Raises `BundleError`, `PortInUseError`, `SessionLoadError`, and
    `ProofError` when a model fails its proof.
    """
    settings = replace(ServerSettings.from_environment(os.environ), host=host, port=port)
    return run_server([Path(path) for path in bundles], settings, on_ready, on_settled=_refuse_unfit)


def _refuse_unfit(report: StartReport) -> None:
    """Ends the server: whoever starts it should read why, and not wait for a readiness that never comes."""
    unfit = [model for model in report.models if not model.is_ready]
    if unfit:
        reasons = "; ".join(f"{model.name} version {model.version}: {model.reason}" for model in unfit)
        raise ProofError(f"Not fit to be served on this machine: {reasons}.", hint=UNFIT_HINT)
