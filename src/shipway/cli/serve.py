"""`shipway serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import shipway
from shipway.cli.exit_codes import ENVIRONMENT, FINE
from shipway.cli.options import JsonFlag
from shipway.cli.reporting import errors_reported, print_document

SUMMARY = "Serve bundles over HTTP."


def command(
    bundles: Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="Bundles to serve.")],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 8080,
    as_json: JsonFlag = False,
) -> None:
    """Serve bundles over HTTP (Open Inference Protocol V2) until Ctrl-C or SIGTERM."""

    def on_ready(url: str) -> None:
        if as_json:
            ready: dict[str, Any] = {
                "result": "DONE",
                "verdicts": [],
                "metrics": {},
                "measurements": {},
                "bundle": None,
            }
            print_document({**ready, "url": url, "bundles": [str(bundle) for bundle in bundles]})
        else:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()

    with errors_reported(as_json=as_json):
        is_clean = shipway.serve(bundles, host=host, port=port, on_ready=on_ready)
        raise typer.Exit(FINE if is_clean else ENVIRONMENT)
