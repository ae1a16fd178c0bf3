"""The command line: one file per command, put together here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated

import typer

from shipway import __version__
from shipway.cli.exit_codes import FINE, INTERRUPTED, USAGE
from shipway.cli.reporting import report

_HELP = (
    "Takes a trained model to a running deployment, and proves on the way that it is still the same model."
)
_EPILOG = "Exit codes: 0 fine, 1 a verdict was not PASS, 2 usage or input, 3 environment, 4 a bug in Shipway."
COMMANDS = (
    "deploy",
    "export",
    "inspect",
    "evaluate",
    "diff",
    "serve",
    "check",
    "conformance",
    "top",
    "doctor",
)
"""Each is a file of this folder."""


def build_app(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The program with these commands; only their files are imported."""
    app = typer.Typer(
        name="shipway",
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # the rich help costs 75 ms of imports, and help must answer in 0.3 s
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in names:
        module = import_module(f"shipway.cli.{name}")
        app.command(name, short_help=module.SUMMARY)(module.command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shipway {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    del version


_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Click's, by way of a class that Typer exports: newer Typers carry a Click of their own, older ones the real."""


def run(arguments: list[str]) -> int:
    """Runs one command line; gives the exit code."""
    # A server is ready 50 ms sooner when no other command is imported.
    asked = arguments[:1] if arguments[:1] and arguments[0] in COMMANDS else COMMANDS
    command = typer.main.get_command(build_app(asked))
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
