"""`python -m shipway.server BUNDLE...`: the server alone, as an image or a unit starts it.

Standard output gets one JSON line: what is served once it is ready, or what went wrong. argparse and not typer,
because every import here is time before the first answer.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

# numpy's OpenBLAS starts a thread per processor when it is imported; nothing here multiplies with it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from shipway.errors import EnvironmentFailure, InputError, SessionError, ShipwayError
from shipway.server.run import StartReport, run_server
from shipway.server.settings import ServerSettings

_EXIT_CODES: tuple[tuple[type[ShipwayError], int], ...] = (
    (InputError, 2),
    (SessionError, 2),
    (EnvironmentFailure, 3),
    (ShipwayError, 4),
)
_NOT_DRAINED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = ServerSettings.from_environment(os.environ).changed_by(options.assignments)
        given = {
            name: getattr(options, name)
            for name in ("host", "port", "workers")
            if getattr(options, name) is not None
        }
        is_clean = run_server(
            options.bundles, replace(settings, **given), on_settled=_print_report, until_eof=options.until_eof
        )
    except ShipwayError as error:
        _print_line({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
        return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
    return 0 if is_clean else _NOT_DRAINED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shipway.server", description="Serves bundles over HTTP until SIGTERM."
    )
    parser.add_argument("bundles", metavar="BUNDLE", nargs="+", type=Path)
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 picks a free one (default 8080)")
    parser.add_argument(
        "--workers",
        type=lambda text: 0 if text == "auto" else int(text),
        metavar="N",
        help="worker processes; auto: as many as there are processors (default 1)",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any other setting; may be repeated",
    )
    parser.add_argument("--until-eof", action="store_true", help="drain too when standard input ends")
    return parser


def _print_report(report: StartReport) -> None:
    _print_line(
        {
            "ready": report.is_ready,
            "url": report.url,
            "models": [
                {"name": model.name, "version": model.version, "ready": model.is_ready}
                | ({} if model.is_ready else {"reason": model.reason})
                for model in report.models
            ],
        }
        | ({"management": report.management_url} if report.management_url else {})
    )


def _print_line(document: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # before the loop listens for it
        sys.exit(130)
