"""`serve`: answers requests from bundles until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from shipway.server.run import run_server
from shipway.server.settings import ServerSettings

OnReady = Callable[[str], None]


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
    a free one. Raises `BundleError`, `PortInUseError`, `SessionLoadError`.
    """
    settings = replace(ServerSettings.from_environment(os.environ), host=host, port=port)
    return run_server([Path(path) for path in bundles], settings, on_ready)
