"""The command line: one file per command, put together here."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from shipway import __version__
from shipway.cli import check, deploy, doctor, evaluate, export, inspect, serve
from shipway.cli.command import report
from shipway.cli.exit_codes import FINE, INTERRUPTED, USAGE

app = typer.Typer(
    name="shipway",
    help="Takes a trained model to a running deployment, and proves on the way that it is still the same model.",
    epilog="Exit codes: 0 fine, 1 a verdict was not PASS, 2 usage or input, 3 environment, 4 a bug in Shipway.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the rich help costs 75 ms of imports, and help must answer in 0.3 s
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shipway {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    del version


for module in (deploy, export, inspect, evaluate, serve, check, doctor):
    app.command(module.NAME, short_help=module.SUMMARY)(module.command)


_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Click's, by way of a class that Typer exports: newer Typers carry a Click of their own, older ones the real."""


def run(arguments: list[str]) -> int:
    """Runs one command line; gives the exit code."""
    command = typer.main.get_command(app)
    _show_what_cannot_be_encoded()
    try:
        code = command.main(arguments, prog_name="shipway", standalone_mode=False)
    except _UsageError as error:
        # Click's own words and form for a person; the document, when it was asked for, from here.
        if "--json" in arguments:
            report(True, "usage.invalid", error.format_message(), "See: shipway COMMAND --help")  # type: ignore[attr-defined]
        else:
            error.show()  # type: ignore[attr-defined]
        return USAGE
    except typer.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else FINE


def _show_what_cannot_be_encoded() -> None:
    """An ASCII terminal, or a file's name that is no text, must not end a command: such characters become `?`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
