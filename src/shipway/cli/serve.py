"""`shipway serve`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import shipway
from shipway.cli.exit_codes import ENVIRONMENT, FINE
from shipway.cli.options import JsonFlag
from shipway.cli.reporting import errors_reported, print_document
from shipway.errors import UsageError

if TYPE_CHECKING:
    from shipway.server.report import StartReport

SUMMARY = "Serve bundles over HTTP."
_LISTENING, _ACCESS, _RUNNING = "Listening", "Who may ask", "Running"


class Versions(StrEnum):
    """Which versions of a model in a folder are served."""

    LATEST = "latest"
    ALL = "all"


def _print_new_key(name: str | None) -> None:
    """The entry on standard output, so that `>> keys.toml` keeps it; the key on standard error, once."""
    if name is None:
        return
    from shipway.server.access.keys import make_key  # here: for this option alone

    key, entry = make_key(name)
    sys.stdout.write(entry)
    sys.stderr.write(f"The key, shown once: {key}\n")
    raise typer.Exit(FINE)


def command(
    bundles: Annotated[
        list[Path],
        typer.Argument(metavar="BUNDLE...", help="Bundles to serve, and folders that hold bundles."),
    ],
    host: Annotated[
        str | None,
        typer.Option("--host", help="Address to listen on (127.0.0.1).", rich_help_panel=_LISTENING),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="Port to listen on (8080); 0: any free one.",
            rich_help_panel=_LISTENING,
        ),
    ] = None,
    management_port: Annotated[
        int | None,
        typer.Option(
            "--management-port",
            min=0,
            max=65535,
            help="A port of this machine alone, to load and unload models; 0: any free one.",
            rich_help_panel=_LISTENING,
        ),
    ] = None,
    api_keys: Annotated[
        Path | None,
        typer.Option(
            "--api-keys",
            metavar="FILE",
            help="Keys of clients, in a TOML file; without it whoever can connect may ask.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert", metavar="FILE", help="Certificate (PEM): serve HTTPS.", rich_help_panel=_ACCESS
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            "--tls-key", metavar="FILE", help="Its key (PEM), if in another file.", rich_help_panel=_ACCESS
        ),
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-client-ca",
            metavar="FILE",
            help="Clients must show a certificate that this CA (PEM) vouches for.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    _new_key: Annotated[
        str | None,
        typer.Option(
            "--make-key",
            metavar="NAME",
            callback=_print_new_key,
            is_eager=True,
            help="Print a new key and its entry for the file of --api-keys, and end.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            "--workers",
            metavar="N|auto",
            help="Processes that serve (1); auto: one a processor.",
            rich_help_panel=_RUNNING,
        ),
    ] = None,
    no_batching: Annotated[
        bool,
        typer.Option(
            "--no-batching",
            help="Run every request alone, for answers equal to the last bit.",
            rich_help_panel=_RUNNING,
        ),
    ] = False,
    versions: Annotated[
        Versions | None,
        typer.Option(
            "--versions",
            help="Which versions of a model in a folder are served (latest).",
            rich_help_panel=_RUNNING,
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of the server, as --set max_body_bytes=1000000; may be repeated.",
            rich_help_panel=_RUNNING,
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve bundles over HTTP (Open Inference Protocol V2, TensorFlow Serving's REST) until Ctrl-C or SIGTERM."""

    def on_report(report: StartReport) -> None:
        if as_json:
            print_document(_document(report, bundles))
        elif sys.stdout.isatty():
            sys.stdout.write(_greeting(report))
        else:
            sys.stdout.write(f"{report.url}\n")
        sys.stdout.flush()

    with errors_reported(as_json=as_json):
        is_clean = shipway.serve(
            bundles,
            host=host,
            port=port,
            workers=_count(workers),
            batching=False if no_batching else None,
            version_policy=None if versions is None else versions.value,
            api_keys=api_keys,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            management_port=management_port,
            settings=_assigned(assignments or []),
            on_report=on_report,
        )
        raise typer.Exit(FINE if is_clean else ENVIRONMENT)


def _count(workers: str | None) -> int | None:
    if workers is None or workers == "auto":
        return None if workers is None else 0
    if not workers.isdecimal():
        raise UsageError(f"--workers: expected a number or auto, found {workers!r}.")
    return int(workers)


def _assigned(assignments: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for assignment in assignments:
        name, given, value = assignment.partition("=")
        if not given:
            raise UsageError(f"--set: expected NAME=VALUE, found {assignment!r}.")
        found[name] = value
    return found


def _document(report: StartReport, bundles: list[Path]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "result": "DONE",
        "verdicts": [],
        "metrics": {},
        "measurements": {},
        "bundle": None,
        "url": report.url,
        "bundles": [str(bundle) for bundle in bundles],
    }
    return document | ({"management": report.management_url} if report.management_url else {})


def _greeting(report: StartReport) -> str:
    """What a person wants to know first: where, what, how to ask, how to end."""
    lines = [f"Serving at {report.url}", ""]
    lines += [f"  {model.name} version {model.version}: proven on this machine" for model in report.models]
    if report.models:
        lines += [
            "",
            f"  Try it:   {report.url}/docs, or curl {report.url}/v2/models/{report.models[0].name}",
        ]
    if report.management_url:
        lines.append(f"  Manage:   {report.management_url}/v2/repository/…")
    lines += ["  End:      Ctrl-C; what was accepted is answered first", ""]
    return "\n".join(lines) + "\n"
